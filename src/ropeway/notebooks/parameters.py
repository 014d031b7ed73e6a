"""Parameters of a headless run: `--param name=value` becomes a cell after the defaults.

The convention is papermill's: the defaults stand in a cell tagged `parameters`, the values of a
run in a cell tagged `injected-parameters` right behind it, which the next run replaces.
"""

from __future__ import annotations

import ast
import keyword
from typing import Any

import nbformat

from ropeway.errors import BadInput

DEFAULTS = "parameters"
INJECTED = "injected-parameters"


def parse_parameter(text: str) -> tuple[str, Any]:
    """`name=value` as a name and a Python value; what is no Python literal is a text.

    Raises `BadInput`.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or keyword.iskeyword(name):
        raise BadInput(
            f"{text!r} is not a parameter.", hint="Write --param name=value, such as epochs=10."
        )
    try:
        return name, ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        named = {"true": True, "false": False, "none": None, "null": None}
        return name, named.get(value.strip().lower(), value)


def inject(notebook: Any, parameters: dict[str, Any]) -> None:
    """Put the parameters into a notebook, in place. Raises `BadInput` for other languages."""
    if not parameters:
        return
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language.lower() != "python":
        raise BadInput(
            f"Parameters can be given to Python notebooks only; this one is {language}.",
            hint="Leave --param out, or read environment variables in the notebook.",
        )
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    cell = nbformat.v4.new_code_cell("# Parameters\n" + "\n".join(lines))
    cell.metadata["tags"] = [INJECTED]
    kept = [c for c in notebook.cells if INJECTED not in _tags(c)]
    places = [i for i, c in enumerate(kept) if DEFAULTS in _tags(c)]
    place = places[0] + 1 if places else 0
    notebook.cells = [*kept[:place], cell, *kept[place:]]


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))
