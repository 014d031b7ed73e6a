"""Parameters of a headless run."""

import nbformat
import pytest

from ropeway.errors import BadInput
from ropeway.notebooks.parameters import INJECTED, inject, parse_parameter


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=[1, 2]", [1, 2]),
        ("a='1'", "1"),
        ("a=hello world", "hello world"),
        ("a=x=y", "x=y"),
        ("a=", ""),
        ("a=true", True),
        ("a=null", None),
        ("a=2026-11-21", "2026-11-21"),
        ("a=__import__('os')", "__import__('os')"),
    ],
)
def test_a_value_is_a_literal_or_a_text(text: str, value: object) -> None:
    """A Python literal keeps its type; everything else is a text and never code."""
    assert parse_parameter(text) == ("a", value)


@pytest.mark.parametrize("text", ["a", "=1", "a b=1", "1a=1", "class=1", ""])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    """A parameter needs a name that Python accepts."""
    with pytest.raises(BadInput, match="not a parameter"):
        parse_parameter(text)


def test_values_come_behind_the_defaults_and_once() -> None:
    """The cell with a run's values stands behind the defaults and replaces the last run's."""
    notebook = nbformat.v4.new_notebook()
    first, defaults = nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("n = 1")
    defaults.metadata["tags"] = ["parameters"]
    notebook.cells = [first, defaults, nbformat.v4.new_code_cell("n")]
    inject(notebook, {"n": 2})
    inject(notebook, {"n": 3, "s": "it's"})
    assert [c.source for c in notebook.cells] == [
        "1",
        "n = 1",
        '# Parameters\nn = 3\ns = "it\'s"',
        "n",
    ]
    assert notebook.cells[2].metadata["tags"] == [INJECTED]
    nbformat.validate(notebook)
