"""A machine that cannot be reached joins by the command that the page shows."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from support.joining import joining
from support.servers import Server

from .conftest import Open, disconnect, run, until


def test_the_page_shows_a_command_that_joins(
    page: Page, open_notebook: Open, workspace: Server, tmp_path: Path
) -> None:
    """The dialog makes an invitation; the machine that uses it is in the menu and runs cells."""
    cell = open_notebook("print(6 * 7)")
    page.get_by_role("button", name="Runtime:").click()
    page.get_by_role("menuitem", name="Add a runtime…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("No server there yet?").click()
    name = dialog.get_by_label("Name", exact=True)
    name.fill("behind-nat")
    expect(name).to_have_value("behind-nat")
    dialog.get_by_role("button", name="Make an invitation").click()
    shown = dialog.locator("code", has_text="ROPEWAY_JOIN_TOKEN=")
    expect(shown).to_have_count(1)
    words = shown.inner_text().split()
    token, url = words[0].partition("=")[2], words[words.index("--join") + 1]
    assert words[-2:] == ["--name", "behind-nat"]
    assert url.rstrip("/") == workspace.url
    dialog.get_by_role("button", name="Cancel").click()
    try:
        with joining(tmp_path / "there", url, token):
            choice = page.get_by_role("menuitem", name="behind-nat", exact=True)

            def offered() -> bool:
                page.keyboard.press("Escape")
                page.get_by_role("button", name="Runtime:").click()
                page.wait_for_timeout(300)
                return choice.is_visible()

            until(offered)
            choice.click()
            button = page.get_by_role("button", name="Runtime: behind-nat connected", exact=True)
            expect(button).to_be_visible(timeout=60_000)
            run(page, cell)
            expect(cell.locator(".jp-OutputArea-output")).to_have_text("42\n")
    finally:
        disconnect(workspace, "behind-nat")
