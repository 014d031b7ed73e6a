"""A cell that prints far more than a page can show."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from support.servers import Server, clean_environment

from .conftest import Open, run

LINES = 2_100_000
WIDTH = 100
FLOOD = (
    f"for number in range({LINES}):\n"
    f"    print(f'{{number:07}} '.ljust({WIDTH - 1}, 'x'))\n"
    "print('this is the end')\n'and a result'"
)
"""210 MB."""

ANSWERS = """async () => {
  // How long the page takes to do something that a user asked of it.
  const began = performance.now();
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
  return performance.now() - began;
}"""


def texts(cell: Locator) -> list[str]:
    """What a cell shows, an output each."""
    return cell.locator(".jp-OutputArea-output").all_inner_texts()


@pytest.mark.timeout(240)
def test_a_flood_leaves_the_page_usable(page: Page, open_notebook: Open, workspace: Server) -> None:
    """A cell prints 210 MB: the page answers all the while, shows the beginning, a note and the
    end, the same after a reload; the workspace does not grow with it, and every line is kept."""
    cell = open_notebook(FLOOD)
    process = psutil.Process(workspace.process.pid)
    before = process.memory_info().rss
    run(page, cell)
    note = cell.locator(".rw-OutputNote")
    expect(note).to_contain_text("kept at home", timeout=60_000)
    waits = answers(page, cell)
    assert waits[len(waits) // 2] < 1, waits
    assert process.memory_info().rss - before < 150_000_000
    expect(cell).to_contain_text("this is the end")
    expect(cell).to_contain_text("and a result")
    shown = texts(cell)
    assert shown[0].startswith("0000000 xxx")
    assert sum(map(len, shown)) < 2_100_000

    began = time.monotonic()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    other = page.locator(".jp-CodeCell").nth(1)
    other.locator(".cm-content").click()
    page.keyboard.type("6 * 7")
    page.keyboard.press("Control+Enter")
    expect(other.locator(".jp-OutputArea-output")).to_have_text("42")
    assert time.monotonic() - began < 5

    page.keyboard.press("Control+s")
    path = page.evaluate("window.jupyterapp.shell.currentWidget.context.path")
    file = workspace.root / path
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    assert file.stat().st_size < 3_000_000
    page.reload()
    expect(cell).to_contain_text("this is the end", timeout=60_000)
    assert texts(cell) == shown

    command = [sys.executable, "-m", "ropeway", "output", path, "--cell", "1"]
    said = subprocess.run(
        command,
        cwd=workspace.root,
        env=clean_environment(workspace.root.parent),
        capture_output=True,
        timeout=60,
    )
    lines = said.stdout.splitlines()
    assert len(lines) == LINES + 2
    assert [int(line[:7]) for line in lines[:-2:1000]] == list(range(0, LINES, 1000))


def answers(page: Page, cell: Locator) -> list[float]:
    """The seconds that the page took to answer, again and again until the cell had ended."""
    waits = []
    prompt = cell.locator(".jp-InputPrompt")
    while prompt.inner_text() != "[1]:":
        waits.append(page.evaluate(ANSWERS) / 1000)
        time.sleep(0.1)
    return sorted(waits)


@pytest.mark.timeout(180)
def test_a_loop_that_flushes_leaves_the_page_usable(page: Page, open_notebook: Open) -> None:
    """20,000 messages in a moment: the page answers all the while and shows every line."""
    cell = open_notebook("for number in range(20_000): print(number, flush=True)")
    run(page, cell)
    waits = answers(page, cell)
    assert waits[len(waits) // 2] < 1, waits
    assert texts(cell)[0].split() == [str(number) for number in range(20_000)]


def test_the_note_leads_to_everything(page: Page, open_notebook: Open) -> None:
    """So does the command in the cell's context menu; the text opens in a tab of its own."""
    cell = open_notebook("print('line\\n' * 30_000 + 'the end')")
    run(page, cell)
    link = cell.get_by_role("link", name="See all")
    with page.expect_popup() as opened:
        link.click()
    whole = opened.value.locator("body").inner_text()
    assert whole.split() == ["line"] * 30_000 + ["the", "end"]
    opened.value.close()
    cell.locator(".cm-content").click(button="right")
    with page.expect_popup() as opened:
        page.get_by_text("Show All Output of This Cell").click()
    assert opened.value.locator("body").inner_text() == whole
    opened.value.close()


def test_a_page_that_comes_back_shows_the_flood_as_it_goes_on(
    page: Page, open_notebook: Open
) -> None:
    """After a reload in the midst of it the same beginning stands there, and the end moves."""
    cell = open_notebook(
        "import time\nprint('line\\n' * 30_000)\n"
        "for number in range(200):\n    print('now', number, flush=True)\n    time.sleep(0.1)"
    )
    run(page, cell)
    expect(cell).to_contain_text("now 10\n", timeout=60_000)
    page.reload()
    expect(cell).to_contain_text("now 199\n", timeout=60_000)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=60_000)
    shown = texts(cell)
    assert shown[0].split() == ["line"] * 20_000
    assert len(shown) == 3
