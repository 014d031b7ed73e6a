"""Connecting a runtime: what was pasted is checked, then remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ropeway.workspace.address import HERE, check_name, suggest_name
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.providers import Site, provider_for, provider_type
from ropeway.workspace.remembered import Record, RuntimeList, name_taken


async def check_and_remember(
    remembered: RuntimeList,
    text: str,
    token: str = "",
    name: str | None = None,
    *,
    options: dict[str, Any] | None = None,
    timeout: float = 10.0,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Record:
    """Reach the runtime at `text`, ask whether it is one, and remember it.

    `tell` hears what goes on where that takes long. Raises `BadInput`, `NameTaken`,
    `Unreachable`, `NotJupyter` or `TokenRefused`; then nothing is remembered.
    """
    given = options or {}
    url, token = provider_type(text).read(text, token, given)
    taken = set(remembered.read())
    name = check_name(name) if name else suggest_name(url, taken)
    if name == HERE or name in taken:
        raise name_taken(name)
    record = Record(name, url, token, given)
    await check(record, timeout=timeout, tell=tell)
    remembered.add(record)
    return record


async def check(
    record: Record, *, timeout: float, tell: Callable[[str], None] = lambda sentence: None
) -> None:
    """Start a runtime if need be, reach it and let go of it.

    Raises `RopewayError` when it is none.
    """
    provider = provider_for(record, Site(timeout, tell=tell))
    client = RuntimeClient(record.name, None, timeout)
    try:
        await provider.start()
        client.address = await provider.reach()
        await client.check()
    finally:
        await client.aclose()
        await provider.aclose()
