"""Companions outlive what notebooks outlive: a line that is cut, a workspace that is killed."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Any

from support.notebook import until
from support.placed import records
from support.stage import Stage

COUNT = "%%on far\nimport time\nfor i in range(60):\n    print(i, flush=True)\n    time.sleep(.1)"
NUMBERS = "".join(f"{i}\n" for i in range(60))


async def test_a_cut_line_loses_nothing(stage: Stage) -> None:
    """The line to the companion's runtime is cut in mid-run, with no page open: the cell gets
    every output, once and in order."""
    await stage.write("cut.ipynb", [COUNT], "here")
    page = await stage.open_page()
    stage.notebook.run(page, 0)
    await asyncio.sleep(4)
    await stage.close_pages()
    await stage.cut_line(3)
    notebook = stage.notebook
    await asyncio.to_thread(until, lambda: notebook.cell(0).execution_count == 1, 60, "the end")
    assert notebook.text(0) == NUMBERS
    await stage.shut()


async def test_variables_outlive_a_killed_workspace(stage: Stage) -> None:
    """A workspace that is killed takes the companions up again when it starts, with their
    variables."""
    await stage.write("killed.ipynb", ["%%on far\nx = 41", "%%on far\nprint(x + 1)"], "here")
    await ran(stage, 0)
    await stage.restart_workspace(signal.SIGKILL)
    assert (await ran(stage, 1))[0]["text"] == "42\n"
    await stage.shut()


async def test_a_cell_outlives_its_workspace(stage: Stage) -> None:
    """The workspace is ended, and the next one killed, while a cell runs elsewhere: it goes on in
    the notebook, every output once and in order, and then fails as it does there."""
    await stage.write("midway.ipynb", [f"{COUNT}\n1/0", "%%on far\nprint(i)"], "here")
    async with stage.notebook.page() as page:
        stage.notebook.run(page, 0)
        await asyncio.to_thread(until, lambda: "5\n" in shown(stage, 0), 60, "a part")
    for number in (signal.SIGTERM, signal.SIGKILL):
        await stage.restart_workspace(number)
    *said, error = await ended(stage, 0)
    assert "".join(each["text"] for each in said) == NUMBERS
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert (await ran(stage, 1))[0]["text"] == "59\n"
    await stage.shut()


async def test_a_question_and_an_interrupt_outlive_it(stage: Stage) -> None:
    """The workspace is killed while a cell elsewhere waits for `input()`: the answer that the next
    one is given reaches the cell, and so does an interrupt."""
    asks = "%%on far\nprint('hello', input('who? '), flush=True)\nimport time\n"
    await stage.write("asks.ipynb", [f"{asks}for _ in range(9000): time.sleep(.1)"], "here")
    async with stage.notebook.page() as page:
        stage.notebook.run(page, 0)
        async with asyncio.timeout(60):
            while (await page.receive())[0] != "stdin":
                pass
    await stage.restart_workspace(signal.SIGKILL)
    async with stage.notebook.page() as page:
        page.send("stdin", "input_reply", {"value": "ann"})
        await asyncio.to_thread(until, lambda: "hello ann\n" in shown(stage, 0), 60, "the answer")
    interrupt = f"/api/kernels/{stage.notebook.kernel}/interrupt"
    await asyncio.to_thread(stage.work.api, interrupt, "POST")
    *said, error = await ended(stage, 0)
    assert "".join(each["text"] for each in said) == "who?  ann\nhello ann\n"
    assert error["ename"] == "KeyboardInterrupt"
    await stage.shut()


async def test_a_value_crosses_though_the_workspace_is_killed(stage: Stage) -> None:
    """The workspace is killed while a value crosses, there or back: it begins again and comes
    whole."""
    made = "import numpy as np\n{} = np.arange(40_000_000.)"
    soon = "%%on far\nimport ropeway.kernel.inband as i; i.SILENCE = 3.0"  # not after half a minute
    there = "%%on far --send a\n" + made.format("b")
    cells = [made.format("a"), soon, there, "%on far --get b", "print((a == b).all())"]
    await stage.write("crossing.ipynb", cells, "here")
    for index in (0, 1):
        await ran(stage, index)
    for index, what in ((2, "send"), (3, "get")):
        async with stage.notebook.page() as page:
            stage.notebook.run(page, index)
            await asyncio.to_thread(until, partial(begun, stage, what), 60, "the crossing")
        await stage.restart_workspace(signal.SIGKILL)
        assert all(each["output_type"] != "error" for each in await ended(stage, index))
        assert len(records(stage.work, what=what)) > 1  # it began again
    assert (await ran(stage, 4))[0]["text"] == "True\n"
    await stage.shut()


async def test_a_cell_that_begins_while_home_is_away_waits(stage: Stage) -> None:
    """On a runtime, a cell's turn comes while no workspace runs: it begins when one is back."""
    cells = ["import time; time.sleep(8)", "%%on here\nprint('at home')"]
    await stage.write("away.ipynb", cells, "far")
    async with stage.notebook.page() as page:
        for index in range(2):
            stage.notebook.run(page, index)
        await asyncio.sleep(3)
    await stage.restart_workspace(signal.SIGKILL, away=16)
    said = await ended(stage, 1)
    assert "".join(each["text"] for each in said if each["name"] == "stdout") == "at home\n"
    await stage.shut()


def begun(stage: Stage, what: str) -> bool:
    """Whether a value is on its way."""
    return bool(records(stage.work, what=what))


async def ran(stage: Stage, index: int) -> list[Any]:
    """The outputs of a cell that a page runs."""
    async with stage.notebook.page() as page:
        stage.notebook.run(page, index)
        return await ended(stage, index)


async def ended(stage: Stage, index: int) -> list[Any]:
    """The outputs of a cell that runs, once it has ended."""
    cells: list[Any] = []

    def ended() -> bool:
        cells[:] = stage.notebook.opened()["cells"]
        return cells[index]["execution_count"] == index + 1

    await asyncio.to_thread(until, ended, 60, "the cell's end")
    outputs: list[Any] = cells[index]["outputs"]
    return outputs


def shown(stage: Stage, index: int) -> str:
    """What a cell printed, as a page gets it."""
    outputs = stage.notebook.opened()["cells"][index]["outputs"]
    return "".join(each.get("text", "") for each in outputs)
