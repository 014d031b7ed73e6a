"""A run as text, read beside the workspace that writes it and over HTTP."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway import config
from ropeway.errors import NotFound
from ropeway.frames import message, pack_v1
from ropeway.workspace.handlers import runs as handlers
from ropeway.workspace.journal import Journal, Run
from ropeway.workspace.transcript import Transcript
from support.notebook import Notebook
from support.servers import Server


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """The journal of a workspace at `tmp_path`, which goes on to write it."""
    made = Journal(config.workspace_state_dir(tmp_path) / "journal")
    yield made
    made.close()


def begun(journal: Journal, request: str = "r1") -> Run:
    """A run of a cell."""
    journal.runs.begin("k", request, "a.ipynb", "c1")
    found = journal.runs.find(request)
    assert found is not None
    return found


def say(journal: Journal, run: Run, kind: str, **content: object) -> None:
    """The kernel says something."""
    journal.messages.add(run.id, kind, pack_v1(message("iopub", kind, content, session="")))


def stream(journal: Journal, run: Run, text: str) -> None:
    """The cell prints something."""
    say(journal, run, "stream", name="stdout", text=text)


def test_it_is_what_a_cell_printed_in_order(journal: Journal, tmp_path: Path) -> None:
    """Both streams, displays and results as text, a traceback; what has no text by its type."""
    run = begun(journal)
    say(journal, run, "execute_input", code="…", execution_count=1)
    stream(journal, run, "one\n")
    say(journal, run, "stream", name="stderr", text="two\n")
    say(journal, run, "display_data", data={"text/plain": "<Figure>", "image/png": "…"})
    say(journal, run, "display_data", data={"image/png": "…"})
    say(journal, run, "comm_msg", data={})
    say(journal, run, "error", ename="E", evalue="v", traceback=["Traceback", "E: v"])
    transcript = Transcript(tmp_path)
    text = "".join(piece for _, piece in transcript.pieces(run))
    assert text == "one\ntwo\n<Figure>\n['image/png']\nTraceback\nE: v\n"
    transcript.close()


def test_what_is_said_meanwhile_comes_with_the_next_look(journal: Journal, tmp_path: Path) -> None:
    """A reader beside the writer goes on where it ended."""
    run = begun(journal)
    stream(journal, run, "one\n")
    transcript = Transcript(tmp_path)
    [(reached, text)] = transcript.pieces(run)
    assert text == "one\n"
    stream(journal, run, "two\n")
    assert [text for _, text in transcript.pieces(run, reached)] == ["two\n"]
    transcript.close()


def test_a_flood_comes_in_pieces(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is much larger than the bound, and none is lost."""
    monkeypatch.setattr("ropeway.workspace.transcript.PIECE_CHARACTERS", 100)
    run = begun(journal)
    for number in range(1000):
        stream(journal, run, f"{number}\n")
    transcript = Transcript(tmp_path)
    pieces = [text for _, text in transcript.pieces(run)]
    assert max(map(len, pieces)) < 110
    assert "".join(pieces).split() == [str(number) for number in range(1000)]
    transcript.close()


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_tail_is_the_last_lines(journal: Journal, tmp_path: Path, end: str) -> None:
    """However they were cut into messages, and whether the last one has its end."""
    run = begun(journal)
    for text in ("one\ntw", "o\nthree\nfo", f"ur{end}"):
        stream(journal, run, text)
    transcript = Transcript(tmp_path)
    assert transcript.tail(run, 2)[1] == f"three\nfour{end}"
    assert transcript.tail(run, 3)[1] == f"two\nthree\nfour{end}"
    assert transcript.tail(run, 99)[1] == f"one\ntwo\nthree\nfour{end}"
    assert transcript.tail(run, 0)[1] == ""
    stream(journal, run, "five\n")
    reached, _ = transcript.tail(run, 1)
    assert list(transcript.pieces(run, reached)) == []
    transcript.close()


def test_where_the_cap_was_reached_it_says_so(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, at its place."""
    monkeypatch.setattr("ropeway.workspace.journal.messages.RUN_BYTES", 1000)
    run = begun(journal)
    for _ in range(100):
        stream(journal, run, "x" * 100)
    transcript = Transcript(tmp_path)
    text = "".join(piece for _, piece in transcript.pieces(run))
    assert text.startswith("xxx")
    assert text.count("home keeps 2 GB of a run") == 1
    transcript.close()


def test_a_folder_without_a_workspace_has_none(tmp_path: Path) -> None:
    """And none is made."""
    with pytest.raises(NotFound):
        Transcript(tmp_path)
    assert not config.workspace_state_path(tmp_path).exists()


def test_the_output_of_an_unknown_run_is_not_found(work: Server) -> None:
    """404 with the error as JSON."""
    status, answer = work.api("/ropeway/api/runs/nobody/output")
    assert (status, answer["error"]["code"]) == (404, "not_found")


def test_the_output_is_text_and_nothing_else(work: Server) -> None:
    """A browser neither guesses another type nor runs what a cell printed; the whole of it comes,
    and a large one is for a file."""
    flood = "for n in range(200_000): print(n, 'x' * 80)"
    notebook = Notebook(work, "text.ipynb", ["print('<script>alert(1)</script>')", flood])

    async def talk() -> list[str]:
        async with notebook.page() as page:
            requests = []
            for index in (0, 1):
                requests.append(notebook.run(page, index))
                await asyncio.wait_for(page.collect(requests[-1], []), 60)
            return requests

    small, large = asyncio.run(talk())
    headers, body = _output(work, small)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["Content-Disposition"].startswith("inline")
    assert body == b"<script>alert(1)</script>\n"
    headers, body = _output(work, large)
    assert headers["Content-Disposition"].startswith("attachment")
    assert body.splitlines() == [b"%d " % n + b"x" * 80 for n in range(200_000)]
    assert len(body) > handlers.DRAWN_BYTES
    status, answer = work.api(f"/ropeway/api/runs?path=text.ipynb&cell={notebook.ids[1]}")
    assert (status, [run["request"] for run in answer["runs"]]) == (200, [large])


def _output(work: Server, request: str) -> tuple[dict[str, str], bytes]:
    asked = urllib.request.Request(
        f"{work.url}/ropeway/api/runs/{request}/output",
        headers={"Authorization": f"token {work.token}", "Accept-Encoding": "gzip"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return dict(answer.headers), answer.read()
