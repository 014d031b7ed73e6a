"""What can go wrong while cells run: each fault troubles one part of a `Stage`."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from support.stage import Stage

UNNOTICED, NOTICED = (0.5, 2.0), 25.0
"""Seconds of silence: shorter and longer than pings wait for an answer (10 + 10 s)."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault; `weight` is how often it comes, beside the others that can come now."""

    part: str
    name: str
    weight: int
    happen: Callable[[Stage, random.Random], Awaitable[None]]
    can: Callable[[Stage], bool] = lambda stage: True


def silence(dice: random.Random) -> float:
    """How long something hangs: mostly so short that nobody notices."""
    return NOTICED if dice.random() < 0.1 else dice.choice(UNNOTICED)


async def open_page(stage: Stage, dice: random.Random) -> None:
    await stage.open_page()


async def close_pages(stage: Stage, dice: random.Random) -> None:
    await stage.close_pages()


async def open_browser(stage: Stage, dice: random.Random) -> None:
    await stage.open_browser()


async def reload_browser(stage: Stage, dice: random.Random) -> None:
    await stage.reload()


async def kill_browser(stage: Stage, dice: random.Random) -> None:
    await stage.kill_browser()


async def browser_sleeps(stage: Stage, dice: random.Random) -> None:
    assert stage.browser is not None
    stage.browser.sleep()
    await asyncio.sleep(silence(dice))
    stage.browser.wake()


async def browser_saves(stage: Stage, dice: random.Random) -> None:
    if stage.tab is not None and await stage.shown() is not None:
        await stage.tab.save()


async def kill_workspace(stage: Stage, dice: random.Random) -> None:
    await stage.restart_workspace(signal.SIGKILL)


async def end_workspace(stage: Stage, dice: random.Random) -> None:
    await stage.restart_workspace(signal.SIGTERM)


async def freeze_workspace(stage: Stage, dice: random.Random) -> None:
    stage.work.freeze()
    await asyncio.sleep(silence(dice))
    stage.work.thaw()


async def freeze_line(stage: Stage, dice: random.Random) -> None:
    stage.line.freeze()
    await asyncio.sleep(silence(dice))
    stage.line.thaw()


async def cut_line(stage: Stage, dice: random.Random) -> None:
    await stage.cut_line(dice.uniform(0, 3))


async def slow_line(stage: Stage, dice: random.Random) -> None:
    await stage.cut_line(0, "--delay", f"{dice.uniform(0.1, 0.6):.2f}", "--jitter", "1")


async def freeze_runtime(stage: Stage, dice: random.Random) -> None:
    stage.far.freeze()
    await asyncio.sleep(silence(dice))
    stage.far.thaw()


ANYWHERE = (
    Fault("workspace", "killed", 2, kill_workspace),
    Fault("workspace", "ended", 1, end_workspace),
    Fault("workspace", "frozen", 1, freeze_workspace),
    Fault("line", "frozen", 2, freeze_line),
    Fault("line", "cut", 2, cut_line),
    Fault("line", "slow", 1, slow_line),
    Fault("runtime", "frozen", 2, freeze_runtime),
)
WITH_PAGES = (
    Fault("page", "closed", 4, close_pages, lambda stage: bool(stage.pages)),
    Fault("page", "opened", 4, open_page),
    *ANYWHERE,
)


def looked_at(stage: Stage) -> bool:
    """Whether there is a browser."""
    return stage.browser is not None


WITH_A_BROWSER = (
    Fault("browser", "opened", 8, open_browser, lambda stage: not looked_at(stage)),
    Fault("browser", "reloaded", 5, reload_browser, looked_at),
    Fault("browser", "killed", 3, kill_browser, looked_at),
    Fault("browser", "asleep", 3, browser_sleeps, looked_at),
    Fault("browser", "saving", 4, browser_saves, looked_at),
    *ANYWHERE,
)


def drawn(stage: Stage, dice: random.Random, faults: tuple[Fault, ...]) -> Fault:
    """One of those that can happen now."""
    possible = [fault for fault in faults if fault.can(stage)]
    return dice.choices(possible, [fault.weight for fault in possible])[0]
