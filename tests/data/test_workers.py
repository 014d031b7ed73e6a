"""The workers, as the service uses them: real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from ropeway.data import job
from ropeway.data.answer import Answer
from ropeway.data.feed import Feeds, schema_text
from ropeway.data.job import Job, Table
from ropeway.data.workers import Workers
from ropeway.errors import QueryFailed


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    made = Workers()
    made.start()
    yield made
    made.close()


def query(sql: str, *tables: Table, files: tuple[str, ...] = ()) -> Job:
    return Job("query", sql, tables=tables, files=files, allowed=1_000_000_000)


def rows(workers: Workers, task: Job, feeds: Feeds | None = None) -> list[dict[str, object]]:
    answer = Answer(workers, "k", task, feeds=feeds)
    try:
        found: list[dict[str, object]] = pa.ipc.open_stream(b"".join(answer)).read_all().to_pylist()
        return found
    finally:
        answer.close()


class Rows:
    """A feed of a table that is in memory, as a database's driver would give it."""

    bytes_read = 100

    def __init__(self, table: pa.Table, *, breaks: bool = False) -> None:
        self.cancelled = False
        self._breaks = breaks
        self.reader = pa.RecordBatchReader.from_batches(table.schema, self._batches(table))

    def _batches(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        yield from table.to_batches(100)
        if self._breaks:
            raise RuntimeError("the server at secret-host went away")

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        pass


TABLE = pa.table({"id": list(range(1000)), "name": [f"n{i}" for i in range(1000)]})


def wanted(open_one: list[Rows], *columns: str, breaks: bool = False) -> tuple[Table, Feeds]:
    def begin() -> Rows:
        open_one.append(Rows(TABLE.select(list(columns)), breaks=breaks))
        return open_one[-1]

    return Table("people", schema=schema_text(TABLE.schema)), Feeds([begin])


def test_a_database_is_read_anew_for_each_scan(workers: Workers) -> None:
    """A query that reads a table from a database twice gets all rows both times."""
    feeds_opened: list[Rows] = []
    table, feeds = wanted(feeds_opened, "id", "name")
    sql = "select count(*) n, max(b.name) m from people a join people b using (id)"
    assert rows(workers, query(sql, table), feeds) == [{"n": 1000, "m": "n999"}]
    assert len(feeds_opened) == 2


def test_columns_that_were_not_fetched_stand_empty(workers: Workers) -> None:
    """A feed brings only the columns that a query needs."""
    table, feeds = wanted([], "id")
    assert rows(workers, query("select sum(id) s from people", table), feeds) == [{"s": 499500}]


def test_a_scan_that_is_not_needed_any_more_is_stopped_at_the_database(workers: Workers) -> None:
    """A query with a limit cancels the rest of its scan."""
    feeds_opened: list[Rows] = []
    table, feeds = wanted(feeds_opened, "id", "name")
    assert rows(workers, query("select id from people limit 1", table), feeds)
    deadline = time.monotonic() + 10
    while not feeds_opened[0].cancelled and time.monotonic() < deadline:
        time.sleep(0.05)
    assert feeds_opened[0].cancelled


def test_a_database_that_breaks_off_fails_the_query(workers: Workers) -> None:
    """Rows that are missing are never taken for the end, and the driver's words stay at home."""
    table, feeds = wanted([], "id", "name", breaks=True)
    with pytest.raises(QueryFailed) as caught:
        rows(workers, query("select count(*) from people", table), feeds)
    assert "secret-host" not in str(caught.value.to_json())


def test_a_worker_reads_its_files_and_no_other(workers: Workers, tmp_path: Path) -> None:
    """A table over a file that the job does not name cannot be opened."""
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    own.write_text("a\n1\n")
    other.write_text("a\n2\n")
    read = "read_csv(['{}'])"
    mine = Table("t", read.format(own))
    assert rows(workers, query("from t", mine, files=(str(own),))) == [{"a": 1}]
    theirs = Table("t", read.format(other))
    with pytest.raises(QueryFailed, match="cannot be read"):
        rows(workers, query("from t", theirs, files=(str(own),)))


def has_ended(process: psutil.Process) -> bool:
    """Whether it ends within a few seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_worker_that_nobody_asks_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle worker ends after its time, though no other query comes."""
    monkeypatch.setattr("ropeway.data.workers.IDLE", 0.2)
    few = Workers()
    few.start()
    try:
        with few.lent("a") as worker:
            process = psutil.Process(worker._number)
        assert has_ended(process)
    finally:
        few.close()


def test_a_worker_is_kept_for_the_same_asker_only(workers: Workers) -> None:
    """The next job of the same key finds the worker; another key gets a fresh one."""
    first = workers.take("a")
    workers.keep("a", first)
    other = workers.take("b")
    assert other is not first
    assert workers.take("a") is first
    for each in (first, other):
        each.kill()
        each.close()


def test_a_worker_that_waits_gives_memory_back(workers: Workers) -> None:
    """Of what a large query took, a worker holds little once it has waited a while."""
    with workers.lent("large") as worker:
        task = query("select i, count(*) from range(3000000) r(i) group by i order by 2, 1 limit 9")
        worker.begin(task)
        process, most = psutil.Process(worker._number), 0
        while (frame := worker.frame(timeout=60)) is not None and frame.kind != job.END:
            assert frame.kind != job.FAILED, frame.told
            most = max(most, process.memory_info().rss)
        assert frame is not None
        held, end = most, time.monotonic() + 20
        while held > most / 2 and time.monotonic() < end:
            time.sleep(0.2)
            held = process.memory_info().rss
        assert held < most / 2


def test_a_killed_worker_ends_at_once(workers: Workers) -> None:
    """Nothing that a query does keeps its process alive."""
    worker = workers.take("x")
    worker.begin(query("select levenshtein(lpad('a', 3000000, 'a'), lpad('b', 3000000, 'b'))"))
    process = psutil.Process(worker._number)
    time.sleep(0.3)
    worker.kill()
    assert has_ended(process)
    assert worker.frame() is None
    worker.close()


def test_workers_end_with_the_service() -> None:
    """Closing ends every process, also one that is busy."""
    made = Workers()
    worker = made.take("x")
    worker.begin(query("select count(*) from range(99999999999)"))
    process = psutil.Process(worker._number)
    made.close()
    assert has_ended(process)
    worker.close()


def test_workers_outlive_the_thread_that_asked_first() -> None:
    """A query goes on when the thread of another query, the first of all, has ended."""
    made, ended = Workers(), threading.Event()

    def first() -> None:
        made.start()
        ended.wait(20)

    asking = threading.Thread(target=first)
    asking.start()
    worker = made.take("k")
    ended.set()
    asking.join()
    time.sleep(0.2)
    worker.begin(query("select 1 a"))
    assert worker.frame(20) is not None
    worker.close()
    made.close()


def test_workers_end_when_the_service_was_killed() -> None:
    """Nothing is left behind by a service that had no time to end them."""
    code = (
        "import time; from ropeway.data.job import Job; from ropeway.data.workers import Workers\n"
        "made = Workers(); worker = made.take('k')\n"
        "worker.begin(Job('query', 'select count(*) from range(99999999999)', allowed=1))\n"
        "print(made._nest._process.pid, worker._number, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        left = [psutil.Process(int(number)) for number in service.stdout.readline().split()]
        service.kill()
    assert all(has_ended(process) for process in left)


def test_the_nest_is_made_anew(workers: Workers) -> None:
    """Where the process that makes workers died, the next query starts another."""
    assert workers._nest._process is not None
    os.kill(workers._nest._process.pid, 9)
    time.sleep(0.2)
    assert rows(workers, query("select 1 a")) == [{"a": 1}]


def test_frames_arrive_as_they_were_sent() -> None:
    """A job goes over the line whole."""
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = query("select 'ä'", Table("t", "read_csv(['x'])", where="a = 'b'"), files=("x",))
        job.send(ours, job.JOB, sent)
        frame = job.receive(theirs)
        assert frame is not None
        assert job.job(frame) == sent
        ours.close()
        assert job.receive(theirs) is None
