"""A grant: who may ask for data through home's door, signed by home. Pure.

A grant names one kernel of one runtime. It is a text of two parts, `BODY.SIGNATURE`: the JSON in
base64url, and its HMAC-SHA256 with a key that never leaves home. Whether the kernel still lives is
not in it: see `ropeway.data.grants`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from ropeway.errors import TokenRefused

VERSION = 2
"""Of the form of a grant; one of another version is refused."""

LONGEST = 2048
"""Characters of a grant that are looked at."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Grant:
    """The right of one kernel to ask; `id` is 32 hexadecimal digits, used once.

    `runtime_class` is what a policy knows the runtime as.
    """

    id: str
    runtime: str
    kernel: str
    runtime_class: str

    @property
    def at_home(self) -> bool:
        """Whether its kernel runs on home's own machine."""
        return self.runtime == "here"


def sign(grant: Grant, key: bytes) -> str:
    """The grant as text, to be shown as `Authorization: Bearer TEXT`."""
    body = _encoded(json.dumps({"v": VERSION, **asdict(grant)}).encode())
    return f"{body}.{_signature(body, key)}"


def read(text: str, key: bytes) -> Grant:
    """The grant that home signed. Raises `TokenRefused` for anything else."""
    body, _, signature = text.partition(".")
    known = text.isascii() and len(text) <= LONGEST
    # Compared in any case, and before a byte of the body is looked at.
    if not (hmac.compare_digest(_signature(body, key), signature if known else "") and known):
        raise _refused()
    told = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return _grant(told)


def _grant(told: Any) -> Grant:
    """Checked although it is signed: an older or newer home may have signed it."""
    if not isinstance(told, dict) or told.get("v") != VERSION:
        raise _refused()
    parts = [told.get(each.name) for each in fields(Grant)]
    if not all(isinstance(part, str) and part for part in parts):
        raise _refused()
    if not _ID.fullmatch(str(parts[0])):
        raise _refused()
    return Grant(*map(str, parts))


def _signature(body: str, key: bytes) -> str:
    return _encoded(hmac.new(key, body.encode("utf-8", "replace"), hashlib.sha256).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _refused() -> TokenRefused:
    return TokenRefused("The data service wants its token or a grant of a kernel that lives.")
