"""Tables that kernels put: how they come home, and what may go wrong on the way."""

from __future__ import annotations

import asyncio
import io
import os
import struct
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ropeway.data import catalog, intake, shelf
from ropeway.data.put import Intake
from ropeway.data.query import Home
from ropeway.errors import BadInput, NameTaken, NotSaved, RopewayError
from ropeway.wire import Put, Query


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    write = pa.ipc.IpcWriteOptions(compression="zstd", **options)
    with pa.ipc.new_stream(sink, table.schema, options=write) as writer:
        writer.write_table(table)
    return sink.getvalue()


async def pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("region,amount\nn,1\ns,2\n")
    (tmp_path / "ropeway.toml").write_text('[datasets.sales]\nsource = "sales.csv"\n')
    return tmp_path


SCORES = pa.table({"id": [1, 2, 3], "score": [0.5, None, 1.5], "name": ["a", "b", "b"]})


def ask(project: Path, sql: str) -> list[dict[str, Any]]:
    with Home(project) as home, closing(home.prepare(Query(sql))) as answer:
        return list(pa.ipc.open_stream(b"".join(answer)).read_all().to_pylist())


async def put(project: Path, name: str, table: pa.Table = SCORES, **more: Any) -> Any:
    taken = Intake(project)
    asked = Put(name, **more)
    taken.check(asked)
    return await taken.take(asked, pieces(stream(table)))


async def test_a_table_comes_home_and_can_be_asked_for(project: Path) -> None:
    """What was put is a dataset from the next query on, and its receipt says what is kept."""
    receipt = await put(project, "scores")
    assert (receipt.name, receipt.version, receipt.rows) == ("scores", 1, 3)
    file = project / ".ropeway/put/scores/1.parquet"
    assert file.stat().st_size == receipt.bytes
    assert ask(project, "select sum(score) s, count(*) n from scores") == [{"s": 2.0, "n": 3}]
    with Home(project) as home:
        listed = {each.name for each in home.datasets()}
    assert listed == {"sales", "scores"}


def test_versions_are_kept_and_the_last_one_counts(project: Path) -> None:
    """Each put makes a version; the older ones stay, up to a number."""
    kept = catalog.shelf(project)
    for number in range(1, shelf.KEPT + 3):
        with kept.place("scores") as fresh:
            pq.write_table(pa.table({"v": [number]}), fresh)
            assert kept.publish("scores", fresh).number == number
    assert ask(project, "select v from scores") == [{"v": shelf.KEPT + 2}]
    assert [each.number for each in kept.versions("scores")] == list(range(3, shelf.KEPT + 3))


async def test_if_exists_error_refuses_the_second(project: Path) -> None:
    """`if_exists="error"` keeps the first table and says that there is one."""
    await put(project, "scores", if_exists="error")
    with pytest.raises(NameTaken, match="version 1 of it was put before"):
        await put(project, "scores", if_exists="error")
    assert len(catalog.shelf(project).versions("scores")) == 1


async def test_two_that_come_together_cannot_both_be_first(project: Path) -> None:
    """Of two tables with `if_exists="error"` one is kept and the other is refused."""
    both = await asyncio.gather(
        *(put(project, "scores", if_exists="error") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in both) == ["NameTaken", "Receipt"]


async def test_a_source_is_never_replaced(project: Path) -> None:
    """The name of a dataset that was added cannot be put under, and its file stays as it is."""
    with pytest.raises(NameTaken, match="stays as it is"):
        await put(project, "sales")
    assert ask(project, "select count(*) n from sales") == [{"n": 2}]


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "", "select", ".hidden", "a\0b", "x" * 64])
async def test_names_are_checked(project: Path, name: str) -> None:
    """A name that could be a path or no table is refused before a byte is taken."""
    with pytest.raises(BadInput):
        await put(project, name)
    assert not (project / ".ropeway").exists()


async def test_what_was_put_joins_no_folder_or_glob(project: Path) -> None:
    """A dataset that is the whole project's folder, or a glob over it, takes no put in."""
    pq.write_table(pa.table({"v": [1]}), project / "own.parquet")
    (project / "ropeway.toml").write_text('[datasets.everything]\nsource = "**/*.parquet"\n')
    await put(project, "scores", pa.table({"v": [666]}))
    assert ask(project, "select v from scores") == [{"v": 666}]
    assert ask(project, "select v from everything") == [{"v": 1}]


async def test_a_cut_leaves_nothing(project: Path) -> None:
    """A stream that breaks off, wherever, leaves no version and no file."""
    data = stream(SCORES)

    async def cut(size: int) -> AsyncIterator[bytes]:
        yield data[:size]
        raise BadInput("The request ended before its body.")

    for size in (0, 7, len(data) // 2, len(data) - 1, len(data)):
        with pytest.raises(BadInput, match="ended before"):
            await Intake(project).take(Put("scores"), cut(size))
    folder = project / ".ropeway/put/scores"
    assert list(folder.iterdir()) == []
    assert "scores" not in catalog.load(project).entries


async def test_a_kill_leaves_nothing_that_counts(project: Path) -> None:
    """What a killed process left is no version, and goes with the next put."""
    await put(project, "scores")
    left = project / ".ropeway/put/scores/.dead.incoming"
    left.write_bytes(b"half")
    await put(project, "scores")
    assert not left.exists()
    assert ask(project, "select count(*) n from scores") == [{"n": 3}]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * 100,
        os.urandom(5000),
        stream(SCORES)[:-200],
        stream(SCORES)[:40] + b"\x00" * 400,
    ],
)
async def test_what_is_no_table_is_refused(project: Path, data: bytes) -> None:
    """Bytes that are no Arrow stream are refused in words, and nothing is kept."""
    with pytest.raises(RopewayError) as raised:
        await Intake(project).take(Put("scores"), pieces(data))
    assert raised.value.code in ("bad_input", "not_saved")
    assert catalog.shelf(project).versions("scores") == []


async def test_a_corrupt_batch_is_refused(project: Path) -> None:
    """A batch whose offsets point outside of it is found before anything is written of it."""
    offsets = pa.py_buffer(struct.pack("<iii", 0, 1_000_000, 3))
    wrong = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"abc")])
    sink = io.BytesIO()
    schema = pa.schema([("s", pa.string())])
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([wrong], schema=schema))
    with pytest.raises(RopewayError):
        await Intake(project).take(Put("scores"), pieces(sink.getvalue()))
    assert catalog.shelf(project).versions("scores") == []


async def test_a_batch_that_unpacks_to_more_than_memory_is_refused(project: Path) -> None:
    """A small stream that unpacks to gigabytes ends its own process and nothing else."""
    zeros = pa.Array.from_buffers(pa.int64(), 6_000_000, [None, pa.py_buffer(bytes(48_000_000))])
    bomb = stream(pa.table({f"x{number}": zeros for number in range(45)}))
    assert len(bomb) < 1_000_000
    with pytest.raises(RopewayError, match="smaller batches"):
        await Intake(project).take(Put("scores"), pieces(bomb))
    assert (await put(project, "scores")).rows == 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"a": [1], "A": [2]}), "two columns named 'a'"),
        (pa.table({"": [1]}), "no name"),
        (pa.table({}), "0 columns"),
        (pa.table({"a": pa.array([{}], pa.struct([]))}), "cannot be kept"),
    ],
)
async def test_tables_that_no_query_could_read(project: Path, table: pa.Table, words: str) -> None:
    """Columns that SQL cannot tell apart, or Parquet cannot hold, are refused in words."""
    with pytest.raises(BadInput, match=words):
        await put(project, "scores", table)


async def test_types_come_home_as_they_are(project: Path) -> None:
    """Dictionaries become texts; times, decimals, lists and structs stay what they are."""
    table = pa.table(
        {
            "d": pa.array(["x", "y", "x"]).dictionary_encode(),
            "t": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "m": pa.array([1, 2, 3], pa.decimal128(9, 2)),
            "l": [[1], [], None],
            "s": [{"a": 1}, None, {"a": 2}],
        }
    )
    await put(project, "scores", table)
    found = ask(project, "select d, l, s, typeof(t) t, typeof(m) m from scores")
    assert found[0] == {
        "d": "x", "l": [1], "s": {"a": 1},
        "t": "TIMESTAMP WITH TIME ZONE", "m": "DECIMAL(9,2)",
    }  # fmt: skip


async def test_an_empty_table_is_a_dataset(project: Path) -> None:
    """A table without rows keeps its columns."""
    assert (await put(project, "scores", SCORES.slice(0, 0))).rows == 0
    assert ask(project, "select count(*) n from scores where score > 1") == [{"n": 0}]


def test_a_large_stream_needs_little_memory(project: Path) -> None:
    """Rows are written as they come, in row groups."""
    table = pa.table({"i": pa.array(range(400_000), pa.int64())})
    sink = io.BytesIO(
        stream(pa.concat_tables([table.slice(i * 10_000, 10_000) for i in range(40)]))
    )
    assert intake.write(sink, project / "x.parquet", 10**9) == 400_000
    assert pq.ParquetFile(project / "x.parquet").num_row_groups >= 3


def test_a_file_has_its_bound(project: Path) -> None:
    """A table larger than what may be put is refused while it comes."""
    table = pa.table({"b": [os.urandom(1000) for _ in range(2000)]})
    with pytest.raises(NotSaved, match="the most that may be put"):
        intake.write(io.BytesIO(stream(table)), project / "x.parquet", 1_000_000)


def test_a_full_disk_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home's disk is never filled to its end."""
    monkeypatch.setattr(intake, "FREE", 1 << 60)
    with pytest.raises(NotSaved, match="disk is full"):
        intake.write(io.BytesIO(stream(SCORES)), project / "x.parquet", 10**9)
