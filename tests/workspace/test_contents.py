"""Notebooks through the workspace's own contents interface, and the files they leave."""

from __future__ import annotations

import json
from typing import Any

import nbformat

from support.servers import Server


def put(work: Server, name: str, kernel: str, shown: str) -> dict[str, Any]:
    """Save a notebook as the page does; returns what lies on disk."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebook.metadata["kernelspec"] = {
        "name": kernel,
        "display_name": shown,
        "language": "python",
    }
    body = {"type": "notebook", "format": "json", "content": notebook}
    status, answer = work.api(f"/api/contents/{name}", "PUT", body)
    assert status in (200, 201), answer
    found: dict[str, Any] = json.loads((work.root / name).read_text())
    nbformat.validate(found)
    return found


def test_a_saved_notebook_opens_anywhere(work: Server) -> None:
    """The file of a notebook on another runtime says python3, and opens there again."""
    on_disk = put(work, "away.ipynb", "gpu.python3", "Python 3 · gpu")
    assert on_disk["metadata"]["kernelspec"]["name"] == "python3"
    assert on_disk["metadata"]["kernelspec"]["display_name"] == "Python 3 (ipykernel)"
    assert on_disk["metadata"]["ropeway"] == {"runtime": "gpu"}
    opened = work.api("/api/contents/away.ipynb")[1]["content"]
    assert opened["metadata"]["kernelspec"]["name"] == "gpu.python3"


def test_a_notebook_that_stays_here_has_nothing_of_ours(work: Server) -> None:
    """A notebook of the runtime here is as plain Jupyter writes it."""
    on_disk = put(work, "home.ipynb", "python3", "Python 3 · here")
    assert "ropeway" not in on_disk["metadata"]
    assert on_disk["metadata"]["kernelspec"]["display_name"] == "Python 3 (ipykernel)"


def test_a_notebook_of_an_unknown_runtime_opens_here(work: Server) -> None:
    """A notebook from elsewhere opens without a question, and keeps what it asked for."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["ropeway"] = {"runtime": "lab-7"}
    nbformat.write(notebook, work.root / "foreign.ipynb")
    metadata = work.api("/api/contents/foreign.ipynb")[1]["content"]["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["ropeway"] == {"runtime": "lab-7"}
    body = {"type": "notebook", "format": "json", "content": {**notebook, "metadata": metadata}}
    assert work.api("/api/contents/foreign.ipynb", "PUT", body)[0] == 200
    on_disk = json.loads((work.root / "foreign.ipynb").read_text())
    assert on_disk["metadata"]["ropeway"] == {"runtime": "lab-7"}


def test_other_files_pass(work: Server) -> None:
    """Files that are no notebooks are as they are."""
    body = {"type": "file", "format": "text", "content": "kernelspec: gpu.python3\n"}
    assert work.api("/api/contents/a.txt", "PUT", body)[0] == 201
    assert (work.root / "a.txt").read_text() == "kernelspec: gpu.python3\n"
