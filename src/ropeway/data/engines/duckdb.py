"""The engine: DuckDB with nothing in it but secure views of the datasets of one query.

The instance reaches exactly the files behind them, its settings are locked, and it loads no
extension. It runs in a worker; see `ropeway.data.worker`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data.engines.failure import explain
from ropeway.data.job import Table
from ropeway.errors import RopewayError
from ropeway.wire import Column

BATCH_ROWS = 16_384
"""Rows that the engine gathers before it hands them out: the first are wanted soon."""

LEAST_ROWS = BATCH_ROWS // 2
"""Rows of one batch: large enough to compress well, small enough that the line is never without
bytes while the next ones are made. Eight times as many took 3 % more bytes for sales of 20 columns,
and 5 % less for columns of a few random texts."""

_SETTINGS = (
    "set python_enable_replacements=false",
    "set autoinstall_known_extensions=false",
    "set autoload_known_extensions=false",
    "set allow_community_extensions=false",
    "set allow_persistent_secrets=false",
    "set max_temp_directory_size='0GB'",
    "set preserve_insertion_order=true",
    "set enable_progress_bar=false",
    "set allocator_background_threads=true",  # a worker that waits gives memory back
)

_AHEAD, _AHEAD_OF_FEED = "32MB", "4MB"
"""How far it goes on while rows are packed and sent; with less it mostly waits. The first rows
leave when so much is there, and from a database that takes a while."""

Feed = Callable[[int], Any]
"""The rows of the table with that number, as an object that DuckDB scans by Arrow's C stream."""


class Engine:
    """One instance over the given tables, locked. Raises `Unreadable` for the first that is bad."""

    def __init__(
        self,
        tables: Sequence[Table],
        files: Sequence[str],
        *,
        memory: str,
        threads: int,
        feed: Feed | None = None,
    ) -> None:
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": memory, "threads": threads}
        )
        # Counting what is read cannot be switched on once the settings are locked.
        self._connection.execute("pragma enable_profiling='no_output'")
        for number, table in enumerate(tables):
            self._open(table, feed(number) if table.schema and feed else None)
        ahead = _AHEAD_OF_FEED if any(table.schema for table in tables) else _AHEAD
        self._connection.execute(f"set streaming_buffer_size='{ahead}'")
        self._lock(files)

    def run(self, sql: str, params: Mapping[str, Any]) -> Run:
        """A run of `sql`, which has begun: its first rows are ready. Raises `RopewayError`."""
        return Run(self._connection, sql, params)

    def columns(self, table: str) -> tuple[Column, ...]:
        """The columns of a table."""
        found = self._connection.execute(
            "select column_name, data_type from duckdb_columns()"
            " where table_name = $1 order by column_index",
            [table],
        ).fetchall()
        return tuple(Column(str(name), str(kind)) for name, kind in found)

    def sniffed(self, table: Table) -> dict[str, Any] | None:
        """What the query `sniff` of a table says; None where it cannot."""
        try:
            found = self._connection.execute(table.sniff)
            names = [each[0] for each in found.description or ()]
            row = found.fetchone()
        except duckdb.Error:
            return None
        return dict(zip(names, row, strict=True)) if row else None

    def bytes_scanned(self) -> int | None:
        """Bytes that the last run read from files, once it ended well.

        Of several CSV or JSON files the beginnings count twice: once to find their columns.
        """
        profile = json.loads(self._connection.get_profiling_information("json"))
        read = (profile.get("io") or {}).get("total_bytes_read")
        return int(read) if read is not None else None

    def _open(self, table: Table, feed: Any) -> None:
        relation = table.relation
        try:
            if feed is not None:
                relation = f"_feed_{table.name}"
                self._connection.register(relation, feed)
            where = f" where {table.where}" if table.where else ""
            # Names and select lists come from catalog and policy, which checked and quoted them.
            secure = f"_texts_{table.name}" if table.typed else table.name
            self._connection.execute(
                f"create secure view {secure} as select {table.select} from {relation}{where}"  # noqa: S608
            )
            if table.typed:  # a view of its own: in the secure one all rows would be converted
                self._connection.execute(
                    f"create view {table.name} as select {table.typed} from {secure}"  # noqa: S608
                )
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            # Behind LINE the engine quotes the view, and with it the key of hashes.
            raise Unreadable(table.name, str(error).partition("\n\nLINE ")[0]) from None

    def _lock(self, files: Sequence[str]) -> None:
        for setting in _SETTINGS:
            self._connection.execute(setting)
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in sorted(set(files)))
        self._connection.execute(f"set allowed_paths=[{listed}]")
        self._connection.execute("set enable_external_access=false")
        self._connection.execute("set lock_configuration=true")


class Unreadable(Exception):
    """A table cannot be opened; `why` is for home's own log, as it may quote paths and lines."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"the dataset {table} cannot be opened: {why}")
        self.table = table
        self.why = why


class Run:
    """One query in the engine, begun."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any]
    ) -> None:
        with _our_words():
            relation = connection.sql(sql, params=dict(params))
            self.columns = tuple(
                Column(str(name), str(kind))
                for name, kind in zip(relation.columns, relation.types, strict=True)
            )
            self._reader = relation.to_arrow_reader(BATCH_ROWS)
        self.schema: pa.Schema = self._reader.schema

    def next_batch(self) -> pa.RecordBatch | None:
        """The next rows, `LEAST_ROWS` or more but for the end; None after the last.

        Raises `RopewayError`. Joins the engine's: grouped results come a few rows at a time.
        """
        parts: list[pa.RecordBatch] = []
        with _our_words():
            while sum(part.num_rows for part in parts) < LEAST_ROWS:
                try:
                    parts.append(self._reader.read_next_batch())
                except StopIteration:
                    break
        # One alone would be copied.
        return pa.concat_batches(parts) if len(parts) > 1 else next(iter(parts), None)

    def close(self) -> None:
        """Let go of what was not read."""
        self._reader.close()


class _our_words:  # reads as what it does
    """The engine's errors leave the block in our own words."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        if isinstance(error, RopewayError):
            return
        if isinstance(error, MemoryError):
            raise explain("Out of Memory Error: ") from None
        if isinstance(error, (duckdb.Error, OSError, pa.ArrowException)):
            raise explain(str(error)) from None
