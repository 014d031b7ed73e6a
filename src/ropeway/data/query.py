"""The only road to an engine: catalog, then policy, then the run."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.data import catalog, params, policy
from ropeway.data.engines.duckdb import Engine, Limits, Run, failed
from ropeway.data.sources import Files
from ropeway.data.stream import Encoder
from ropeway.errors import QueryFailed, RopewayError
from ropeway.wire import Dataset, Query, Summary

LANES = 4
"""Queries that run at a time; more wait."""


class Home:
    """The datasets of the project in the folder `root`, and queries over them.

    Looks at `ropeway.toml` and at the files before every query: what was added, changed or
    removed counts from the next query on.
    """

    def __init__(self, root: Path, *, lanes: int = LANES) -> None:
        self._root = root
        self._lanes = lanes
        self._turn = threading.Lock()
        self._state: Any = None
        self._engine: Engine | None = None
        self._files: dict[str, Files] = {}
        self._broken: tuple[Dataset, ...] = ()

    def datasets(self) -> tuple[Dataset, ...]:
        """What was added, by name, each with its columns or with what is wrong with it."""
        engine = self._current()
        return tuple(sorted((*engine.datasets, *self._broken), key=lambda each: each.name))

    def prepare(self, query: Query) -> Answer:
        """An answer, not begun. Raises `RopewayError` when the query may not run."""
        engine = self._current()
        known = {each.name: each for each in (*engine.datasets, *self._broken)}
        checked = policy.check(query.sql, known)
        for name in checked.tables:
            if known[name].error:
                raise QueryFailed(
                    f"The dataset {name} cannot be read: {known[name].error}.",
                    hint="Look at it at home: ropeway data show " + name,
                )
        values = params.decode(query.params, checked.params)
        sizes = sum(self._files[name].size for name in checked.tables)
        return Answer(engine.begin(query.sql, values), sizes)

    def _current(self) -> Engine:
        """The engine over what is there now, built anew when anything changed."""
        with self._turn:
            settings = config.load(self._root)
            limits = Limits(settings["data.memory"], settings["data.threads"], self._lanes)
            entries = catalog.load(self._root).entries
            files: dict[str, Files] = {}
            broken: list[Dataset] = []
            for name, entry in entries.items():
                try:
                    files[name] = entry.files()
                except RopewayError as error:
                    broken.append(Dataset(name, error=_without_place(error)))
            state = (limits, {name: each.stamps() for name, each in files.items()}, broken)
            if self._engine is None or state != self._state:
                self._engine = Engine(files, limits)
                self._state, self._files, self._broken = state, files, tuple(broken)
            return self._engine


class Answer:
    """One query on its way: an iterator of the bytes of an Arrow IPC stream, and its summary.

    One thread at a time calls `__next__`; `cancel` and `summary` may come from any.
    """

    def __init__(self, run: Run, sizes: int) -> None:
        self.id = uuid.uuid4().hex
        self._run = run
        self._sizes = sizes
        self._began = time.monotonic()
        self._cancelled = False
        self._why = ""
        self._summary = Summary(self.id, "running")
        self._encoder: Encoder | None = None
        self._chunks = self._produce()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def cancel(self, why: str = "The query was cancelled.") -> None:
        """Stop at the engine. Call it again while the query still runs: one that has not
        reached the engine yet would miss it."""
        if not self._cancelled:
            self._why = why
        self._cancelled = True
        self._run.interrupt()

    def close(self) -> None:
        """Let go of the engine; a query that did not end counts as cancelled."""
        self._chunks.close()
        if self._summary.state == "running":
            self._cancelled = True
            self._finish("cancelled")
        self._run.close()

    def summary(self) -> Summary:
        """What became of it so far."""
        return self._summary if self._summary.state != "running" else self._sum("running")

    def _produce(self) -> Generator[bytes, None, None]:
        try:
            self._stop_if_cancelled()
            schema = self._run.start()
            batch = self._run.next_batch()
            self._encoder = Encoder(schema, batch)
            while batch is not None:
                yield self._encoder.add(batch)
                self._stop_if_cancelled()
                batch = self._run.next_batch()
            last = self._encoder.end()
        except GeneratorExit:
            raise
        except Exception as error:  # noqa: BLE001  # any error must become an answer
            raise self._failed(error) from None
        self._finish("done")
        yield last

    def _failed(self, error: Exception) -> RopewayError:
        """The error to raise. Not a variable where it is raised: the cycle through its traceback
        would keep the engine until the end of the process."""
        told = QueryFailed(self._why) if self._cancelled else failed(error)
        self._finish("cancelled" if self._cancelled else "failed", told)
        return told

    def _stop_if_cancelled(self) -> None:
        if self._cancelled:
            raise QueryFailed(self._why)

    def _finish(self, state: str, error: RopewayError | None = None) -> None:
        self._summary = self._sum(state, error)
        self._run.close()

    def _sum(self, state: str, error: RopewayError | None = None) -> Summary:
        encoder = self._encoder
        scanned = self._run.bytes_scanned() if state == "done" else None
        if scanned is None:
            scanned = self._sizes if state == "done" else 0
        return Summary(
            self.id,
            state,
            rows=encoder.rows if encoder else 0,
            bytes_scanned=scanned,
            bytes_sent=encoder.bytes if encoder else 0,
            seconds=round(time.monotonic() - self._began, 6),
            error=error.to_json() if error else None,
            columns=self._run.columns,
            preview=encoder.preview if encoder else (),
        )


def _without_place(error: RopewayError) -> str:
    """Why a dataset's files cannot be found, in words that carry no path."""
    words = {"not_found": "its files are not there any more"}
    return words.get(error.code, "its source in ropeway.toml does not fit its files")
