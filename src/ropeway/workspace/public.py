"""The URL under which a proxy shows the workspace: `workspace.public_url`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ropeway.errors import BadInput


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """`origin` ends without a slash; `base` is its path, with a slash at both ends."""

    origin: str
    host: str
    base: str

    @property
    def is_https(self) -> bool:
        """Whether pages come over TLS."""
        return self.origin.startswith("https://")

    @property
    def is_address(self) -> bool:
        """Whether the host is a number, not a name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def parse_public_url(text: str) -> PublicUrl | None:
    """The setting `workspace.public_url`; None where it is empty. Raises `BadInput`."""
    if not text:
        return None
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _no_url(text) from None
    extra = parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or extra:
        raise _no_url(text)
    segments = [segment for segment in parts.path.split("/") if segment]
    base = "/".join(["", *segments, ""])
    return PublicUrl(f"{parts.scheme}://{parts.netloc}", host, base)


def _no_url(text: str) -> BadInput:
    return BadInput(
        f"workspace.public_url is {text.partition('?')[0]!r}, which is no URL to show pages at.",
        hint="Give what people type, such as https://notebooks.example/ropeway/, without a token.",
    )
