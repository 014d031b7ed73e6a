"""Widgets and displays around a cell that runs while its page is reloaded: live, and then right.

The cells run until the test lets them end, so that a slow page proves as much as a fast one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import IS_READY, PANEL, Open, run, until

BEGIN = """\
import contextlib, gc, itertools, os, time
import ipywidgets as w
with contextlib.redirect_stderr(open(os.devnull, 'w')):
    gc.collect()  # of the subshells that JupyterLab has ended ipykernel complains some time later
def ticks():
    for i in itertools.count():
        yield i
        if os.path.exists({gate!r}): return
        time.sleep(0.1)
"""
NUMBER = re.compile("[0-9]")


class Gate:
    """What a cell waits for: `begin` is its code, of which `ticks()` counts until `open()`."""

    def __init__(self, path: Path) -> None:
        self.begin = BEGIN.format(gate=str(path))
        self._path = path

    def open(self) -> None:
        """Let the cell end."""
        self._path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate; it opens with the end of the test."""
    made = Gate(tmp_path / "gate")
    yield made
    made.open()


def prompt(cell: Locator) -> Locator:
    """The cell's number."""
    return cell.locator(".jp-InputPrompt")


def second(page: Page) -> Locator:
    """The notebook's second cell."""
    return page.locator(f"{PANEL} .jp-CodeCell").nth(1)


def changes(shown: Locator) -> None:
    """Expect that what is shown becomes something else."""
    expect(shown).to_have_text(NUMBER, timeout=60_000)
    before = shown.inner_text()
    until(lambda: shown.inner_text() != before)


@pytest.mark.parametrize("app", ["/lab/tree", "/notebooks"])
def test_a_bar_moves_after_a_reload(page: Page, open_notebook: Open, gate: Gate, app: str) -> None:
    """The progress of a running cell is there while it runs, moves, and stands at its end."""
    cell = open_notebook(
        f"{gate.begin}from tqdm.notebook import tqdm\n"
        "bar = tqdm(total=100000, desc='Work')\n"
        "for _ in ticks(): bar.update()\n"
        "bar.total = bar.n; bar.refresh(); bar.close()",
        app,
    )
    run(page, cell)
    label = cell.locator(".widget-html-content").last
    changes(label)
    page.reload()
    changes(label)
    expect(prompt(cell)).to_have_text("[*]:")
    gate.open()
    expect(prompt(cell)).to_have_text("[1]:")
    expect(label).to_have_text(re.compile(r"\b(\d+)/\1\b"))
    expect(cell.locator(".progress-bar-success")).to_be_visible()
    expect(cell.locator(".jp-OutputArea-output")).to_have_count(1)  # and nobody complains


def test_what_widgets_catch_goes_on_after_a_reload(
    page: Page, open_notebook: Open, gate: Gate
) -> None:
    """An Output widget that catches what the cell says has every line once, and the cell none."""
    cell = open_notebook(
        f"{gate.begin}one, two = w.Output(), w.Output()\n"
        "display(one, two)\n"
        "print('before')\n"
        "with one:\n"
        "    for i in ticks(): print(i)\n"
        "print('between')\n"
        "with two:\n"
        "    print('second')\n"
        "    display('shown')\n"
        "print('after')"
    )
    run(page, cell)
    one, two = (cell.locator(".widget-output").nth(number) for number in (0, 1))
    changes(one)
    page.reload()
    changes(one)
    expect(prompt(cell)).to_have_text("[*]:")
    page.wait_for_timeout(5_000)  # all that home says for the kernel is said
    gate.open()
    expect(prompt(cell)).to_have_text("[1]:")
    expect(two).to_contain_text("shown")
    lines = one.inner_text().split()
    assert lines == [str(number) for number in range(len(lines))]
    own = cell.locator(".jp-OutputArea").first.locator("> .jp-OutputArea-child")
    expect(own).to_have_count(3)
    expect(own.nth(2)).to_have_text("before\nbetween\nafter\n")
    page.reload()
    expect(two).to_contain_text("second", timeout=60_000)
    assert one.inner_text().split() == lines  # the kernel knows it too


def test_a_slider_moves_while_another_cell_runs(
    page: Page, open_notebook: Open, gate: Gate
) -> None:
    """A slider of an earlier cell is there after a reload; the kernel hears of it in its turn."""
    cell = open_notebook(
        f"{gate.begin}slider, label = w.IntSlider(), w.Label('none')\n"
        "slider.observe(lambda c: setattr(label, 'value', f'is {c.new}'), 'value')\n"
        "w.VBox([slider, label])",
        more=["for _ in ticks(): pass"],
    )
    run(page, cell)
    run(page, second(page))
    page.reload()
    label = cell.locator(".widget-label").last
    expect(label).to_have_text("none", timeout=60_000)
    cell.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(cell.locator(".widget-readout")).to_have_text("1")
    expect(prompt(second(page))).to_have_text("[*]:")
    gate.open()
    expect(label).to_have_text("is 1")


def test_a_running_cell_updates_what_another_displays(
    page: Page, open_notebook: Open, gate: Gate
) -> None:
    """After a reload a display of an earlier cell goes on to change, and ends as it should."""
    cell = open_notebook(
        f"{gate.begin}handle = display('none', display_id=True)",
        more=["for i in ticks(): handle.update(i)\nhandle.update('end')"],
    )
    run(page, cell)
    run(page, second(page))
    shown = cell.locator(".jp-OutputArea-output")
    changes(shown)
    page.reload()
    changes(shown)
    expect(prompt(second(page))).to_have_text("[*]:")
    gate.open()
    expect(prompt(second(page))).to_have_text("[2]:")
    expect(shown).to_have_text("'end'")
    expect(prompt(cell)).to_have_text("[1]:")


@pytest.mark.parametrize("running", [True, False])
def test_what_was_displayed_before_a_reload_can_be_updated(
    page: Page, open_notebook: Open, gate: Gate, running: bool
) -> None:
    """A cell that is run after the reload changes what one displayed during it, or before."""
    source = f"{gate.begin}handle = display('none', display_id=True)\nfor _ in ticks(): pass"
    cell = open_notebook(source, more=["handle.update('new')"])
    run(page, cell)
    shown = cell.locator(".jp-OutputArea-output")
    expect(shown).to_have_text("'none'")
    if not running:
        gate.open()
        expect(prompt(cell)).to_have_text("[1]:")
        page.keyboard.press("Control+s")
    page.reload()
    expect(shown).to_have_text("'none'")
    gate.open()
    expect(prompt(cell)).to_have_text("[1]:", timeout=60_000)
    page.evaluate(IS_READY)  # what was saved is shown before the kernel is there
    run(page, second(page))
    expect(shown).to_have_text("'new'")
