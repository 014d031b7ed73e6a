"""The dialog that shows every runtime with what runs on it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from support.hub import Hub
from support.servers import Server

from .conftest import Open


def manage(page: Page) -> Locator:
    """Open the dialog and give it."""
    page.get_by_role("button", name="Runtime:").click()
    page.get_by_role("menuitem", name="Manage runtimes and sessions…").click()
    return page.get_by_role("dialog")


def test_shows_and_shuts_down_the_sessions_of_a_runtime(page: Page, open_notebook: Open) -> None:
    """A notebook's session is listed under its runtime, and ends at the press of its button."""
    open_notebook("1")
    here = manage(page).get_by_role("region", name="here")
    rows = here.get_by_role("row").filter(has_text=".ipynb")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("idle")
    rows.get_by_role("button", name="Shut down").click()
    expect(here).to_contain_text("Nothing runs here.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Runtime: Connect", exact=True)).to_be_focused()


def test_disconnects_a_runtime_and_leaves_its_kernels(
    page: Page, open_notebook: Open, gpu: Server
) -> None:
    """Disconnecting asks what becomes of the kernels; those that are kept go on running."""
    stranger = gpu.api("/api/kernels", "POST", {"name": "python3"})[1]
    open_notebook("1")
    dialog = manage(page)
    region = dialog.get_by_role("region", name="gpu")
    expect(region).to_contain_text("started elsewhere")
    region.get_by_role("button", name="Disconnect").click()
    expect(region.get_by_role("button", name="Cancel")).to_be_focused()
    region.get_by_role("button", name="Keep kernels running").click()
    expect(region).to_be_hidden()
    assert stranger["id"] in [kernel["id"] for kernel in gpu.api("/api/kernels")[1]]
    gpu.api(f"/api/kernels/{stranger['id']}", "DELETE")


def test_starts_and_stops_a_server_of_a_hub(
    page: Page, open_notebook: Open, workspace: Server, hub: Hub
) -> None:
    """What a Hub stopped says so and starts at the press of a button; it can be stopped again
    when it is disconnected."""
    user = hub.users.pop()
    token = hub.token(user)
    body = {"url": f"hub+{hub.url}?profile=distant", "token": token, "name": "pod"}
    assert workspace.api("/ropeway/api/runtimes", "POST", body)[0] == 201
    open_notebook("1")
    region = manage(page).get_by_role("region", name="pod")
    expect(region).to_contain_text("Nothing runs")
    hub.api(f"users/{user}/server", "DELETE", token=token)
    expect(region).to_contain_text("the Hub stopped it")
    region.get_by_role("button", name="Start").click()
    expect(region).to_contain_text("60 % Pulling the image.")
    expect(region).to_contain_text("Nothing runs")
    region.get_by_role("button", name="Disconnect").click()
    region.get_by_role("button", name="Stop it").click()
    expect(region).to_be_hidden()
    assert hub.server(user) is None
