"""Connecting a runtime: what was pasted is checked, then remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput
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
    runtime_class: str = "",
    timeout: float = 10.0,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Record:
    """Reach the runtime at `text`, ask whether it is one, and remember it.

    `runtime_class` is what a policy knows it as; empty: what is usual for its kind.
    `tell` hears what goes on where that takes long. Raises `BadInput`, `NameTaken`,
    `Unreachable`, `NotJupyter` or `TokenRefused`; then nothing is remembered.
    """
    given = options or {}
    check_class(runtime_class)
    url, token = provider_type(text).read(text, token, given)
    taken = set(remembered.read())
    name = check_name(name) if name else suggest_name(url, taken)
    if name == HERE or name in taken:
        raise name_taken(name)
    record = Record(name, url, token, given, runtime_class)
    await check(record, timeout=timeout, tell=tell)
    remembered.add(record)
    return record


def check_class(runtime_class: str) -> None:
    """Raises `BadInput` unless it is a class that a runtime can be given, or empty."""
    if runtime_class and runtime_class not in wire.GIVEN_CLASSES:
        raise BadInput(
            f"{runtime_class!r} is no class of runtime.",
            hint=f"There are {', '.join(wire.GIVEN_CLASSES)}; a policy may treat them differently.",
        )


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
    except BaseException:
        await provider.give_up()
        raise
    finally:
        await client.aclose()
        await provider.aclose()
