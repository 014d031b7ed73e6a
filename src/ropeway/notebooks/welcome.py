"""The notebook that a new workspace opens with."""

from __future__ import annotations

from typing import Any

import nbformat

WELCOME = "Welcome to Ropeway.ipynb"

_CELLS = (
    (
        "markdown",
        "# Welcome to Ropeway\n\n"
        "**One notebook, any runtime, your data stays home.** Run the cells with *Shift+Enter*.",
    ),
    (
        "code",
        "import platform\n\n"
        'print(f"This cell ran on {platform.node()}, Python {platform.python_version()}.")',
    ),
    (
        "markdown",
        "## Another machine\n\n"
        "On any machine where Ropeway is installed, `ropeway runtime` prints a URL. Press "
        "**Connect** at the top right, choose *Add a runtime…* and paste it. A plain "
        "`jupyter server` works just as well. Then choose the new runtime in the same menu: the "
        "cells of this notebook run there.",
    ),
    (
        "markdown",
        "## Data that stays home\n\n"
        "Tell Ropeway about a file, here in a shell:\n\n"
        "```\nropeway data add sales data/sales.csv\n```\n\n"
        "and ask for just the rows that you need, on whichever runtime the notebook is:\n\n"
        "```python\nimport ropeway as rw\n\n"
        'rw.sql("select region, sum(amount) from sales group by region").df()\n```',
    ),
    (
        "code",
        "import ropeway as rw\n\nrw.datasets()",
    ),
)


def welcome_notebook() -> Any:
    """A fresh welcome notebook."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    for kind, source in _CELLS:
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        notebook.cells.append(make(source))
    return notebook
