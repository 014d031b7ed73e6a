"""Questions to the workspace, or through it to the page, in the form that Colab's page knows.

A `colab_request` goes out on iopub, the answer comes as `input_reply` on stdin. Colab's own package
speaks the same way, so what it asks is answered too.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from ropeway.kernel import inband, stdin

__all__ = ["MessageError", "blocking_request", "send_request"]

_numbers = itertools.count(1)
_answers: dict[int, dict[str, Any]] = {}
"""By number, what was answered to those who wait; empty until it was."""


class MessageError(Exception):
    """A question was answered with an error, or nobody is there who could answer."""


def blocking_request(
    request_type: str, request: Any = "", timeout_sec: float | None = 5, parent: Any = None
) -> Any:
    """The answer to a question: any JSON. None as the timeout waits for ever.

    Raises `MessageError` with the words of who answered, and `TimeoutError`.
    """
    number = next(_numbers)
    _answers[number] = {}
    ends = None if timeout_sec is None else time.monotonic() + timeout_sec
    try:
        _send(request_type, request, parent, number)
        while not _answers[number]:
            if ends is not None and time.monotonic() > ends:
                raise TimeoutError(f"Nobody answered {request_type} within {timeout_sec} s.")
            stdin.look(inband.kernel(), lambda: bool(_answers[number]))
        answer = _answers[number]
    finally:
        del _answers[number]
    if answer.get("error"):
        raise MessageError(answer["error"])
    return answer.get("data")


def send_request(request_type: str, request: Any = "", parent: Any = None) -> None:
    """Tell something that nobody answers."""
    _send(request_type, request, parent, None)


def _send(request_type: str, request: Any, parent: Any, number: int | None) -> None:
    kernel = inband.kernel()
    metadata: dict[str, Any] = {"colab_request_type": request_type}
    if number is not None:
        metadata["colab_msg_id"] = number
    kernel.session.send(
        kernel.iopub_socket,
        "colab_request",
        {"request": request},
        metadata=metadata,
        parent=parent or kernel.get_parent("shell"),
    )


def _take(value: dict[str, Any], buffers: list[Any]) -> None:
    number = value.get("colab_msg_id")
    if value.get("type") == "colab_reply" and number in _answers:
        _answers[number] = value


stdin.hand("colab_msg_id", _take)
