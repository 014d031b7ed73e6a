"""A notebook that asks for a GPU, opened where there is none."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from support.servers import Server

from .conftest import Open


def test_a_notebook_of_colab_is_offered_a_gpu(
    page: Page, open_notebook: Open, workspace: Server, trainer: Server
) -> None:
    """A notebook that asks for a GPU in Colab's words is offered the runtimes that have one; a
    press moves it there, and what it asks for stays in the file."""
    asks = {"accelerator": "GPU", "colab": {"gpuType": "T4"}}
    open_notebook("1", **asks)
    offer = page.locator(".Toastify__toast").filter(has_text="asks for a GPU (T4), and here has")
    expect(offer.get_by_role("button", name="Stay on here's CPU")).to_be_visible()
    offer.get_by_role("button", name="Run on trainer (NVIDIA H200, 107.4 GB of").click()
    there = page.get_by_role("button", name="Runtime: trainer connected", exact=True)
    expect(there).to_be_visible()
    expect(offer).to_have_count(0)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
    name = page.url.rsplit("/", 1)[1]
    metadata = json.loads((workspace.root / name).read_text())["metadata"]
    assert metadata.items() >= asks.items()
    assert metadata["ropeway"] == {"runtime": "trainer"}
