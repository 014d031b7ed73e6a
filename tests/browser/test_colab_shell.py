"""Commands of a notebook that was written for Colab, in the page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import Open, run


def test_a_command_asks_in_its_cell(page: Page, open_notebook: Open) -> None:
    """What a program waits for is typed behind its prompt, and stands in the cell as it does in a
    terminal; a password is not to be seen."""
    source = (
        "import google.colab\n"
        "!read -p 'Go on? [y/n] ' a; echo \"it was $a\"; read -s -p 'Password: ' p; "
        'echo; echo "of ${#p} letters"'
    )
    cell = open_notebook(source)
    run(page, cell)
    box = cell.locator("input.jp-Stdin-input")
    box.fill("yes")
    box.press("Enter")
    outputs = cell.locator(".jp-OutputArea")
    expect(outputs).to_contain_text("Password: ")  # a question and a text take two ways
    hidden = cell.locator("input.jp-Stdin-input[type=password]")
    hidden.fill("sesame")
    hidden.press("Enter")
    expect(outputs).to_contain_text("Go on? [y/n]  yes it was yes Password:  ········ of 6 letters")
