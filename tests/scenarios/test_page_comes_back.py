"""A page in a real browser whose workspace went away: once it is back it shows everything."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from support.stage import Stage

COUNT = """
import pathlib, time
number = 0
while not pathlib.Path({enough!r}).exists():
    print(number, flush=True)
    number += 1
    time.sleep(0.1)
print('of', number)
"""


@pytest.mark.timeout(240)
async def test_a_page_that_was_reloaded_outlives_the_workspace(
    stage: Stage, tmp_path: Path
) -> None:
    """A page is reloaded while a cell runs, and then the workspace is killed: the page, which never
    sent that cell, goes on with it once another workspace is there."""
    enough = tmp_path / "enough"
    await stage.write("work.ipynb", [COUNT.format(enough=str(enough))], "here")
    tab = await stage.open_browser()
    await tab.idle()
    await tab.run_all()
    await asyncio.sleep(1)
    await stage.reload()
    await tab.connected()
    await asyncio.sleep(1)
    await stage.restart_workspace(signal.SIGKILL)
    enough.touch()
    shown = await tab.ended()
    text = "".join(shown["cells"][0]["outputs"][0]["text"])
    *numbers, _, count = text.split()
    assert numbers == [str(number) for number in range(int(count))]
