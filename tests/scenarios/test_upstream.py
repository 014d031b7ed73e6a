"""Situations in which others lost a notebook, named after the reports: here it is whole.

- jupyter-ai-contrib/jupyter-server-documents #305: a laptop was closed with the notebook open; when
  it woke, the server had let go of its copy, the page's own history did not fit the new one, and
  what was saved was a notebook with one empty cell. (#252 and jupyterlab/jupyterlab #19754 report
  the same.)
- jupyterlab/jupyter-collaboration #219: after a break of hours the connection came back, and from
  then on nothing that was typed was saved, without a word.
- jupytext/jupytext #1648: a program writes a file that a page has open with text that is not saved
  yet; the page takes what lies on disk, and the text is gone, without a question.
- datalayer/jupyter-mcp-server #463: what was written last was still waiting to be brought to the
  file when nobody looked any more and the document was let go of; who opens it next gets the older
  file.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import nbformat
import pytest
from playwright.async_api import expect

from support.chromium import LabPage
from support.stage import Stage

COUNT = "import time\nfor i in range(80):\n    print(i, flush=True)\n    time.sleep(0.1)"
NUMBERS = [str(number) for number in range(80)]
TYPE = """text => {
  const { model } = window.jupyterapp.shell.currentWidget.content;
  model.cells.get(1).sharedModel.setSource(text);
}"""

pytestmark = pytest.mark.timeout(240)


async def opened(stage: Stage, sources: list[str]) -> LabPage:
    """A notebook of these cells, in a browser."""
    await stage.write("work.ipynb", sources, "here")
    tab = await stage.open_browser()
    await tab.idle()
    return tab


def sources(stage: Stage) -> list[str]:
    """What the cells of the file say."""
    return [str(cell.source) for cell in nbformat.read(stage.notebook.file, 4).cells]


def printed(cells: list[Any], index: int) -> list[str]:
    """What a cell printed."""
    return "".join("".join(each["text"]) for each in cells[index]["outputs"]).split()


async def test_jupyter_server_documents_305(stage: Stage) -> None:
    """A laptop is closed while a cell runs and text is not saved yet, and the server forgets its
    page: who opens the notebook meanwhile finds it whole, and so it is when the laptop has woken,
    with the text."""
    tab = await opened(stage, [COUNT, "# second"])
    await tab.run_all()
    await tab.page.evaluate(TYPE, "# typed, not saved")
    await asyncio.sleep(2)
    assert stage.browser is not None
    stage.browser.sleep()
    await stage.restart_workspace(signal.SIGKILL)
    await asyncio.sleep(10)
    meanwhile = await asyncio.to_thread(stage.notebook.opened)
    assert [cell["source"] for cell in meanwhile["cells"]] == [COUNT, "# second"]
    assert printed(meanwhile["cells"], 0) == NUMBERS
    stage.browser.wake()
    shown = await tab.ended()
    assert printed(shown["cells"], 0) == NUMBERS
    assert await tab.save()
    assert sources(stage) == [COUNT, "# typed, not saved"]
    assert printed(nbformat.read(stage.notebook.file, 4).cells, 0) == NUMBERS


async def test_jupyter_collaboration_219(stage: Stage) -> None:
    """A page whose server was away says so when it cannot save, and saves again by itself or by
    hand once the server is back: all that was typed before, meanwhile and after."""
    tab = await opened(stage, ["1", "# base"])
    await tab.page.evaluate(TYPE, "# before")
    assert await tab.save()
    stage.work.kill()
    await tab.page.evaluate(TYPE, "# meanwhile")
    await tab.save()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Save Error", timeout=20_000)
    assert sources(stage)[1] == "# before"
    await stage.restart_workspace(signal.SIGKILL)
    while await dialog.count():
        await tab.page.keyboard.press("Escape")
        await asyncio.sleep(0.2)
    await tab.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
        ".connectionStatus === 'connected'",
        timeout=90_000,
    )
    assert await tab.save()
    assert sources(stage)[1] == "# meanwhile"
    await tab.page.evaluate(TYPE, "# after")
    assert await tab.save()
    assert sources(stage)[1] == "# after"


async def test_jupytext_1648(stage: Stage) -> None:
    """A program writes the file of a notebook with text that is not saved: the page keeps the
    text, asks before it overwrites, and both are in the history."""
    tab = await opened(stage, ["1", "# base"])
    await tab.page.evaluate(TYPE, "# typed")
    twin = nbformat.read(stage.notebook.file, 4)
    twin.cells[1].source = "# of the twin"
    nbformat.write(twin, stage.notebook.file)
    await asyncio.sleep(5)
    shown = await stage.shown()
    assert shown is not None
    assert shown["cells"][1]["source"] == "# typed"
    saving = asyncio.create_task(
        tab.page.evaluate("window.jupyterapp.commands.execute('docmanager:save').then(() => 0)")
    )
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("has changed on disk since")
    assert sources(stage)[1] == "# of the twin"
    await dialog.get_by_role("button", name="Overwrite").click()
    await saving
    assert sources(stage)[1] == "# typed"
    versions = stage.work.api("/ropeway/api/history?path=work.ipynb")[1]["versions"]
    texts = [stage.work.api(f"/ropeway/api/history/{each['id']}")[1] for each in versions]
    kept = ["".join(text["cells"][1]["source"]) for text in texts]
    assert kept[:2] == ["# typed", "# of the twin"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_jupyter_mcp_server_463(stage: Stage, number: signal.Signals) -> None:
    """The last page goes, a cell ends, and the workspace ends before it has brought that to the
    file: who opens the notebook next gets it, and then the file has it."""
    await stage.write("work.ipynb", ["import time\ntime.sleep(1.5)\nprint('late')"], "here")
    page = await stage.open_page()
    stage.notebook.run(page, 0)
    async with asyncio.timeout(60):
        while (await page.receive())[1]["header"]["msg_type"] != "execute_input":
            pass
    await stage.close_pages()
    stage.work.process.send_signal(number)
    await asyncio.to_thread(stage.work.process.wait, 60)
    assert stage.notebook.text(0) == ""
    await stage.restart_workspace(number, away=2)  # the cell ends meanwhile
    cells = (await asyncio.to_thread(stage.notebook.opened))["cells"]
    assert printed(cells, 0) == ["late"]
    assert stage.notebook.text(0) == "late\n"
