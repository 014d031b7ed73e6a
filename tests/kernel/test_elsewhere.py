"""The asking kernel's end of a cell that runs elsewhere, without a home."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ropeway.errors import HomeUnreachable
from ropeway.kernel import crossing, inband
from ropeway.kernel.elsewhere import _ask
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


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a kernel asks for while nobody answers for 200 s, which pass at once."""
    clock, said = [0.0], []
    kernel = SimpleNamespace(
        session=SimpleNamespace(send=lambda _, kind, body, **rest: said.append(body["op"])),
        iopub_socket=None,
        get_parent=lambda _: {},
    )

    def look(_: Any, so: Any) -> None:
        clock[0] += 1.0
        if clock[0] > 200:
            for number, box in inband._boxes.items():
                box.put(Reply(number, "end", 0), [])

    monkeypatch.setattr(inband, "kernel", lambda: kernel)
    monkeypatch.setattr(inband, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(inband.stdin, "look", look)
    return said


def test_a_request_waits_for_a_home_that_is_away(
    said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Home is away from the beginning: the cell says so once, asks for it, and hears it."""
    monkeypatch.setattr(inband, "_has_home", True)
    assert inband.Talk("place", patient=True).hear(lambda: None)[0].kind == "end"
    assert said[:3] == ["place", "there", "there"]
    assert len(said) < 12
    assert capsys.readouterr().err.count("home has been silent for 10 s") == 1


def test_a_cell_says_once_that_it_waits(
    said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Home was there and is away for a minute: the cell says so, not before and no second time."""
    talk, shown = inband.Talk("place", patient=True), list[str]()
    talk._box.put(Reply(talk.id, "wait", 0), [])
    talk.hear(lambda: shown.append(capsys.readouterr().err))
    assert not any(shown[:60])
    assert "".join(shown).count("home has been silent for 60 s") == 1
    assert "".join(shown).count("Ropeway:") == 1


def test_no_request_waits_for_a_home_that_never_was(said: list[str]) -> None:
    """In a kernel that no workspace started the cell soon fails."""
    with pytest.raises(HomeUnreachable, match="did not answer within 10 s"):
        inband.Talk("place", patient=True).hear(lambda: None)
    assert said == ["place", "cancel"]


def test_no_value_crosses_to_a_home_that_never_was(said: list[str]) -> None:
    """There it is not tried again either."""
    with pytest.raises(HomeUnreachable, match="did not answer within 10 s"):
        crossing.get("gpu", "x")
    assert said == ["get", "cancel"]


def test_what_a_home_says_is_no_answer_of_a_person() -> None:
    """A home that was started anew may speak while the cell asks: then it is asked once more."""
    answers = [{"ropeway": {}}, "ann"]
    said: list[tuple[str, dict[str, Any]]] = []
    talk: Any = SimpleNamespace(say=lambda op, **fields: said.append((op, fields)))
    shell = SimpleNamespace(kernel=SimpleNamespace(raw_input=lambda _: answers.pop(0)))
    _ask(shell, talk, {"prompt": "who? ", "number": 7})
    assert said == [("answer", {"text": "ann", "after": 7})]
