"""What holds for gateways besides what holds for every provider."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from ropeway.errors import TokenRefused
from ropeway.workspace.address import Address
from ropeway.workspace.client import RuntimeClient
from support.servers import plain_jupyter


async def test_why_an_enterprise_gateway_starts_nothing_is_told(
    enterprise_python: Path, tmp_path: Path
) -> None:
    """A gateway that accepts the token, but not for this kernel, is quoted."""
    made = plain_jupyter(
        tmp_path,
        kind="enterprise",
        python=str(enterprise_python),
        variables={"EG_UNAUTHORIZED_USERS": getpass.getuser()},
    )
    with made as server:
        client = RuntimeClient("far", Address(server.url, server.token), 10)
        try:
            await client.check()
            with pytest.raises(TokenRefused, match=r"refuses that: User .* is not authorized"):
                await client.start_kernel("python3")
        finally:
            await client.aclose()
