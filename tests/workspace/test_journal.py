"""The journal: what it keeps, in which order, for how long, and for whom."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropeway.workspace.journal import Journal, KernelRow, database, messages
from ropeway.workspace.journal.messages import SPILL_BYTES
from ropeway.workspace.journal.tending import prune


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal in a folder of its own."""
    made = Journal(tmp_path / "journal")
    yield made
    made.close()


def begin(journal: Journal, request: str, path: str = "a.ipynb", cell: str = "c1") -> int:
    """A run of kernel `k`."""
    run = journal.runs.begin("k", request, path, cell)
    assert run is not None
    return run


def test_messages_come_back_as_they_were_and_in_order(journal: Journal) -> None:
    """Small and large ones, of two runs that speak by turns."""
    one, two = begin(journal, "r1"), begin(journal, "r2", cell="c2")
    large = b"x" * (SPILL_BYTES + 1)
    for number in range(50):
        journal.messages.add(one, "stream", b"a%d" % number)
        journal.messages.add(two, "stream", large + b"%d" % number)
    assert [frame for _, _, frame in journal.messages.of(one)] == [b"a%d" % n for n in range(50)]
    assert [frame for _, _, frame in journal.messages.of(two)] == [
        large + b"%d" % n for n in range(50)
    ]
    numbers = [number for number, _, _ in journal.messages.of(one)]
    assert [frame for _, _, frame in journal.messages.of(one, numbers[47])] == [b"a48", b"a49"]


def test_nobody_else_can_read_it(journal: Journal, tmp_path: Path) -> None:
    """Every file of it belongs to its owner alone."""
    run = begin(journal, "r1")
    journal.messages.add(run, "stream", b"x" * (SPILL_BYTES + 1))
    files = list((tmp_path / "journal").iterdir())
    assert len(files) >= 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700


def test_a_request_is_one_run(journal: Journal) -> None:
    """The same request twice is no second run."""
    begin(journal, "r1")
    assert journal.runs.begin("k", "r1", "a.ipynb", "c1") is None


def test_a_notebook_lacks_the_last_run_of_each_cell(journal: Journal) -> None:
    """An older run of a cell is of no interest, settled or not; a settled last one is held."""
    begin(journal, "r1")
    last = begin(journal, "r2")
    other = begin(journal, "r3", cell="c2")
    begin(journal, "r4", path="b.ipynb")
    assert [run.request for run in journal.runs.unsettled("a.ipynb")] == ["r2", "r3"]
    journal.runs.settle(last)
    assert [run.request for run in journal.runs.unsettled("a.ipynb")] == ["r3"]
    journal.runs.settle(other)
    journal.runs.unsettle(last)
    assert [run.request for run in journal.runs.unsettled("a.ipynb")] == ["r2"]


def test_a_kernel_that_ends_ends_its_runs(journal: Journal) -> None:
    """What ran in it runs no more."""
    begin(journal, "r1")
    assert [run.request for run in journal.runs.running("k")] == ["r1"]
    assert journal.runs.kernels() == {"k"}
    journal.runs.end_all("k")
    assert journal.runs.running("k") == []
    run = journal.runs.find("r1")
    assert run is not None
    assert run.ended is not None


def test_renamed_notebooks_keep_their_runs(journal: Journal) -> None:
    """A notebook by its name, and all below a folder that is renamed; not those beside it."""
    for number, path in enumerate(("a.ipynb", "d/a.ipynb", "d/e/b.ipynb", "dd/a.ipynb")):
        begin(journal, f"r{number}", path=path)
    journal.runs.rename("a.ipynb", "z.ipynb")
    journal.runs.rename("d", "f")
    assert set(journal.runs.unsettled_paths()) == {
        "z.ipynb", "f/a.ipynb", "f/e/b.ipynb", "dd/a.ipynb"
    }  # fmt: skip


def test_kernels_are_found_again(tmp_path: Path) -> None:
    """By the next process: where they run, how far they are kept, and what they are; and by the one
    after that."""
    first = Journal(tmp_path / "journal")
    first.kernels.keep(KernelRow("k", "gpu.python3", "gpu", "remote", "link"))
    first.kernels.keep(KernelRow("other", "python3", "here", "r2", "l2"))
    first.kernels.received("k", 7)
    first.kernels.informed("k", {"implementation": "ipython"})
    first.kernels.forget("other")
    first.close()
    second = Journal(tmp_path / "journal")
    info = {"implementation": "ipython"}
    (found,) = second.kernels.all()
    assert found == KernelRow("k", "gpu.python3", "gpu", "remote", "link", 7, info)
    second.kernels.keep(KernelRow("k", "gpu.python3", "gpu", "remote", "link", 7))
    assert second.kernels.all() == [found]
    second.close()


def test_what_a_run_says_is_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound no text is kept, the caller hears so and a mark says so once; there is room
    for what tells how the run ended."""
    monkeypatch.setattr(messages, "RUN_BYTES", 1000)
    run = begin(journal, "r1")
    assert all(journal.messages.add(run, "stream", b"x" * 100) for _ in range(10))
    assert not journal.messages.is_full(run)
    assert not journal.messages.add(run, "stream", b"x")
    assert not journal.messages.add(run, "stream", b"x")
    assert journal.messages.is_full(run)
    assert journal.messages.add(run, "execute_reply", b"ok")
    kinds = [kind for _, kind, _ in journal.messages.of(run)]
    assert kinds == ["stream"] * 10 + ["full", "execute_reply"]


async def test_the_oldest_goes_first_and_what_no_file_holds_goes_last(
    journal: Journal, tmp_path: Path
) -> None:
    """By age only what is settled; by size what is settled first; what runs never."""
    for number in range(4):
        run = begin(journal, f"r{number}", cell=f"c{number}")
        journal.messages.add(run, "stream", b"x" * (SPILL_BYTES + 1))
        if number != 3:
            journal.runs.end(run, followed=True)
        if number in (1, 2):
            journal.runs.settle(run)
    await prune(journal, days=0.0, most_bytes=10**9)
    assert [journal.runs.find(f"r{n}") is not None for n in range(4)] == [True, False, False, True]
    await prune(journal, days=1.0, most_bytes=100_000)
    assert [journal.runs.find(f"r{n}") is not None for n in range(4)] == [False, False, False, True]
    assert len(list((tmp_path / "journal").glob("run-*.bin"))) == 1


WRITER = """
import sys
from pathlib import Path
from ropeway.workspace.journal import Journal
journal = Journal(Path(sys.argv[1]))
run = journal.runs.begin("k", "r1", "a.ipynb", "c1")
for number in range(10**9):
    journal.messages.add(run, "stream", b"%d" % number + b"x" * (0 if number % 5 else 70_000))
    print(number, flush=True)
    if number % 50 == 0:
        journal.checkpoint()
"""


@pytest.mark.parametrize("milliseconds", [50, 170, 330])
def test_what_was_told_survives_a_kill(tmp_path: Path, milliseconds: int) -> None:
    """Kill -9 at any moment: everything that `add` returned for is there, whole and in order."""
    folder = tmp_path / "journal"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read()
    last = int(told.split()[-1]) if told.endswith("\n") else int(told.split()[-2])
    journal = Journal(folder)
    run = journal.runs.find("r1")
    assert run is not None
    kept = [int(frame.rstrip(b"x")) for _, _, frame in journal.messages.of(run.id)]
    assert kept == list(range(len(kept)))
    assert len(kept) > last
    journal.messages.add(run.id, "stream", b"more")
    assert [frame for _, _, frame in journal.messages.of(run.id)][-1] == b"more"
    journal.close()


def test_the_log_does_not_grow_behind_a_kernel_that_never_pauses(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is written between two looks: it begins anew."""
    monkeypatch.setattr(database, "LOG_BYTES", 100_000)
    run = begin(journal, "r1")
    sizes = []
    for _ in range(5):
        for _ in range(200):
            journal.messages.add(run, "stream", b"x" * 1000)
        journal.checkpoint()
        sizes.append((tmp_path / "journal" / "journal.sqlite-wal").stat().st_size)
    assert max(sizes) <= 100_000
    assert len(list(journal.messages.of(run))) == 1000
