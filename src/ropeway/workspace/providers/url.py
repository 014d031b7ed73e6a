"""A Jupyter server at a URL with a token: what every other provider ends in."""

from __future__ import annotations

from typing import Any

from ropeway.errors import BadInput
from ropeway.workspace.address import Address, parse_address
from ropeway.workspace.providers.provider import Provider


class Url(Provider):
    """A Jupyter server, a kernel gateway or a Hub's user server that somebody else runs."""

    kind = "url"

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """See `parse_address`; there are no options."""
        if options:
            raise BadInput(
                f"A Jupyter server's URL takes no {', '.join(sorted(options))}.",
                hint="These are for a JupyterHub: put hub+ before its URL, as in "
                "hub+https://hub.example.",
            )
        address = parse_address(text, token)
        return address.url, address.token

    async def reach(self) -> Address:
        """It is where it is; whether it answers, the look itself will tell."""
        return Address(self.record.url, self.record.token)
