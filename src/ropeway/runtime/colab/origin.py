"""The pages that are let in, known by their origin: scheme, host and port."""

from __future__ import annotations

import re

from ropeway.errors import BadInput

COLAB = "https://colab.research.google.com"

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


def origin(text: str) -> str:
    """The origin that somebody wrote, as browsers write it. Raises `BadInput`."""
    found = text.strip().lower().rstrip("/")
    if not _ORIGIN.fullmatch(found):
        raise BadInput(
            f"{text!r} is not the origin of a page.",
            hint=f"Give scheme and host, and the port if there is one, such as {COLAB}.",
        )
    return found
