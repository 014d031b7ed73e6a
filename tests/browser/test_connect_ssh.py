"""A machine that SSH reaches, connected in the page: its steps, giving up, and auto-stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.far_machine import ALIAS, FarMachine
from support.servers import Server
from support.servers import workspace as start_workspace

from .conftest import until


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FarMachine]:
    """A far machine with nothing on it; start it yourself."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = FarMachine(folder)
    yield made
    made.end()


@pytest.fixture
def home(tmp_path: Path, machine: FarMachine) -> Iterator[Server]:
    """A workspace whose user's ssh_config leads to the machine."""
    # OpenSSH takes the home folder from the system, not from the environment.
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {machine.config} "$@"\n')
    ssh.chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "ROPEWAY_RUNTIMES_REFRESH": "1"}
    settings = tmp_path / "home/jupyter-config"
    settings.mkdir(parents=True)
    exposed = {"LabApp": {"expose_app_in_browser": True}}
    (settings / "jupyter_server_config.json").write_text(json.dumps(exposed))
    with start_workspace(tmp_path / "home", tmp_path / "files", variables=path) as server:
        yield server


@pytest.fixture
def dialog(browser: Browser, home: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The dialog that adds a runtime, in a page of that workspace."""
    headers = {"Authorization": f"token {home.token}"}
    scheme: Any = getattr(request, "param", "light")
    made = browser.new_context(base_url=home.url, extra_http_headers=headers, color_scheme=scheme)
    page = made.new_page()
    page.goto("/lab")
    page.wait_for_function("window.jupyterapp")
    page.evaluate("jupyterapp.restored")
    theme = {"theme": "JupyterLab Dark" if scheme == "dark" else "JupyterLab Light"}
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {json.dumps(theme)})")
    command(page, "ropeway:add-runtime")
    opened = page.get_by_role("dialog")
    # It takes the focus once it is there: what is typed before goes astray.
    expect(opened.get_by_label("URL of its Jupyter server")).to_be_focused()
    yield opened
    made.close()


def command(page: Page, name: str) -> None:
    """What the menu does: the command ends with its dialog."""
    page.evaluate("name => void jupyterapp.commands.execute(name)", name)


def connect(dialog: Locator, name: str) -> None:
    """Fill the form in for the machine, and press Connect."""
    dialog.get_by_label("URL of its Jupyter server").fill(f"ssh://{ALIAS}")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_role("button", name="Connect").click()


def slow_uv(machine: FarMachine, seconds: int) -> None:
    """A uv that takes its time and makes no environment."""
    there = machine.folder / "bin"
    there.mkdir()
    (there / "uv").write_text(f'#!/bin/sh\n[ "$1" = venv ] && sleep {seconds}\nexit 1\n')
    (there / "uv").chmod(0o755)
    machine.path = f"{there}:{machine.path}"


def names(home: Server) -> set[str]:
    """Of the runtimes."""
    return {runtime["name"] for runtime in home.api("/ropeway/api/runtimes")[1]["runtimes"]}


def shoot(page: Page, name: str) -> None:
    """A picture, where somebody wants one."""
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=Path(shots) / f"{name}.png")


@pytest.mark.parametrize("dialog", ["light", "dark"], indirect=True)
def test_shows_the_steps_and_gives_up(
    machine: FarMachine, home: Server, dialog: Locator, request: pytest.FixtureRequest
) -> None:
    """The page tells the steps that the shell tells; Cancel hangs up and adds nothing."""
    slow_uv(machine, 60)
    machine.start()
    connect(dialog, "gpu")
    steps = dialog.get_by_role("listitem")
    expect(steps.first).to_have_text(f"Connecting to {ALIAS} over SSH…")
    under_way = dialog.locator("li[aria-current=step]")
    expect(under_way).to_contain_text(f"environment on {ALIAS}…")
    assert steps.count() >= 3
    shoot(dialog.page, request.node.name)
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    until(lambda: machine.home_side() == [])
    assert names(home) == {"here"}


def test_a_step_that_fails_is_explained(machine: FarMachine, dialog: Locator) -> None:
    """What went wrong at the last step takes the place of the steps; the fields stay."""
    slow_uv(machine, 1)
    machine.start()
    connect(dialog, "gpu")
    expect(dialog.locator(".rw-Problem-message")).to_contain_text("could not be installed")
    expect(dialog.locator(".rw-Problem-hint")).to_contain_text("The step was")
    expect(dialog.get_by_role("listitem")).to_have_count(0)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("gpu")


def test_ends_when_idle(
    installed: tuple[Path, list[str]], machine: FarMachine, home: Server, dialog: Locator
) -> None:
    """For SSH the dialog asks when to stop and for no token; the list of runtimes says when."""
    machine.prepared = installed[0]
    machine.start()
    expect(dialog.get_by_label("Stop when idle")).to_be_hidden()
    dialog.get_by_label("URL of its Jupyter server").fill(f"ssh://{ALIAS}")
    expect(dialog.get_by_label("Token", exact=True)).to_be_hidden()
    dialog.get_by_label("Stop when idle").select_option("After 2 hours")
    shoot(dialog.page, "ssh_form")
    connect(dialog, "gpu")
    expect(dialog).to_be_hidden()
    (runtime,) = [r for r in home.api("/ropeway/api/runtimes")[1]["runtimes"] if r["name"] == "gpu"]
    assert (runtime["state"], runtime["stop_idle"]) == ("connected", 7200)
    page = dialog.page
    command(page, "ropeway:manage-runtimes")
    section = page.get_by_role("region", name="gpu")
    expect(section).to_contain_text("stops after 2 h idle")
    shoot(page, "stops_after")
