"""Where a cell runs: the picker in its toolbar, the badge in its header."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Page, expect

from ropeway.errors import BadInput
from ropeway.kernel.on import parse
from support.servers import Server

from .accessibility import assert_accessible
from .conftest import Open, run

SOURCE = "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.source"
BADGES = """lines => {
  const cell = window.jupyterapp.shell.currentWidget.content.activeCell;
  return lines.map(line => {
    cell.model.sharedModel.setSource(`%%on ${line}\\n1`);
    return cell.node.querySelector('.rw-Badge').title;
  });
}"""


def test_a_picked_runtime_runs_the_cell(page: Page, open_notebook: Open, gpu: Server) -> None:
    """Picking a runtime, or any with a GPU, in the cell's toolbar writes the cell's first line,
    before another magic; the cell runs there, and its header says where."""
    before = "%%time\nimport os; print(os.environ['HOME'])"
    cell = open_notebook(before, "/lab/tree")
    cell.get_by_role("button", name="Run on…").click()
    own = page.get_by_role("menuitemcheckbox", name="here · this notebook's")
    expect(own).to_have_attribute("aria-checked", "true")
    page.get_by_role("menuitem", name="Any runtime with a GPU").click()
    assert page.evaluate(SOURCE) == f"%%on --gpu\n{before}"
    cell.get_by_role("button", name="Run on…").click()
    page.get_by_role("menuitem", name="gpu", exact=True).click()
    assert page.evaluate(SOURCE) == f"%%on gpu\n{before}"
    expect(cell.get_by_role("button", name="Runs on gpu", exact=True)).to_be_visible()
    run(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text(f"{gpu.root.parent / 'home'}\n")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("Wall time")


def test_what_was_picked_is_taken_back(page: Page, open_notebook: Open, gpu: Server) -> None:
    """The badge opens the same menu, by keyboard too; another runtime changes that word alone, the
    notebook's own removes the line, and undo takes back one choice at a time."""
    page.set_viewport_size({"width": 1000, "height": 700})
    first = "%%on vm --send df  # df is large\nprint(df)"
    cell = open_notebook(first, "/notebooks")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("  # typed")
    badge = cell.get_by_role("button", name="Runs on vm · not connected")
    badge.focus()
    page.keyboard.press("Enter")
    menu = page.get_by_role("menu", name="Runtime of this cell")
    expect(menu.get_by_role("menuitemcheckbox")).to_have_text("vm · not connected")
    expect(menu.get_by_role("menuitem", name="Add vm, which this cell wants…")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    there = "%%on gpu --send df  # df is large\nprint(df)  # typed"
    assert page.evaluate(SOURCE) == there
    expect(cell.get_by_role("button", name="Runs on gpu", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate(SOURCE) == "print(df)  # typed"
    expect(cell.locator(".rw-Badge")).to_have_count(0)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+z")
    assert page.evaluate(SOURCE) == there
    page.keyboard.press("Control+z")
    assert page.evaluate(SOURCE) == f"{first}  # typed"


@pytest.fixture
def lines() -> list[str]:
    """Lines behind `%%on` of every kind, readable and not."""
    words = ["gpu", "'my box'", "vm", "--send", "--get", "--send=a", "--fast", "a,b", "a, b", "é"]
    words += [
        "1a",
        "=",
        '"q\\"r"',
        "a\\ b",
        "#",
        "x#y",
        "'",
        "\\",
        "''",
        "--get=",
        "\t",
        "-",
        "a.b",
    ]
    made = random.Random(6)
    return ["", *(" ".join(made.choices(words, k=made.randint(1, 5))) for _ in range(400))]


def test_the_header_tells_where_a_cell_runs(
    page: Page, open_notebook: Open, gpu: Server, lines: list[str]
) -> None:
    """The badge follows what is typed and reads the line as the kernel does; it says when no such
    runtime is connected, and axe finds nothing wrong, in a light and in a dark theme."""
    cell = open_notebook("1", more=["%%on vm\n1", "%%on --gpu 16gb\n1", "%%on gpu --sned df\n1"])
    cells = page.locator(".jp-CodeCell")
    expect(cells.nth(1).get_by_role("button", name="Runs on vm · not connected")).to_have_attribute(
        "title", "No runtime vm is connected. Press to choose another one or to add it."
    )
    expect(cells.nth(2).get_by_role("button", name="Runs on GPU 16 GB")).to_be_visible()
    expect(cells.nth(3).get_by_role("button", name="Runs on gpu")).to_have_attribute(
        "title", "%%on has no option --sned. Press to choose where this cell runs."
    )
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("%%on gpu\n")
    expect(cell.get_by_role("button", name="Runs on gpu", exact=True)).to_be_visible()
    assert_accessible(page, ".jp-CellHeader, .rw-CellButton", "placement")
    for line, title in zip(lines, page.evaluate(BADGES, lines), strict=True):
        try:
            runtime = parse(line.rstrip()).runtime
        except BadInput:
            assert title.endswith("Press to choose where this cell runs."), line
        else:
            says = (f"No runtime {runtime} is connected.", f"This cell runs on {runtime} (")
            assert title.startswith(says), line
