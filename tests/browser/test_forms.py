"""Colab's forms and what else its notebooks say, in the page."""

from __future__ import annotations

import json
import secrets
from typing import Any

from playwright.sync_api import Page, expect

from support.servers import Server

from .accessibility import assert_accessible
from .conftest import IS_READY, PANEL, Open, until

SOURCE = "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.source"
VIEW = """() =>
  window.jupyterapp.shell.currentWidget.content.activeCell.model.getMetadata('cellView')"""
TYPED = """text => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[0];
  cell.model.sharedModel.setSource(text);
}"""
LOCKED = """() => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[0];
  cell.readOnly = true;
  cell.model.setMetadata('editable', false);
}"""
SLOW = """() => {
  const { model } = window.jupyterapp.shell.currentWidget.content.activeCell;
  model.sharedModel.undoManager.captureTimeout = 0; // as if long after one another, each for itself
}"""
UNDO = "() => window.jupyterapp.shell.currentWidget.content.activeCell.editor.undo()"
SAVE = "() => window.jupyterapp.shell.currentWidget.context.save()"

FORM = """\
#@title Train it { run: "auto", form-width: "40%" }
!echo it\\'s here
#@markdown Where *from*: <img src=x onerror="alert(1)">
name = 'a' #@param {type:"string", placeholder: "a name"}
size = "small" # @param ["small", "large"]
steps = 1_0 #@param {type:"slider", min:0, max:20, step:5}
  # a comment, and '
batch = 4 #@param {type:"integer"}
day = "2026-01-02" #@param {type:"date"}
city = "Rome" #@param ["Rome", "Oslo"] {allow-input: true}
both = False #@param {type:"boolean"}
path = f"{name}/b" #@param {type:"string"}
print(name, size, steps, batch, day, city, both, path)"""


def test_a_form_edits_its_cell(page: Page, open_notebook: Open) -> None:
    """Each field writes its literal and nothing else, each edit is one step of undo, the cell runs
    after it where the title says so, and what is typed in the code is in the fields at once."""
    cell = open_notebook(FORM, "/notebooks")
    form = cell.get_by_role("group", name="Form: Train it")
    page.evaluate(SLOW)
    form.get_by_label("name", exact=True).fill("it's # @param")
    source = FORM.replace("'a'", r"'it\'s # @param'", 1)
    assert page.evaluate(SOURCE) == source
    form.get_by_label("size").select_option("large")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("it's # @param large 10 4 2026-01-02")
    form.get_by_label("steps").press("ArrowRight")
    form.get_by_label("batch").fill("")
    expect(form.get_by_label("batch")).to_have_attribute("aria-invalid", "true")
    form.get_by_label("batch").fill("16")
    form.get_by_label("day").fill("2026-11-22")
    form.get_by_label("city").fill("")
    form.get_by_label("city").press_sequentially("Lima")
    form.get_by_label("both").check()
    form.get_by_label("path").fill('f"{name}/c"')
    form.get_by_label("path").press("Control+Enter")
    changes = [('"small" #', '"large" #'), ("1_0", "15"), ("= 4", "= 16"), ("01-02", "11-22")]
    changes += [('"Rome" #', '"Lima" #'), ("False", "True"), ("/b", "/c")]
    for before, after in changes:
        source = source.replace(before, after, 1)
    assert page.evaluate(SOURCE) == source
    printed = "it's # @param large 15 16 2026-11-22 Lima True it's # @param/c"
    expect(cell.locator(".jp-OutputArea")).to_contain_text(printed)
    for before, after in reversed(changes):
        source = source.replace(after, before, 1)
        page.evaluate(UNDO)
        assert page.evaluate(SOURCE) == source
    expect(form.get_by_label("both")).not_to_be_checked()
    assert form.locator("img").get_attribute("onerror") is None
    page.evaluate(TYPED, "#@title Other\nsize = 3 #@param {type: 'number'}")
    other = cell.get_by_role("group", name="Form: Other")
    expect(other.get_by_label("size")).to_have_value("3")
    page.evaluate(TYPED, "size = 3")
    expect(other).to_have_count(0)


def test_a_form_stands_beside_its_code_or_in_its_place(page: Page, open_notebook: Open) -> None:
    """A button, a double click on the title and a menu choose what is shown, the cell's metadata
    say so in Colab's words, and the keyboard gets to the fields; a locked cell's form changes
    nothing, and axe finds nothing wrong in a light and in a dark theme."""
    hidden = "#@title Small {display-mode: 'form'}\nx = 5 #@param {type:'integer'}\nprint(x)"
    cell = open_notebook(FORM, "/lab/tree", more=[hidden, "print(1)"])
    second = page.locator(".jp-CodeCell").nth(1)
    expect(page.locator(".rw-Form")).to_have_count(2)
    expect(second.locator(".cm-editor")).to_be_hidden()
    second.locator(".jp-InputPrompt").click()
    page.keyboard.press("Enter")
    expect(second.get_by_label("x")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+Enter")
    expect(second.locator(".jp-OutputArea")).to_contain_text("6")
    second.get_by_text("Small", exact=True).dblclick()
    expect(second.locator(".cm-editor")).to_be_visible()
    assert page.evaluate(VIEW) == "both"
    second.get_by_role("button", name="Hide code").click()
    expect(second.locator(".cm-editor")).to_be_hidden()
    assert page.evaluate(VIEW) == "form"
    second.get_by_role("button", name="Show code").press("Enter")
    expect(second.locator(".cm-editor")).to_be_visible()
    second.locator(".cm-content").click(button="right")
    page.locator(".lm-Menu").get_by_text("Form", exact=True).hover()
    page.locator(".lm-Menu").get_by_text("Show the Code Only").click()
    expect(second.locator(".rw-Form")).to_be_hidden()
    assert page.evaluate(VIEW) == "code"
    assert_accessible(page, ".rw-Form", "forms")
    page.evaluate(LOCKED)
    expect(cell.get_by_label("batch")).to_be_disabled()
    expect(cell.get_by_role("button", name="Hide code")).to_be_hidden()


def colab_notebook() -> dict[str, Any]:
    """A notebook as Colab saves it."""
    said = {"name": "stdout", "output_type": "stream", "text": ["1\n"]}
    info = {"status": "ok", "timestamp": 1763000000000, "user_tz": -60, "elapsed": 3}
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "metadata": {"id": "aaaaaaaaaaaa"}, "source": ["# One"]},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"id": "bbbbbbbbbbbb", "cellView": "form", "executionInfo": info},
            "outputs": [said],
            "source": ["#@title T\n", "x = 1 #@param {type:'integer'}\n", "print(x)"],
        },
        {"cell_type": "markdown", "metadata": {"id": "cccccccccccc"}, "source": ["# Two"]},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"id": "dddddddddddd"},
            "outputs": [],
            "source": ["2"],
        },
    ]
    colab = {
        "provenance": [],
        "collapsed_sections": ["cccccccccccc"],
        "toc_visible": True,
        "name": "n.ipynb",
        "authorship_tag": "ABX9TyN0000000000000000000",
    }
    metadata = {
        "accelerator": "GPU",
        "colab": colab,
        "kernelspec": {"display_name": "Python 3", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 0}


def test_a_notebook_of_colab_stays_one(page: Page, workspace: Server) -> None:
    """It opens with its table of contents and its sections as they were; saved, it has what was
    changed here in Colab's words, ids for its cells, its kernel's names and language, and is the
    same otherwise."""
    name = f"n{secrets.token_hex(4)}"
    file = workspace.root / f"{name}.ipynb"
    before = colab_notebook()
    file.write_text(json.dumps(before))
    page.goto(f"/doc/workspaces/{name}/tree/{name}.ipynb")
    page.wait_for_selector(f"{PANEL} .jp-CodeCell .rw-Form")
    page.evaluate(IS_READY)
    expect(page.locator(".jp-TableOfContents-tree")).to_be_visible()
    expect(page.locator(f"{PANEL} .jp-CodeCell")).to_have_count(2)
    expect(page.locator(f"{PANEL} .jp-CodeCell").nth(1)).to_be_hidden()
    page.locator(".jp-collapseHeadingButton").first.click()
    page.evaluate(SAVE)
    until(lambda: json.loads(file.read_text())["nbformat_minor"] == 5)
    after = json.loads(file.read_text())
    assert sorted(after["metadata"]["colab"].pop("collapsed_sections")) == [
        "aaaaaaaaaaaa",
        "cccccccccccc",
    ]
    del before["metadata"]["colab"]["collapsed_sections"]
    assert [cell.pop("id") != "" for cell in after["cells"]] == [True] * 4
    assert after["metadata"].pop("language_info")["name"] == "python"
    assert after["metadata"].pop("kernelspec")["name"] == "python3"
    assert {**before["metadata"], **after["metadata"]} == before["metadata"]
    assert after["cells"] == before["cells"]
