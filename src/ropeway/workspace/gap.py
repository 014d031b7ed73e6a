"""What clients are told after a plain server's link was dead: what may be missing, and what ended.

A request whose reply was lost would leave its cell running for ever. It is answered with the status
`aborted`: nobody knows how it ended, so it is neither a success nor an error of the user's code,
and pages do not go on with the cells behind it. Pure.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ropeway.frames import Frame, message

EXECUTE = "execute_request"


@dataclass(frozen=True, slots=True)
class Asked:
    """A client's request that has no reply yet; `sent` when the link was up."""

    channel: str
    identities: list[bytes]
    header: dict[str, Any]
    sent: bool

    @property
    def in_line(self) -> bool:
        """Whether the kernel's main shell answers it, which takes one request after the other."""
        return self.channel == "shell" and not self.header.get("subshell_id")


def missing(asked: Asked, name: str, since: float, until: float, session: str) -> Frame:
    """The line in a cell's output that says what may be missing in it."""
    text = (
        f"\nRopeway: the link to {name} was dead from {_clock(since)} to {_clock(until)}. "
        "Output of this cell may be missing.\n"
    )
    return _stderr(asked, text, session)


def ended(asked: Asked, name: str, session: str) -> list[Frame]:
    """The reply that was lost, and what goes to everybody: the cell is done."""
    kind = str(asked.header.get("msg_type", "")).removesuffix("_request") + "_reply"
    frames = [
        message("shell", kind, {"status": "aborted"}, session=session, parent=asked.header),
        message(
            "iopub", "status", {"execution_state": "idle"}, session=session, parent=asked.header
        ),
    ]
    if asked.header.get("msg_type") == EXECUTE:
        text = f"Ropeway: the cell has ended on {name}; how was lost with the link.\n"
        frames.insert(0, _stderr(asked, text, session))
    return frames


def _stderr(asked: Asked, text: str, session: str) -> Frame:
    content = {"name": "stderr", "text": text}
    return message("iopub", "stream", content, session=session, parent=asked.header)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
