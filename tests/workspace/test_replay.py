"""What a page that missed a run is given of it, in portions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway.frames import Frame, message, pack_v1
from ropeway.notebooks.outputs import Outputs
from ropeway.workspace import replay as module
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.replay import Replays


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal in a folder of its own."""
    made = Journal(tmp_path / "journal")
    yield made
    made.close()


@pytest.fixture
def run(journal: Journal) -> Run:
    """A run that showed plots between many lines, and still runs."""
    journal.runs.begin("k", "r1", "a.ipynb", "c1")
    found = journal.runs.find("r1")
    assert found is not None
    for number in range(30):
        say(journal, found, "stream", name="stdout", text=f"line {number}\n" * 1000)
        say(journal, found, "display_data", data={"text/plain": "x" * 100_000}, metadata={})
    return found


def say(journal: Journal, run: Run, kind: str, **content: object) -> None:
    """The kernel says something."""
    journal.messages.add(run.id, kind, pack_v1(message("iopub", kind, content, session="")))


async def everything(replays: Replays, run: Run) -> list[Frame]:
    """All portions of a run, joined."""
    found, after, more = [], 0, True
    while more:
        portion = await replays.portion(run, after)
        found += portion.messages
        after, more = portion.last, portion.more
    return found


def shown(frames: list[Frame]) -> list[str]:
    """What a page shows after these messages, in short."""
    outputs = Outputs()
    for frame in frames:
        outputs.feed(str(frame.decoded(0)["msg_type"]), frame.decoded(3))
    found = outputs.to_json()
    return [each.get("text") or each["data"]["text/plain"] for each in found]


async def test_portions_make_up_the_whole(
    journal: Journal, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large they are, and whoever else asks meanwhile."""
    whole = shown(await everything(Replays(journal), run))
    assert "".join(whole).count("line 19\n") == 1000
    assert whole[-1].startswith("x")
    assert any(text.endswith("line 29\n") for text in whole)
    monkeypatch.setattr(module, "PORTION_BYTES", 300_000)
    replays = Replays(journal)
    first = await replays.portion(run, 0)
    assert first.more
    assert shown(await everything(replays, run)) == whole
    found, after, more = first.messages, first.last, True
    while more:  # its place was forgotten, since another one went on
        portion = await replays.portion(run, after)
        found += portion.messages
        after, more = portion.last, portion.more
    assert shown(found) == whole


async def test_who_asks_again_gets_what_came_since(journal: Journal, run: Run) -> None:
    """Also behind the bounds: the note and the last lines as they are then."""
    replays = Replays(journal)
    first = await replays.portion(run, 0)
    assert not first.more
    say(journal, run, "stream", name="stdout", text="the newest\n")
    second = await replays.portion(run, first.last)
    texts = shown([*first.messages, *second.messages])
    assert any(text.endswith("the newest\n") for text in texts)
    assert len(second.messages) == 2
