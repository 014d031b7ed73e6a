"""The asking kernel's end of a cell that runs elsewhere, without a home."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ropeway.kernel import elsewhere
from ropeway.kernel.elsewhere import _ask, _Cell
from ropeway.kernel.inband import _Box
from ropeway.wire import Reply


def came(box: _Box) -> list[str]:
    return [reply.kind for reply, _ in box.replies]


def test_a_home_that_was_started_anew_counts_anew() -> None:
    """A placement hears on when its home is another one; what is missing in between is noticed,
    until a home asks how far it is."""
    box = _Box(patient=True)
    for kind, seq in (("wait", 0), ("said", 1), ("wait", 0), ("said", 1), ("said", 3)):
        box.put(Reply("r", kind, seq), [])
    assert (came(box), box.lost) == (["wait", "said", "wait", "said"], True)
    box.put(Reply("r", "again", 5), [])
    box.put(Reply("r", "said", 6), [])
    assert (came(box)[-2:], box.lost) == (["again", "said"], False)


def test_an_answer_to_a_query_is_of_one_home() -> None:
    """A query that another home would answer from its beginning is lost."""
    box = _Box()
    for seq in (0, 1, 0):
        box.put(Reply("r", "data", seq), [])
    assert (len(box.replies), box.lost) == (2, True)


def test_a_cell_says_once_that_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    """Home is away for a minute: the cell says so, and no second time."""
    talk: Any = SimpleNamespace(silence=0.0)
    passed: list[str] = []
    interrupts: Any = SimpleNamespace(pass_on=lambda: passed.append("looked"))
    meanwhile = _Cell(SimpleNamespace(), talk, {}).waits(interrupts)
    meanwhile()
    assert capsys.readouterr().err == ""
    talk.silence = elsewhere._SILENCE + 1
    meanwhile()
    meanwhile()
    assert capsys.readouterr().err.count("home has been silent for 60 s") == 1
    assert len(passed) == 3


def test_what_a_home_says_is_no_answer_of_a_person() -> None:
    """A home that was started anew may speak while the cell asks: then it is asked once more."""
    answers = [{"ropeway": {}}, "ann"]
    said: list[tuple[str, dict[str, Any]]] = []
    talk: Any = SimpleNamespace(say=lambda op, **fields: said.append((op, fields)))
    shell = SimpleNamespace(kernel=SimpleNamespace(raw_input=lambda _: answers.pop(0)))
    _ask(shell, talk, {"prompt": "who? ", "number": 7})
    assert said == [("answer", {"text": "ann", "after": 7})]
