"""What is not promised: a runtime's own death. What had reached home by then stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.notebook import until
from support.stage import Stage

COUNT = """
import time
for number in range(1200):
    print(number, flush=True)
    with open({told!r}, "a") as told:
        print(number, file=told)
    time.sleep(0.05)
"""


async def test_a_runtime_that_is_killed_ends_its_kernels(stage: Stage, tmp_path: Path) -> None:
    """The kernels of a runtime end with its server; what a cell had said stands in the file, and
    once the runtime is given up the cell counts as ended."""
    told = tmp_path / "told"
    await stage.write("work.ipynb", [COUNT.format(told=str(told))], "far")
    notebook = stage.notebook
    notebook.run(await stage.open_page(), 0)
    await asyncio.to_thread(until, lambda: told.exists() and len(told.read_text()) > 100)
    stage.far.kill()
    await asyncio.sleep(3)
    said = told.read_text()
    await stage.close_pages()
    await asyncio.sleep(3)
    assert told.read_text() == said, "the kernel lives on"
    await asyncio.to_thread(until, lambda: len(notebook.text(0)) > 100, 60, "the file")
    assert said.startswith(notebook.text(0))
    gone = "/ropeway/api/runtimes/far?shutdown=1"
    assert (await asyncio.to_thread(stage.work.api, gone, "DELETE"))[0] == 204
    await asyncio.to_thread(until, lambda: notebook.cell(0).execution_count == 1, 90, "its end")
    assert said.startswith(notebook.text(0))
