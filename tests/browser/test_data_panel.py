"""The data at home in the sidebar: datasets, transfers, the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from support.servers import Server

from .accessibility import assert_accessible
from .conftest import PANEL, Open, connect, disconnect, run, until

ROWS = "region,amount,note\n" + "north,1,a\nsouth,2,b\n" * 20
PUBLIC = """
[datasets.sales]
source = "panel/sales.csv"
[datasets.sales.policy.public]
allow = "aggregates"
hide = ["note"]
min_group = 5
"""
LONG = (
    "import ropeway as rw, time\n"
    "time.sleep(1)\n"  # home hears that the cell runs: a query may be faster than that
    "rw.sql('select sum(a.amount + b.amount * c.amount) from sales a, sales b, sales c, "
    "sales d, sales e, sales f')"
)
PUT = """import numpy, pyarrow, ropeway as rw, time
def batches():
    while True:
        yield pyarrow.record_batch({"v": numpy.random.rand(200_000)})
        time.sleep(0.2)
rw.put(batches(), "scores")"""


@pytest.fixture
def project(workspace: Server) -> Iterator[Path]:
    """The workspace's `ropeway.toml`, which says nothing; afterwards it is as it was."""
    file = workspace.root / "ropeway.toml"
    before = file.read_text() if file.exists() else None
    file.write_text("")
    yield file
    file.unlink() if before is None else file.write_text(before)


@pytest.fixture
def sales(workspace: Server, project: Path) -> Path:
    """The dataset `sales`, of which public runtimes may have aggregates alone."""
    folder = workspace.root / "panel"
    folder.mkdir(exist_ok=True)
    (folder / "sales.csv").write_text(ROWS)
    project.write_text(PUBLIC)
    return project


def show(page: Page) -> Locator:
    """Open the sidebar from the View menu and give it."""
    page.get_by_role("menuitem", name="View", exact=True).click()
    page.get_by_role("menuitem", name="Data at Home").click()
    return page.get_by_role("region", name="Data at home")


def opened(panel: Locator, name: str = "sales") -> Locator:
    """A dataset with all there is to know of it."""
    dataset = panel.get_by_role("listitem").filter(has_text=name)
    dataset.locator("summary").click()
    expect(dataset.get_by_role("heading", name="Policy")).to_be_visible()
    return dataset


@pytest.mark.parametrize("app", ["/doc/tree", "/notebooks"])
def test_a_dataset_is_put_into_a_cell(
    page: Page, open_notebook: Open, sales: Path, app: str
) -> None:
    """In every app the sidebar lists the datasets; one opens to its columns and its policy for each
    class, and asks for its rows in the empty cell at the press of a button."""
    cell = open_notebook("", app)
    dataset = opened(show(page))
    columns = dataset.get_by_role("table", name="Columns of sales").get_by_role("row")
    expect(columns).to_have_text(["ColumnType", "regionVARCHAR", "amountBIGINT", "noteVARCHAR"])
    words = dataset.locator(".rw-Policy > div")
    expect(words).to_have_count(4)
    expect(words.first).to_contain_text("here rowsRows may cross.")
    expect(words.last).to_contain_text("public aggregatesOnly aggregates may cross")
    expect(words.last).to_contain_text("Hidden: note.")
    dataset.get_by_role("button", name="Insert into cell").click()
    expect(cell.locator(".cm-editor.cm-focused")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("south")
    dataset.get_by_role("button", name="Insert into cell").click()
    expect(page.locator(f"{PANEL} .jp-CodeCell")).to_have_count(2)
    expect(cell.locator(".cm-line").last).to_have_text(
        'rw.sql("select * from sales limit 10").df()'
    )


def test_a_dataset_is_dragged_into_a_cell(page: Page, open_notebook: Open, sales: Path) -> None:
    """What is dropped into a cell is the text that asks for its first rows."""
    cell = open_notebook("")
    show(page).locator("summary").drag_to(cell.locator(".cm-content"))
    expect(cell.locator(".cm-content")).to_contain_text('rw.sql("select * from sales limit 10")')


def test_what_asks_for_a_dataset_is_copied(page: Page, open_notebook: Open, sales: Path) -> None:
    """A press puts the text that asks for the first rows into the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_notebook("")
    opened(show(page)).get_by_role("button", name="Copy snippet").click()
    page.wait_for_function(
        "async () => (await navigator.clipboard.readText()) === "
        """'import ropeway as rw\\n\\nrw.sql("select * from sales limit 10").df()'"""
    )


def test_nobody_is_asked_while_nobody_looks(page: Page, open_notebook: Open, sales: Path) -> None:
    """The workspace is asked for transfers again and again while the sidebar is open, and no more
    once it is closed."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_notebook("")
    show(page)
    until(lambda: _transfers(page, asked) > 1)
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    expect(page.get_by_role("region", name="Data at home")).to_be_hidden()
    page.wait_for_timeout(500)  # for the one that may be under way
    before = _transfers(page, asked)
    page.wait_for_timeout(5_000)
    assert _transfers(page, asked) == before


def _transfers(page: Page, asked: list[str]) -> int:
    page.wait_for_timeout(50)  # events come while Playwright waits
    return sum("/ropeway/api/transfers" in url for url in asked)


def test_the_first_rows_are_shown_under_the_policy(
    page: Page, open_notebook: Open, sales: Path
) -> None:
    """Rows are asked for with a press where they may cross; the class that may have aggregates
    alone is offered none, and sees no hidden column."""
    open_notebook("")
    panel = show(page)
    dataset = opened(panel)
    dataset.get_by_role("button", name="Show first rows").click()
    rows = dataset.get_by_role("table", name="First rows of sales").get_by_role("row")
    expect(rows.nth(1)).to_have_text("north1a")
    panel.get_by_label("As seen from").select_option("public")
    expect(rows).to_have_count(0)
    expect(dataset.get_by_role("button", name="Show first rows")).to_have_count(0)
    expect(dataset.get_by_role("table", name="Columns of sales")).not_to_contain_text("note")
    expect(dataset.locator("code").first).to_contain_text("select count(*) as n from sales")


def test_a_notebook_elsewhere_sees_what_its_runtime_may(
    page: Page, open_notebook: Open, workspace: Server, plain: Server, sales: Path
) -> None:
    """Datasets are shown as the class of the runtime that the open notebook runs on."""
    connect(workspace, plain, "rented", runtime_class="public")
    try:
        spec = {"name": "rented.python3", "display_name": "rented", "language": "python"}
        open_notebook("", kernelspec=spec)
        panel = show(page)
        expect(panel.get_by_label("As seen from")).to_have_value("public")
        expect(panel).to_contain_text("This notebook runs on rented, of the class public.")
    finally:
        disconnect(workspace, "rented")


def test_no_dataset_and_a_broken_one_say_what_to_do(
    page: Page, open_notebook: Open, project: Path
) -> None:
    """Where nothing was added stands the command; what cannot be read says why and what to do."""
    open_notebook("")
    panel = show(page)
    expect(panel).to_contain_text("No dataset was added yet.")
    expect(panel.locator("code")).to_have_text("ropeway data add sales data/sales.csv")
    project.write_text('[datasets.lost]\nsource = "panel/lost.csv"\n')
    panel.get_by_role("button", name="Refresh the datasets").click()
    lost = panel.get_by_role("listitem")
    expect(lost).to_contain_text("cannot be read")
    lost.locator("summary").click()
    expect(lost.locator(".rw-Problem-hint").first).to_contain_text("ropeway data show lost")
    project.write_text("[datasets\n")
    panel.get_by_role("button", name="Refresh the datasets").click()
    expect(panel.get_by_role("alert").first).to_contain_text("ropeway.toml")


def test_a_running_transfer_is_shown_and_cancelled(
    page: Page, open_notebook: Open, sales: Path
) -> None:
    """A query that runs is shown with its notebook and runtime, and ends at the press of Cancel,
    for the cell and in the ledger too."""
    cell = open_notebook(LONG)
    panel = show(page)
    panel.get_by_role("tab", name="Transfers").click()
    run(page, cell)
    moving = panel.get_by_role("progressbar", name="Running: query of sales")
    expect(moving).to_be_visible()
    expect(panel.get_by_role("tab", name="Transfers (1)")).to_be_visible()
    assert_accessible(page, "#ropeway-data")
    transfer = panel.get_by_role("listitem").first
    expect(transfer).to_contain_text(re.compile(r"to here \(here\) · n[0-9a-f]{8}\.ipynb"))
    transfer.get_by_role("button", name="Cancel the query of sales").click()
    expect(moving).to_have_count(0)
    expect(panel.get_by_role("listitem").first).to_contain_text("The query was cancelled.")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("The query was cancelled.")
    panel.get_by_role("tab", name="Ledger").click()
    newest = panel.get_by_role("listitem").first
    expect(newest.locator(".rw-State")).to_have_text("cancelled")
    expect(newest).to_contain_text(re.compile(r"to here \(here\) · \S+ · n[0-9a-f]{8}\.ipynb"))


def test_a_table_on_its_way_home_is_shown_and_cancelled(
    page: Page, open_notebook: Open, sales: Path
) -> None:
    """A put under way is shown with the bytes that came so far, and ends at the press of Cancel,
    for the cell too."""
    cell = open_notebook(PUT)
    panel = show(page)
    panel.get_by_role("tab", name="Transfers").click()
    run(page, cell)
    moving = panel.get_by_role("progressbar", name="Running: put of scores")
    expect(moving).to_be_visible()
    transfer = panel.get_by_role("listitem").first
    expect(transfer).to_contain_text(re.compile(r"from here \(here\) · n[0-9a-f]{8}\.ipynb"))
    expect(transfer.locator(".rw-Crossing-figures")).to_have_text(re.compile(r"^[\d.]+ MB · "))
    transfer.get_by_role("button", name="Cancel the put of scores").click()
    expect(moving).to_have_count(0)
    expect(panel.get_by_role("listitem").first).to_contain_text("The put was cancelled at home.")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("The put was cancelled at home.")


def test_the_ledger_is_filtered(
    page: Page, open_notebook: Open, workspace: Server, sales: Path
) -> None:
    """The ledger shows what fits its filters, and why something was refused; tabs and filters work
    by keyboard."""
    preview = "/ropeway/api/datasets/sales/preview"
    assert workspace.api(preview)[0] == 200
    assert workspace.api(f"{preview}?runtime_class=public")[0] == 403
    open_notebook("")
    panel = show(page)
    panel.get_by_role("tab", name="Datasets").press("ArrowLeft")
    expect(panel.get_by_role("tab", name="Ledger")).to_be_focused()
    rows = panel.get_by_role("listitem")
    expect(rows.first.locator(".rw-State")).to_have_text("refused")
    panel.get_by_label("State").select_option("refused")
    expect(rows.locator(".rw-State").filter(has_not_text="refused")).to_have_count(0)
    expect(rows.first).to_contain_text("to here (public)")
    expect(rows.first.locator(".rw-Problem-message")).not_to_be_empty()
    panel.get_by_label("State").select_option("done")
    panel.get_by_label("Dataset").select_option("sales")
    expect(rows.first.locator(".rw-State")).to_have_text("done")
    expect(rows.first).to_contain_text("10 rows")
    panel.get_by_label("State").select_option("unfinished")
    expect(panel).to_contain_text("No record fits.")


def test_axe_finds_nothing_wrong(
    page: Page, open_notebook: Open, workspace: Server, sales: Path
) -> None:
    """In a light and in a dark theme axe finds no violation in any of the panel's tabs."""
    cell = open_notebook("import ropeway as rw\nrw.sql('select region, amount from sales')")
    run(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("south")
    workspace.api("/ropeway/api/datasets/sales/preview?runtime_class=public")
    panel = show(page)
    dataset = opened(panel)
    dataset.get_by_role("button", name="Show first rows").click()
    expect(dataset.get_by_role("table", name="First rows of sales")).to_be_visible()
    for tab in ("Datasets", "Transfers", "Ledger"):
        panel.get_by_role("tab", name=tab).click()
        expect(panel.get_by_role("listitem").first).to_be_visible()
        assert_accessible(page, "#ropeway-data", f"data-{tab}")
