"""A Jupyter server at a URL with a token: what every other provider ends in."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ropeway.errors import BadInput
from ropeway.tls import parse_fingerprint
from ropeway.workspace.address import Address, parse_address
from ropeway.workspace.providers.provider import Provider


class Url(Provider):
    """A Jupyter server, a kernel gateway or a Hub's user server that somebody else runs."""

    kind = "url"

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """See `parse_address`; the option `fingerprint` pins the server's TLS certificate."""
        if "stop_idle" in options:
            raise BadInput(
                "Home does not start the server at a URL, so it cannot tell it when to stop.",
                hint="It is said there: `ropeway runtime --stop-idle 2h`. Home shows it.",
            )
        if strange := sorted(options.keys() - {"fingerprint"}):
            raise BadInput(
                f"A Jupyter server's URL takes no {', '.join(strange)}.",
                hint="These are for a JupyterHub: put hub+ before its URL, as in "
                "hub+https://hub.example.",
            )
        address = parse_address(text, token)
        pinned = options.get("fingerprint")
        if pinned and parse_fingerprint(pinned) and not address.url.startswith("https://"):
            raise BadInput(
                "A fingerprint was given, but the URL does not begin with https://.",
                hint="Only TLS shows a certificate: give the https:// URL of the server.",
            )
        return address.url, address.token

    @property
    def usual_class(self) -> str:
        """A server on this machine or network is one's own; any other may be anybody's."""
        host = urlsplit(self.record.url).hostname or ""
        if host == "localhost":
            return "own"
        try:
            return "own" if ip_address(host).is_private else "public"
        except ValueError:  # a name: those of a network at home have no dots
            return "public" if "." in host else "own"

    async def reach(self) -> Address:
        """It is where it is; whether it answers, the look itself will tell."""
        pinned = self.record.options.get("fingerprint", "")
        return Address(self.record.url, self.record.token, pinned)
