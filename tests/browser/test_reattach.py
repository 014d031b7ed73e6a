"""A notebook whose page went away while it ran: another page shows all, and what goes on."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import Open

COUNT = "import time\nfor i in range(80):\n    print(i, flush=True)\n    time.sleep(0.1)"


def start(page: Page) -> None:
    """Run the selected cell, and do not wait for its end."""
    page.keyboard.press("Control+Enter")


@pytest.mark.parametrize("app", ["/doc/tree", "/lab/tree", "/notebooks"])
def test_a_reloaded_page_shows_what_was_said_and_goes_on(
    page: Page, open_notebook: Open, app: str
) -> None:
    """After a reload in mid-run the cell holds every line once, and ends as it would have."""
    cell = open_notebook(COUNT, app)
    cell.click()
    start(page)
    output = cell.locator(".jp-OutputArea-output")
    expect(output).to_contain_text("5\n")
    page.reload()
    expect(output).to_contain_text("40\n", timeout=60_000)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=60_000)
    assert output.inner_text().split() == [str(number) for number in range(80)]


def test_a_question_is_asked_again(page: Page, open_notebook: Open) -> None:
    """`input()` that waited when the page went is asked by the next one, and its answer counts."""
    cell = open_notebook("name = input('Who? ')\nprint('Hello', name)")
    cell.click()
    start(page)
    expect(cell.locator(".jp-Stdin-input")).to_be_visible()
    page.reload()
    box = cell.locator(".jp-Stdin-input")
    expect(box).to_be_visible(timeout=60_000)
    box.fill("Ada")
    box.press("Enter")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("Hello Ada", timeout=60_000)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:")


def test_another_device_finds_everything(
    page: Page, open_notebook: Open, context: BrowserContext
) -> None:
    """The page is closed, cells end without any, and the next page shows them as run."""
    cell = open_notebook("import time\nprint('first')\ntime.sleep(4)\nprint('last')")
    cell.click()
    start(page)
    expect(cell.locator(".jp-OutputArea-output")).to_contain_text("first")
    url = page.url
    page.close()
    time.sleep(8)
    with context.new_page() as other:
        other.goto(url)
        shown = other.locator(".jp-CodeCell").first
        expect(shown.locator(".jp-OutputArea-output")).to_have_text("first\nlast\n")
        expect(shown.locator(".jp-InputPrompt")).to_have_text("[1]:")
