"""The replies to one in-band request: their numbers, their credit, their signs of life."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ropeway import wire
from ropeway.errors import HomeUnreachable, Refused
from ropeway.workspace import talk as module
from ropeway.workspace.talk import MAX_CREDIT, Talk, still_here


class Kernel:
    """Hears the replies to the request `r1`."""

    def __init__(self) -> None:
        self.heard: list[wire.Reply] = []
        self.talk = Talk("r1", self._reply)

    async def _reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.heard.append(wire.from_json(wire.Reply, content["value"]["ropeway"]))

    def kinds(self) -> list[str]:
        return [reply.kind for reply in self.heard]


async def test_replies_are_numbered() -> None:
    """Each reply bears the request's id and the next number, errors as well."""
    kernel = Kernel()
    await kernel.talk.say("wait", {})
    await kernel.talk.more(2)
    await kernel.talk.fail(Refused("No."))
    assert [(reply.id, reply.seq) for reply in kernel.heard] == [("r1", 0), ("r1", 1), ("r1", 2)]
    assert kernel.kinds() == ["wait", "more", "error"]
    assert kernel.heard[2].body["code"] == "refused"


async def test_data_goes_as_far_as_the_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credit data waits; a kernel that takes nothing for too long is given up."""
    kernel = Kernel()
    kernel.talk.grant(1)
    await kernel.talk.data(b"a")
    waiting = asyncio.create_task(kernel.talk.data(b"b"))
    await asyncio.sleep(0.05)
    assert kernel.kinds() == ["data"]
    kernel.talk.grant(1)
    await waiting
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with pytest.raises(HomeUnreachable, match="nothing of its answer was taken"):
        await kernel.talk.data(b"c")


async def test_credit_has_a_bound() -> None:
    """Whatever a kernel grants, so many buffers and no more are on their way to it."""
    kernel = Kernel()
    for _ in range(3):
        kernel.talk.grant(MAX_CREDIT)
    for _ in range(MAX_CREDIT):
        await kernel.talk.granted()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(kernel.talk.granted(), 0.05)


async def test_what_takes_long_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done at once says nothing on the way; what takes long says `wait` again and again,
    and stops with the block."""
    monkeypatch.setattr(module, "SOON", 0.05)
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    kernel = Kernel()
    async with still_here(kernel.talk):
        pass
    assert kernel.kinds() == []
    async with still_here(kernel.talk), asyncio.timeout(20):
        while len(kernel.heard) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    said = len(kernel.heard)
    await asyncio.sleep(0.05)
    assert kernel.kinds() == ["wait"] * said
