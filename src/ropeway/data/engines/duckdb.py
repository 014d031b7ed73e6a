"""The engine for files: DuckDB with nothing in it but secure views of the datasets.

The instance reaches exactly the files behind the datasets, its settings are locked, and it loads
no extension. What a person reads of its errors is chosen here, because its own texts may quote
paths and values.
"""

from __future__ import annotations

import json
import logging
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data.engines.failure import explain
from ropeway.data.sources import Files, quoted, reader
from ropeway.errors import QueryFailed, RopewayError
from ropeway.wire import Column, Dataset

log = logging.getLogger(__name__)

BATCH_ROWS = 65_536
"""Rows of one batch: large enough to compress well, small enough to hold a few in memory."""

_SETTINGS = (
    "set python_enable_replacements=false",
    "set autoinstall_known_extensions=false",
    "set autoload_known_extensions=false",
    "set allow_community_extensions=false",
    "set allow_persistent_secrets=false",
    "set max_temp_directory_size='0GB'",
    "set preserve_insertion_order=true",
    "set enable_progress_bar=false",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one engine may use: `memory` in DuckDB's words, `lanes` queries at a time."""

    memory: str = "2GB"
    threads: int = 2
    lanes: int = 4


class Engine:
    """One locked instance over the given datasets.

    A dataset that cannot be opened is listed with its error and does not hinder the others.
    """

    def __init__(self, sources: Mapping[str, Files], limits: Limits) -> None:
        self._root = duckdb.connect(
            ":memory:", config={"memory_limit": limits.memory, "threads": limits.threads}
        )
        self.datasets = tuple(self._open(name, files) for name, files in sources.items())
        self._lanes: queue.SimpleQueue[duckdb.DuckDBPyConnection] = queue.SimpleQueue()
        for _ in range(limits.lanes):
            self._lanes.put(self._lane())
        self._lock(sources)

    def begin(self, sql: str, params: Mapping[str, Any]) -> Run:
        """A run of `sql`, not started."""
        return Run(self._lanes, sql, params)

    def _open(self, name: str, files: Files) -> Dataset:
        try:
            # The name was checked by the catalog, the paths are quoted.
            self._root.execute(f"create secure view {name} as select * from {reader(files)}")  # noqa: S608
            found = self._root.execute(
                "select column_name, data_type from duckdb_columns()"
                " where table_name = $1 order by column_index",
                [name],
            ).fetchall()
        except duckdb.Error as error:
            # The whole story is for home's own log; it may quote paths and lines.
            log.warning("the dataset %s cannot be opened: %s", name, error)
            return Dataset(name, error=f"its files cannot be read as one table ({files.kind})")
        return Dataset(name, tuple(Column(str(column), str(kind)) for column, kind in found))

    def _lane(self) -> duckdb.DuckDBPyConnection:
        """A connection that counts what it reads; counting cannot be switched on once locked."""
        lane = self._root.cursor()
        lane.execute("pragma enable_profiling='no_output'")
        return lane

    def _lock(self, sources: Mapping[str, Files]) -> None:
        paths = sorted({str(path) for files in sources.values() for path in files.paths})
        for setting in _SETTINGS:
            self._root.execute(setting)
        self._root.execute(f"set allowed_paths=[{', '.join(quoted(path) for path in paths)}]")
        self._root.execute("set enable_external_access=false")
        self._root.execute("set lock_configuration=true")


class Run:
    """One query in the engine. One thread at a time may call it, except for `interrupt`."""

    def __init__(
        self,
        lanes: queue.SimpleQueue[duckdb.DuckDBPyConnection],
        sql: str,
        params: Mapping[str, Any],
    ) -> None:
        self._lane: duckdb.DuckDBPyConnection | None = None
        self._lanes = lanes
        self._sql = sql
        self._params = params
        self._reader: pa.RecordBatchReader | None = None
        self.columns: tuple[Column, ...] = ()

    def start(self) -> pa.Schema:
        """Begin, in a free lane; returns when the first rows are ready. Raises `RopewayError`."""
        self._lane = lane = self._lanes.get()
        try:
            relation = lane.sql(self._sql, params=dict(self._params))
            self.columns = tuple(
                Column(str(name), str(kind))
                for name, kind in zip(relation.columns, relation.types, strict=True)
            )
            self._reader = relation.to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise explain(str(error)) from None
        return self._reader.schema

    def next_batch(self) -> pa.RecordBatch | None:
        """The next rows, or None after the last. Raises `RopewayError`.

        Joins the engine's small batches: grouped results come a few rows at a time.
        """
        assert self._reader is not None
        parts: list[pa.RecordBatch] = []
        try:
            while sum(part.num_rows for part in parts) < BATCH_ROWS // 2:
                parts.append(self._reader.read_next_batch())
        except StopIteration:
            pass
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise explain(str(error)) from None
        return pa.concat_batches(parts) if parts else None

    def bytes_scanned(self) -> int | None:
        """Bytes the engine read from files, known once the query ended well; None before.

        Of several CSV or JSON files the beginnings count twice: once to find their columns.
        """
        if self._lane is None:
            return None
        profile = json.loads(self._lane.get_profiling_information("json"))
        read = (profile.get("io") or {}).get("total_bytes_read")
        return int(read) if read is not None else None

    def interrupt(self) -> None:
        """Stop the query, from any thread; harmless where nothing runs."""
        lane = self._lane
        if lane is not None:
            lane.interrupt()

    def close(self) -> None:
        """Give the lane back; call it once nothing runs any more."""
        lane, self._lane = self._lane, None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if lane is not None:
            self._lanes.put(lane)


def failed(error: BaseException) -> RopewayError:
    """Any error as one that may leave home: our own as it is, others without their text."""
    if isinstance(error, RopewayError):
        return error
    return QueryFailed(f"The query failed at home ({type(error).__name__}).")
