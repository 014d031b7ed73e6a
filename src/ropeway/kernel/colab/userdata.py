"""`google.colab.userdata`: secrets that are kept at home, for notebooks that may read them."""

from __future__ import annotations

from ropeway.kernel.colab import _message, errors

__all__ = ["NotebookAccessError", "SecretNotFoundError", "TimeoutException", "get"]

_PATIENCE = 180.0
"""Seconds until home must have answered; it gives the person at the page 120."""


class SecretNotFoundError(errors.Error):
    """There is no secret of that name."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Secret {key} does not exist. Add it at home: ropeway secrets set {key}")


class NotebookAccessError(Exception):
    """The notebook may not read that secret; no `errors.Error`, as in Colab."""

    def __init__(self, key: str, hint: str = "") -> None:
        super().__init__(f"Notebook does not have access to secret {key}. {hint}".strip())


class TimeoutException(errors.Error):
    """Nobody answered in time."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Requesting secret {key} timed out: nobody allowed or denied it.")


def get(key: str) -> str:
    """The value of a secret. The first time, the page asks whether this notebook may read it.

    Raises `SecretNotFoundError`, `NotebookAccessError` and `TimeoutException`; a `ValueError` for
    what is no key.
    """
    if not isinstance(key, str) or not key or any(each.isspace() for each in key):
        raise ValueError(f"A key has no white space and is not empty, and this is {key!r}.")
    try:
        told = _message.blocking_request("GetSecret", {"key": key}, timeout_sec=_PATIENCE)
    except TimeoutError:
        raise TimeoutException(key) from None
    if not told.get("exists"):
        raise SecretNotFoundError(key)
    if told.get("unanswered"):
        raise TimeoutException(key)
    if not told.get("access"):
        raise NotebookAccessError(key, str(told.get("hint", "")))
    return str(told.get("payload", ""))
