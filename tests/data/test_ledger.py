"""The ledger: what is acknowledged is there, and what was tampered with is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ropeway.data import ledger as book
from ropeway.data.ledger import Ledger, verify
from ropeway.errors import LedgerDamaged
from ropeway.wire import LedgerEntry


def entry(number: int = 0, state: str = "done") -> LedgerEntry:
    return LedgerEntry(
        "query", state, f"q{number}", datasets=("sales",), sql=f"select {number}", rows=number
    )


def written(folder: Path, count: int, **options: int) -> Path:
    ledger = Ledger(folder, **options)
    for number in range(count):
        ledger.append(entry(number))
    return folder


def lines(folder: Path) -> list[bytes]:
    return (folder / "000001.jsonl").read_bytes().splitlines(keepends=True)


def test_what_was_written_is_read_in_order(tmp_path: Path) -> None:
    """Every entry comes back whole, numbered from 1, each with the hash of the one before."""
    folder = written(tmp_path / "l", 5)
    records = list(book.read(folder))
    assert [each.entry for each in records] == [entry(number) for number in range(5)]
    assert [each.number for each in records] == [1, 2, 3, 4, 5]
    assert records[0].before == book.FIRST
    assert [each.before for each in records[1:]] == [each.hash for each in records[:-1]]
    verdict = verify(folder)
    assert (verdict.records, verdict.findings, verdict.hash) == (5, (), records[-1].hash)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Folder and files are their owner's alone."""
    folder = written(tmp_path / "l", 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("ledger") / "l", 10)


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_byte_that_was_changed_is_found(ten: Path, place: int, byte: int) -> None:
    """Whatever byte of whatever record is edited, the chain does not hold."""
    path = ten / "000001.jsonl"
    good = path.read_bytes()
    place %= len(good)
    if good[place] == byte:
        return
    try:
        path.write_bytes(good[:place] + bytes([byte]) + good[place + 1 :])
        assert verify(ten).findings
    finally:
        path.write_bytes(good)


TAMPERINGS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a record is removed": lambda found: found[:4] + found[5:],
    "the first is removed": lambda found: found[1:],
    "the last is removed": lambda found: found[:-1],
    "two are exchanged": lambda found: [*found[:3], found[4], found[3], *found[5:]],
    "one stands twice": lambda found: [*found[:5], *found[4:]],
    "all are removed": lambda found: [],
    "half of the last is removed": lambda found: [*found[:-1], found[-1][:40]],
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS)
def test_any_record_that_was_moved_or_removed_is_found(
    tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Records can be neither taken away nor put elsewhere."""
    folder = written(tmp_path / "l", 10)
    (folder / "000001.jsonl").write_bytes(b"".join(tamper(lines(folder))))
    assert verify(folder).findings


def test_a_ledger_written_anew_is_found_by_a_noted_hash(tmp_path: Path) -> None:
    """Against a whole new chain helps a hash that was kept elsewhere."""
    noted = verify(written(tmp_path / "old", 3)).hash
    anew = written(tmp_path / "new", 3)
    assert not verify(anew).findings
    assert verify(anew, noted).findings
    assert not verify(tmp_path / "old", noted).findings


def test_a_line_that_power_cut_off_is_mended(tmp_path: Path) -> None:
    """What was never acknowledged is dropped with a word, and the chain goes on."""
    folder = written(tmp_path / "l", 3)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b'{"number":4,"ti')
    assert not verify(folder).findings
    assert verify(folder).notes
    Ledger(folder).append(entry(9))
    assert [each.entry.what for each in book.read(folder)] == ["query"] * 3 + ["mended", "query"]
    assert not verify(folder).findings


def test_a_broken_end_is_not_continued(tmp_path: Path) -> None:
    """Behind a line that is no record nothing is written: nobody could tell what was there."""
    folder = written(tmp_path / "l", 3)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(LedgerDamaged, match="000001"):
        Ledger(folder).append(entry())


def test_files_follow_one_another(tmp_path: Path) -> None:
    """A full file is followed by one that begins with an anchor; older ones may go elsewhere."""
    folder = written(tmp_path / "l", 20, file_bytes=2000)
    files = sorted(folder.glob("*.jsonl"))
    assert len(files) > 2
    assert not verify(folder).findings
    assert [each.entry.rows for each in book.read(folder) if each.entry.what == "query"] == list(
        range(20)
    )
    files[0].rename(tmp_path / "elsewhere")
    verdict = verify(folder)
    assert not verdict.findings
    assert "kept elsewhere" in verdict.notes[0]
    files[1].unlink()
    files[2].rename(folder / "000002.jsonl")
    (tmp_path / "elsewhere").rename(folder / "000001.jsonl")
    assert verify(folder).findings


def test_a_file_that_was_begun_and_not_written_is_continued(tmp_path: Path) -> None:
    """Power may go between the making of a file and its anchor."""
    folder = written(tmp_path / "l", 3)
    (folder / "000002.jsonl").touch()
    Ledger(folder).append(entry(3))
    assert not verify(folder).findings
    assert len(list(book.read(folder))) == 4


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    """Whoever writes beside others, every record has its place."""
    folder = tmp_path / "l"
    code = (
        "from pathlib import Path; from ropeway.data.ledger import Ledger, LedgerEntry\n"
        f"ledger = Ledger(Path({str(folder)!r}))\n"
        "for number in range(30): ledger.append(LedgerEntry('query', 'done', rows=number))"
    )
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    ledger = Ledger(folder)
    threads = [
        threading.Thread(target=lambda: [ledger.append(entry(n)) for n in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0]
    assert verify(folder).records == 100
    assert not verify(folder).findings


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """However often the writer is killed, each record that it was told is kept is there."""
    folder = tmp_path / "l"
    code = (
        "import sys; from pathlib import Path\n"
        "from ropeway.data.ledger import Ledger, LedgerEntry\n"
        f"ledger = Ledger(Path({str(folder)!r}))\n"
        "while True: print(ledger.append(LedgerEntry('query', 'done')).hash, flush=True)"
    )
    told: set[str] = set()
    for turn in range(5):
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer.stdout:
            for _ in range(5 + 7 * turn):
                told.add(writer.stdout.readline().strip())
            os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    Ledger(folder).append(entry())
    assert not verify(folder).findings
    assert told <= {each.hash for each in book.read(folder)}


def test_a_full_disk_takes_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that fails raises, and the ledger is as before."""
    folder = written(tmp_path / "l", 2)
    ledger = Ledger(folder)
    ledger.append(entry(2))
    plain = Path.open

    def full(self: Path, *args: object, **options: object) -> object:
        if self.suffix == ".jsonl" and args[:1] == ("ab",):
            with plain(self, "ab") as file:
                file.write(b'{"half')
            raise OSError(28, "No space left on device")
        return plain(self, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space"):
        ledger.append(entry(3))
    monkeypatch.undo()
    assert len(lines(folder)) == 3
    ledger.append(entry(4))
    assert not verify(folder).findings


def test_a_crossing_is_told_once(tmp_path: Path) -> None:
    """Beginning and end of a query are one crossing; what never ended says so."""
    ledger = Ledger(tmp_path / "l")
    for number, state in [(1, "began"), (2, "began"), (1, "done"), (3, "refused")]:
        ledger.append(entry(number, state))
    found = [
        (each.entry.id, each.entry.state) for each in book.crossings(book.read(tmp_path / "l"))
    ]
    assert found == [("q1", "done"), ("q3", "refused"), ("q2", "unfinished")]


def test_the_lines_are_plain_json(tmp_path: Path) -> None:
    """Any tool can read them; what is empty is left out."""
    folder = written(tmp_path / "l", 1)
    body = json.loads(lines(folder)[0])
    assert body["what"] == "query"
    assert "cell" not in body
