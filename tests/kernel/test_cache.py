"""Queries that are asked again."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from ropeway import wire
from ropeway.kernel import cache

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = "r = rw.sql('select region, amount from sales where amount > $low', low={low})\n"


async def test_an_answer_that_is_unchanged_does_not_cross_again(by: Any) -> None:
    """The same query with the same parameters brings no bytes, the same rows and says so."""
    told = await by.run(
        ASK.format(low=3) + "a, sent = r.df(), r.summary.bytes_sent\n"
        + ASK.format(low=3) + "print(r.df().equals(a), sent > 0, r.summary.bytes_sent)\n"
        "print(repr(r).splitlines()[-1])\n"
        + ASK.format(low=4) + "print(r.summary.bytes_sent > 0, len(r) < len(a))"
    )  # fmt: skip
    same, footer, other = told.splitlines()
    assert same == "True True 0"
    assert footer.endswith(" rows · unchanged at home, nothing crossed")
    assert other == "True True"


async def test_asking_again_takes_no_new_connection(way: Any) -> None:
    """However often the direct road brings word that nothing changed, it stays open."""
    await way.offer()
    told = await way.run(
        "import http.client as h; made = []; connect = h.HTTPConnection.connect\n"
        "h.HTTPConnection.connect = lambda self: (made.append(self), connect(self))[1]\n"
        "for _ in range(4): r = rw.sql('select 1 again')\n"
        "h.HTTPConnection.connect = connect; print(len(made), r.summary.bytes_sent)"
    )
    assert told == "1 0\n"


async def test_a_result_that_streamed_is_kept_too(by: Any) -> None:
    """An answer that was taken bit by bit, or while it came, is kept as well."""
    told = await by.run(
        "import ropeway.kernel.data as d; d.SOON = 0\n"
        "q = 'select range i, hash(range) h from range(1500000)'\n"
        "n = sum(b.num_rows for b in rw.sql(q).batches()); r = rw.sql(q); d.SOON = 0.5\n"
        "print(n, r.summary.bytes_sent, r.arrow().num_rows)"
    )
    assert told == "1500000 0 1500000\n"


async def test_a_change_at_home_is_seen(by: Any, project: Path) -> None:
    """When a file behind the query changes, the answer crosses again and is the new one."""
    file = project / "small.csv"
    toml = project / "ropeway.toml"
    before = toml.read_text()
    file.write_text("a\n1\n")
    toml.write_text(before + '[datasets.small]\nsource = "small.csv"\n')
    try:
        ask = "r = rw.sql('select a from small'); print(list(r), r.summary.bytes_sent > 0)"
        assert await by.run(ask) == "[(1,)] True\n"
        assert await by.run(ask) == "[(1,)] False\n"
        file.write_text("a\n2\n")
        os.utime(file, ns=(1, 1))
        assert await by.run(ask) == "[(2,)] True\n"
    finally:
        toml.write_text(before)


@pytest.mark.parametrize("sql", ["select random() r", "select now()::varchar r"])
async def test_what_differs_each_time_is_asked_each_time(by: Any, sql: str) -> None:
    """An answer that may be another one the next time is not kept."""
    told = await by.run(f"print(list(rw.sql({sql!r}))[0] != list(rw.sql({sql!r}))[0])")
    assert told == "True\n"


async def test_files_without_a_name_hold_it(by: Any) -> None:
    """What is kept lies in temporary files that nobody else can open."""
    told = await by.run(
        "import os, ropeway.kernel.cache as c; c.clear()\n"
        "maps = lambda: {l for l in open('/proc/self/maps') if l.endswith('(deleted)\\n')}\n"
        "before = maps(); kept = rw.sql('select range i, hash(range) h from range(50000)')\n"
        "print(len(kept), len(c._kept), len(maps() - before))"
    )
    assert told == "50000 1 1\n"


def _put(key: str, size: int, etag: str = "etag") -> None:
    file = cache.File()
    file.write(b"x" * size)
    cache.put(key, etag, wire.Summary("1", "done"), file.mapped(size))


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that was not wanted for the longest time gives way, for its size or as one too
    many."""
    monkeypatch.setattr(cache, "MOST", 100)
    cache.clear()
    for key in ("a", "b", "c"):
        cache.find("a")
        _put(key, 40)
    assert {key for key in ("a", "b", "c") if cache.find(key)} == {"a", "c"}
    kept = cache.find("a")
    assert kept is not None
    assert bytes(kept.data) == b"x" * 40
    monkeypatch.setattr(cache, "MOST_ANSWERS", 2)
    _put("d", 1)
    assert {key for key in ("a", "c", "d") if cache.find(key)} == {"a", "d"}
    cache.clear()


async def test_a_file_takes_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be too much is not written, nor anything after it; what was written is there."""
    monkeypatch.setattr(cache, "MOST_OF_ONE", 60)
    file = cache.File()
    file.write(b"x" * 40)
    for more in (b"y" * 21, b"z"):
        with pytest.raises(OSError, match="too large"):
            file.write(more)
    assert bytes(file.mapped(file.size)) == b"x" * 40


async def test_where_nothing_can_be_mapped_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have mapped as many files as it may."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOMEM, "no more mappings")

    file = cache.File()
    file.write(b"abc")
    monkeypatch.setattr(cache, "MAPPED", 0)
    monkeypatch.setattr(mmap, "mmap", full)
    assert bytes(file.mapped(2)) == b"ab"


async def test_small_answers_take_no_descriptor() -> None:
    """A process may open a thousand files or so; what is small lies in memory."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    cache.clear()
    for number in range(50):
        _put(str(number), 1000)
    assert cache.find("49") is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    cache.clear()


async def test_without_a_name_nothing_is_kept() -> None:
    """An answer that home gives no name is not found again."""
    _put("a", 1, etag="")
    assert cache.find("a") is None
