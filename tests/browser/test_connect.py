"""The Connect button: where a notebook runs, and how it moves to another runtime."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, Response, expect

from support.servers import Server, lent

from .conftest import Open, disconnect, run, until


@pytest.mark.parametrize("app", ["/doc/tree", "/lab/tree", "/notebooks"])
def test_runs_a_cell_on_the_runtime_here(page: Page, open_notebook: Open, app: str) -> None:
    """In every app the button names the runtime here, shows its memory, and cells run."""
    cell = open_notebook("print(6 * 7)", app)
    run(page, cell)
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("42\n")
    expect(page.get_by_role("button", name="Runtime: here connected", exact=True)).to_be_visible()
    ram = page.get_by_role("meter", name="RAM")
    expect(ram).to_be_visible()
    assert 0 < int(ram.get_attribute("aria-valuenow") or 0) <= 100
    assert "GiB" in (ram.get_attribute("aria-valuetext") or "")


def fill_in(page: Page, url: str) -> Locator:
    """Open the dialog and give it a URL; gives the dialog."""
    page.get_by_role("button", name="Runtime:").click()
    page.get_by_role("menuitem", name="Add a runtime…").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("URL of its Jupyter server")
    expect(field).to_be_focused()  # what is typed before that goes astray
    field.fill(url)
    return dialog


def add_runtime(page: Page, url: str, token: str = "", name: str = "") -> Locator:
    """Fill in the dialog and press Connect; gives the dialog."""
    dialog = fill_in(page, url)
    dialog.get_by_label("Token", exact=True).fill(token)
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_role("button", name="Connect").click()
    return dialog


def test_adds_a_server_by_its_url_and_runs_the_notebook_there(
    page: Page, open_notebook: Open, workspace: Server, plain: Server
) -> None:
    """A URL as a server prints it is enough; the notebook moves there, and no token is seen."""
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(text_of(answer)))
    cell = open_notebook("import os; print(os.environ['HOME'])")
    try:
        dialog = add_runtime(page, f"{plain.url}/lab?token={plain.token}", name="gpu")
        expect(dialog).to_be_hidden()
        expect(
            page.get_by_role("button", name="Runtime: gpu connected", exact=True)
        ).to_be_visible()
        run(page, cell)
        expect(cell.locator(".jp-OutputArea-output")).to_have_text(
            f"{plain.root.parent / 'home'}\n"
        )
        assert plain.token not in page.content()
        assert plain.token not in page.evaluate("JSON.stringify({...localStorage})")
        assert any('"gpu"' in text for text in seen)
        assert not [text for text in seen if plain.token in text]
    finally:
        disconnect(workspace, "gpu")


def test_says_whose_machine_a_runtime_is(
    page: Page, open_notebook: Open, workspace: Server, plain: Server
) -> None:
    """The dialog can be told whose machine it is, and the list of runtimes says so."""
    open_notebook("1")
    dialog = fill_in(page, f"{plain.url}/?token={plain.token}")
    dialog.get_by_label("Name", exact=True).fill("rented")
    dialog.get_by_label("Whose machine is it?").select_option("public")
    dialog.get_by_label("Use it in this notebook").uncheck()
    try:
        dialog.get_by_role("button", name="Connect").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("button", name="Runtime:").click()
        page.get_by_role("menuitem", name="Manage runtimes and sessions…").click()
        expect(dialog.get_by_role("region", name="rented")).to_contain_text("class public")
    finally:
        disconnect(workspace, "rented")


def text_of(answer: Response) -> str:
    """What an answer says, headers too; redirects and aborted answers have no text."""
    if "/ropeway/api/" not in answer.url and "/api/" not in answer.url:
        return ""
    try:
        return f"{answer.headers} {answer.text()}"
    except PlaywrightError:
        return ""


def test_a_wrong_token_is_explained_and_the_fields_stay(
    page: Page, open_notebook: Open, plain: Server
) -> None:
    """What was typed stays, the message and the hint stand beside it, and Esc gives up."""
    open_notebook("1")
    dialog = add_runtime(page, plain.url, token="wrong", name="gpu")
    expect(dialog.locator(".rw-Problem-message")).to_contain_text("token")
    expect(dialog.locator(".rw-Problem-hint")).not_to_be_empty()
    expect(dialog.get_by_label("URL of its Jupyter server")).to_have_value(plain.url)
    expect(dialog.get_by_label("Token", exact=True)).to_have_value("wrong")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Runtime: here connected", exact=True)).to_be_focused()


def test_asks_colab_for_a_vm(page: Page, open_notebook: Open) -> None:
    """For the word colab it asks which hardware and when to give it back, and says what has to be
    done in a terminal first."""
    open_notebook("1")
    dialog = fill_in(page, "colab")
    expect(dialog.get_by_label("Token", exact=True)).to_be_hidden()
    dialog.get_by_label("Hardware").select_option("T4")
    dialog.get_by_label("Give back when idle").select_option("30m")
    with page.expect_request(
        lambda asked: asked.method == "POST" and "/attempts" in asked.url
    ) as sent:
        dialog.get_by_role("button", name="Connect").click()
    assert sent.value.post_data_json["options"] == {"gpu": "T4", "stop_idle": "30m"}
    expect(dialog.locator(".rw-Problem-message")).to_contain_text("terms")
    expect(dialog.locator(".rw-Problem-hint")).to_contain_text("ropeway connect colab")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_pins_the_certificate_of_a_runtime(
    page: Page, open_notebook: Open, workspace: Server, tmp_path: Path
) -> None:
    """An untrusted certificate is explained with its fingerprint; pinned, cells run there."""
    cell = open_notebook("import os; print(os.getcwd())")
    with lent(tmp_path, "--tls", "self-signed") as box:
        (fingerprint,) = set(re.findall(r"sha256:[0-9A-F:]{95}", box.state["said"]))
        dialog = add_runtime(page, f"{box.url}/?token={box.token}", name="box")
        try:
            expect(dialog.locator(".rw-Problem-message")).to_contain_text(fingerprint)
            expect(dialog.locator(".rw-Problem-hint")).to_contain_text("Fingerprint")
            dialog.get_by_label("Fingerprint", exact=True).fill(fingerprint)
            dialog.get_by_role("button", name="Connect").click()
            expect(dialog).to_be_hidden()
            moved = page.get_by_role("button", name="Runtime: box connected", exact=True)
            expect(moved).to_be_visible()
            run(page, cell)
            expect(cell.locator(".jp-OutputArea-output")).to_have_text(f"{tmp_path}\n")
        finally:
            disconnect(workspace, "box")


def test_moves_to_another_runtime_and_back_by_keyboard(
    page: Page, open_notebook: Open, gpu: Server
) -> None:
    """The menu opens, moves and chooses with keys alone, and marks the current runtime."""
    open_notebook("1")
    page.get_by_role("button", name="Runtime: here connected", exact=True).press("ArrowDown")
    expect(page.get_by_role("menuitemcheckbox", name="here")).to_have_attribute(
        "aria-checked", "true"
    )
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Runtime: gpu connected", exact=True)).to_be_visible()
    page.get_by_role("button", name="Runtime: gpu").click()
    expect(page.get_by_role("menuitemcheckbox", name="gpu")).to_have_attribute(
        "aria-checked", "true"
    )
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Runtime: gpu")).to_be_focused()


def test_says_in_words_that_a_runtime_is_gone(
    page: Page, open_notebook: Open, workspace: Server, box: Server
) -> None:
    """When the runtime of an open notebook ends, its button says so with the next look."""
    page.clock.install()
    open_notebook("1", kernelspec=kernelspec("box.python3"))
    expect(page.get_by_role("button", name="Runtime: box connected", exact=True)).to_be_visible()
    box.kill()
    until(lambda: state_of(workspace, "box") == "unreachable")
    page.clock.fast_forward(6_000)  # the page looks every 5 seconds
    expect(page.get_by_role("button", name="Runtime: box unreachable")).to_be_visible()


def test_a_move_that_fails_is_explained_and_changes_nothing(
    page: Page, open_notebook: Open, workspace: Server, box: Server
) -> None:
    """A notebook keeps its kernel when the runtime it was to move to is away."""
    box.kill()
    until(lambda: state_of(workspace, "box") == "unreachable")
    cell = open_notebook("print(6 * 7)")
    page.get_by_role("button", name="Runtime: here").click()
    page.get_by_role("menuitem", name="box · unreachable").click()
    expect(page.locator(".Toastify__toast")).to_contain_text("No kernel on box: It is unreachable.")
    expect(page.get_by_role("button", name="Runtime: here connected", exact=True)).to_be_visible()
    run(page, cell)
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("42\n")


def test_a_narrow_page_keeps_the_name_and_drops_the_bars(page: Page, open_notebook: Open) -> None:
    """At 820 pixels the button is still in the toolbar; its figures are one focus away."""
    page.set_viewport_size({"width": 820, "height": 800})
    open_notebook("1")
    button = page.get_by_role("button", name="Runtime: here connected", exact=True)
    expect(button).to_be_visible()
    expect(page.get_by_role("meter")).to_have_count(0)
    button.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("RAM")


def state_of(workspace: Server, name: str) -> str:
    runtimes = workspace.api("/ropeway/api/runtimes")[1]["runtimes"]
    return next(str(runtime["state"]) for runtime in runtimes if runtime["name"] == name)


def kernelspec(name: str) -> dict[str, str]:
    return {"name": name, "display_name": name, "language": "python"}


def test_names_a_runtime_that_the_notebook_wants(page: Page, open_notebook: Open) -> None:
    """A notebook from elsewhere says which runtime it wants; the menu offers to add it."""
    open_notebook("1", ropeway={"runtime": "tpu"})
    page.get_by_role("button", name="Runtime: here wants tpu").click()
    page.get_by_role("menuitem", name="Add tpu").click()
    expect(page.get_by_role("dialog").get_by_label("Name", exact=True)).to_have_value("tpu")
