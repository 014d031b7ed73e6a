"""Widgets, input and progress of a kernel on another runtime, in the page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.servers import Server

from .conftest import Open, run

ON_GPU = {"name": "python3", "display_name": "Python 3", "language": "python"}


def test_a_widget_of_another_runtime_answers(page: Page, open_notebook: Open, gpu: Server) -> None:
    """A click on a widget reaches its kernel, and the kernel's answer the page."""
    source = (
        "import ipywidgets as w\n"
        "button, label = w.Button(description='Press'), w.Label('not yet')\n"
        "button.on_click(lambda _: setattr(label, 'value', 'was pressed'))\n"
        "w.VBox([button, label])"
    )
    cell = open_notebook(source, kernelspec=ON_GPU, ropeway={"runtime": "gpu"})
    run(page, cell)
    expect(cell.locator(".widget-label")).to_have_text("not yet")
    cell.get_by_role("button", name="Press").click()
    expect(cell.locator(".widget-label")).to_have_text("was pressed")


def test_a_cell_asks_and_shows_its_progress_in_place(
    page: Page, open_notebook: Open, gpu: Server
) -> None:
    """input() is answered in the page; a display that is updated stays one output."""
    source = (
        "handle = display('waiting', display_id=True)\n"
        "handle.update(input('who? '))\n"
        "for i in range(5): print(f'\\r{i * 25} %', end='')"
    )
    cell = open_notebook(source, kernelspec=ON_GPU, ropeway={"runtime": "gpu"})
    run(page, cell)
    box = cell.locator(".jp-Stdin-input")
    box.fill("Ann")
    box.press("Enter")
    outputs = cell.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="100 %")).to_have_text("100 %")
    expect(outputs.filter(has_text="'Ann'")).to_be_visible()
    expect(outputs.filter(has_text="waiting")).to_have_count(0)
