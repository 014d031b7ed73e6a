"""Secrets in the sidebar, and the question whether a notebook may read one."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.servers import Server

from .accessibility import assert_accessible
from .conftest import Open, run

READ = "from google.colab import userdata\nprint(len(userdata.get('HF_TOKEN')))"


def test_a_secret_is_kept_and_read_by_who_may(
    page: Page, open_notebook: Open, workspace: Server
) -> None:
    """A value goes home and never comes back; a cell that may not read it yet asks in the page, and
    the switch in the sidebar shows what was allowed and takes it back."""
    cell = open_notebook(READ)
    page.get_by_role("menuitem", name="View", exact=True).click()
    page.get_by_role("menuitem", name="Secrets").click()
    panel = page.get_by_role("region", name="Secrets")
    panel.get_by_label("Name").fill("HF_TOKEN")
    panel.get_by_label("Value").fill("hf_0123456789")
    panel.get_by_role("button", name="Keep at Home").click()
    switch = panel.get_by_role("switch", name="HF_TOKEN")
    expect(switch).not_to_be_checked()
    assert "hf_0123456789" not in str(workspace.api("/ropeway/api/secrets"))
    run(page, cell)
    page.get_by_role("button", name="Deny").click()
    expect(cell).to_contain_text("NotebookAccessError")
    run(page, cell)
    page.get_by_role("button", name="Allow reading HF_TOKEN").click()
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("13\n")
    expect(switch).to_be_checked()
    expect(panel).to_contain_text("on runtimes up to own")
    run(page, cell)  # without a question
    assert_accessible(page, "#ropeway-secrets", "secrets")
    switch.click()
    expect(switch).not_to_be_checked()
    assert workspace.api("/ropeway/api/secrets")[1]["secrets"][0]["notebooks"] == 0
    panel.get_by_role("button", name="Remove HF_TOKEN").click()
    expect(panel).to_contain_text("No secret is kept yet.")
