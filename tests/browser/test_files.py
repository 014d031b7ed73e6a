"""Files between the page and cells: `google.colab.files`."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from support.servers import Server

from .accessibility import assert_accessible
from .conftest import IS_READY, PANEL, Open, run, until

UPLOAD = """\
from google.colab import files
import hashlib
for name, data in files.upload('up').items():
    print(name, hashlib.sha256(data).hexdigest()[:8])
"""


def test_files_go_to_a_cell_and_come_back(
    page: Page, open_notebook: Open, workspace: Server, tmp_path: Path
) -> None:
    """The files that a person chooses are the cell's; a page that was reloaded asks again; a file
    that a cell hands out is the browser's, and the cell can be run without choosing."""
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 10_000)
    download = "files.download('up/big.bin')"
    cell = open_notebook(UPLOAD, more=[download, "print(files.upload())"])
    run(page, cell)
    chooser = page.get_by_label("Choose files, or drop them here")
    expect(chooser).to_be_visible()
    assert_accessible(page, ".rw-Upload", "upload")
    page.reload()
    chooser.set_input_files([tmp_path / "a.txt", tmp_path / "big.bin"])
    expect(cell).to_contain_text("up/big.bin 2350b445")
    expect(cell).to_contain_text("2 files, 2.6 MB")
    assert (workspace.root / "up" / "big.bin").read_bytes() == bytes(range(256)) * 10_000
    page.evaluate(IS_READY)
    with page.expect_download() as caught:
        run(page, page.locator(f"{PANEL} .jp-CodeCell").nth(1))
    caught.value.save_as(tmp_path / "back.bin")
    assert caught.value.suggested_filename == "big.bin"
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    last = page.locator(f"{PANEL} .jp-CodeCell").nth(2)
    run(page, last)
    last.get_by_role("button", name="Cancel").click()
    expect(last).to_contain_text("{}")
    expect(last).to_contain_text("No file was chosen.")
    until(lambda: workspace.api("/ropeway/api/offers")[1] == {"offers": []})
