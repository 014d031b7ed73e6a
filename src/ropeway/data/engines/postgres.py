"""PostgreSQL through ADBC: a table, a view or a query, as Arrow straight from `COPY`
(`ropeway[postgres]`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa  # type: ignore[import-untyped]

from ropeway.data import passwords
from ropeway.data.engines import types
from ropeway.data.engines.database import SECONDS, Carried, Feed
from ropeway.data.engines.served import ServedTable
from ropeway.data.problem import because, missing
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput, NotFound, QueryFailed, RopewayError, Unreachable
from ropeway.wire import Column

_BATCH_BYTES = 4 << 20
_CONNECT_SECONDS = 10

_NATIVE = {
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "bool": "BOOLEAN",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "bytea": "BLOB",
    "time": "TIME",
    "interval": "INTERVAL",
    "uuid": "UUID",
}
_FINITE = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
"""These know an infinity in PostgreSQL, which Arrow has none for: it becomes NULL."""

_LISTS = {"_int2", "_int4", "_int8", "_bool", "_float4", "_float8", "_text", "_varchar", "_uuid"}


class Table(ServedTable):
    """One table, view or query of the database at `url`, which holds no password."""

    kind = "postgresql"

    def stamp(self) -> str | None:
        """What transactions are done and under way: the same means that nothing was written.

        Only for tables. A view may look elsewhere, or at the clock.
        """
        if "query" in self._options:
            return None
        with self._connect() as session:
            found = session.rows(
                "select txid_current_snapshot()::text, pg_postmaster_start_time()::text,"  # noqa: S608
                f" oid::bigint from pg_class where oid = to_regclass({_text(self._relation())})"
                " and relkind in ('r', 'm') and not relrowsecurity",
            )
        return str(found[0]) if found else None

    def rows(self) -> tuple[int, bool] | None:
        """As the last ANALYZE counted."""
        if "query" in self._options:
            return None
        with self._connect() as session:
            found = session.rows(
                "select reltuples::bigint from pg_class"  # noqa: S608  # quoted
                f" where oid = to_regclass({_text(self._relation())}) and relkind in ('r', 'm')",
            )
        return (int(found[0][0]), False) if found and found[0][0] >= 0 else None

    def _start(self) -> Any:
        url = passwords.whole(self._url)
        if "connect_timeout" not in parse_qs(urlsplit(url).query):
            url += f"{'&' if urlsplit(url).query else '?'}connect_timeout={_CONNECT_SECONDS}"
        session = _Session(url)
        try:
            for setting in self._settings():
                session.execute(setting)
        except BaseException:
            session.close()
            raise
        return session

    def _settings(self) -> list[str]:
        """What a session begins with. The schema is fixed, so that no table of another's can
        take the place of the one that was meant."""
        schema = quoted_name(self._options.get("schema", "public"))
        seconds = int(self._options.get("timeout", SECONDS))
        told = [
            f"set search_path = {schema}, pg_temp",
            "set timezone = 'UTC'",
            f"set statement_timeout = {seconds * 1000}",
            f"set lock_timeout = {min(seconds, 10) * 1000}",
            "set default_transaction_read_only = on",
        ]
        if role := self._options.get("role"):
            told.append(f"set role {quoted_name(role)}")
        return told

    def _carried(self, session: Any) -> list[Carried]:
        found = session.columns(f"select * from {self._relation()}")  # noqa: S608
        wanted = self._options.get("columns", {})
        carried = []
        for field in found:
            if field.name in wanted:
                types.arrow_type(wanted[field.name])
                column = Column(field.name, wanted[field.name])
                carried.append(Carried(column, f"{quoted_name(field.name)}::text", pushes=False))
            else:
                carried.append(_carry(field.name, field.metadata or {}))
        return carried

    def _feed(self, session: Any, sql: str, columns: Sequence[Column]) -> Feed:
        return _Stream(session, sql, columns).feed()

    _name = staticmethod(quoted_name)

    @staticmethod
    def _literal(value: Any, kind: str) -> str:
        return _literal(value, kind)


class _Session:
    """A connection of the driver itself: what Python has above it would load pandas and Polars.

    Everything raises `RopewayError`.
    """

    def __init__(self, url: str) -> None:
        try:
            import adbc_driver_manager
            import adbc_driver_postgresql  # type: ignore[import-untyped]
        except ImportError:
            raise missing("PostgreSQL", "postgres") from None
        self._statement = adbc_driver_manager.AdbcStatement
        with _told(), ExitStack() as opened:
            database = opened.enter_context(adbc_driver_postgresql.connect(url))
            self._connection = opened.enter_context(adbc_driver_manager.AdbcConnection(database))
            self._open = opened.pop_all()

    def statement(self, sql: str) -> Any:
        """A statement of the driver, to be closed before the session."""
        statement = self._statement(self._connection)
        try:
            statement.set_sql_query(sql)
            statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
        except BaseException:
            statement.close()  # else the session could not be closed
            raise
        return statement

    def execute(self, sql: str) -> None:
        """Have it done."""
        with _told(), self.statement(sql) as statement:
            statement.execute_update()

    def columns(self, sql: str) -> pa.Schema:
        """Those of a query, with the names of their types in PostgreSQL."""
        with _told(), self.statement(sql) as statement:
            return pa.schema(statement.execute_schema())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All that a query gives."""
        with _told(), self.statement(sql) as statement:
            # Not `pa.table`, which asks pandas whether this is a frame of its own.
            found = pa.RecordBatchReader.from_stream(statement.execute_query()[0]).read_all()
            return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def close(self) -> None:
        """End it."""
        self._open.close()


class _Stream:
    """One query that is read batch by batch, and can be stopped from another thread."""

    def __init__(self, session: _Session, sql: str, columns: Sequence[Column]) -> None:
        self._session = session
        self._columns = columns
        self._schema = types.schema(columns)
        self._statement = session.statement(sql)
        self._cancelled = False
        self._reading = threading.Lock()
        self._open = True

    def feed(self) -> Feed:
        """The rows; the query begins when the first are read, so that `cancel` reaches it."""
        return Feed(self._schema, self._batches(), cancel=self.cancel, close=self.close)

    def cancel(self) -> None:
        """Tell the server to stop."""
        self._cancelled = True
        with suppress(Exception):
            self._statement.cancel()

    def close(self) -> None:
        """Stop what still runs, then let go."""
        while not self._reading.acquire(timeout=0.05):
            self.cancel()
        try:
            if self._open:
                self._open = False
                with suppress(Exception):
                    self._statement.cancel()
                with suppress(Exception):
                    self._statement.close()
                self._session.close()
        finally:
            self._reading.release()

    def _batches(self) -> Iterator[Any]:
        reader = self._read(self._begin)
        while (batch := self._read(lambda: next(reader, None))) is not None:
            if batch.num_rows:
                yield self._fitted(batch)

    def _begin(self) -> Any:
        return pa.RecordBatchReader.from_stream(self._statement.execute_query()[0])

    def _read(self, call: Callable[[], Any]) -> Any:
        with self._reading:
            if self._cancelled or not self._open:
                raise QueryFailed("The query was cancelled.")
            try:
                with _told():
                    return call()
            except RopewayError:
                if self._cancelled:
                    raise QueryFailed("The query was cancelled.") from None
                raise

    def _fitted(self, batch: Any) -> Any:
        arrays = [
            types.fit(column.name, array, column.type)
            for column, array in zip(self._columns, batch.columns, strict=True)
        ]
        return pa.record_batch(arrays, schema=self._schema)


def _carry(name: str, metadata: Mapping[bytes, bytes]) -> Carried:
    """How a column travels, by what PostgreSQL calls its type: what Arrow has no exact type for
    goes as text."""
    kind = metadata.get(b"POSTGRESQL:type", b"").decode()
    sql = quoted_name(name)
    if kind in _NATIVE:
        return Carried(Column(name, _NATIVE[kind]), sql)
    if kind in _FINITE:
        finite = f"case when isfinite({sql}) then {sql} end"
        return Carried(Column(name, _FINITE[kind]), finite, whole=False)
    if kind == "numeric":
        modifier = int(metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4
        word = types.decimal(modifier >> 16, modifier & 0x7FF) if modifier >= 0 else "DOUBLE"
        exact = word != "DOUBLE"
        return Carried(Column(name, word), sql if exact else f"{sql}::float8", pushes=exact)
    if kind in _LISTS:
        return Carried(Column(name, _NATIVE[kind[1:]] + "[]"), sql, pushes=False)
    if kind == "oid":
        return Carried(Column(name, "BIGINT"), f"{sql}::int8")
    if kind == "bpchar":
        # As PostgreSQL compares it, blanks at the end do not count; in DuckDB they do.
        return Carried(Column(name, "VARCHAR"), sql, pushes=False)
    return Carried(Column(name, "VARCHAR"), f"{sql}::text", pushes=False)


def _literal(value: Any, kind: str) -> str:
    """A value of a checked type as SQL. `COPY` takes no parameters, so texts go as hex: there is
    no quoting to get wrong."""
    if kind == "VARCHAR":
        return _text(value)
    if kind == "BOOLEAN":
        return str(value).lower()
    if kind == "DOUBLE":
        return f"'{float(value)!r}'::float8"
    if kind.startswith("DECIMAL"):
        return f"'{value:f}'::numeric" if not isinstance(value, int) else f"{value}::numeric"
    if kind == "DATE":
        return f"'{value.isoformat()}'::date"
    if kind.startswith("TIMESTAMP"):
        word = "timestamptz" if value.tzinfo else "timestamp"
        return f"'{value.isoformat()}'::{word}"
    return str(int(value))


def _text(value: str) -> str:
    return f"convert_from(decode('{value.encode().hex()}', 'hex'), 'UTF8')"


@contextmanager
def _told() -> Iterator[None]:
    """The driver's errors in our words."""
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, OSError, pa.ArrowException) as error:
        raise _explain(str(error), getattr(error, "sqlstate", None) or "") from None


def _explain(text: str, state: str) -> RopewayError:
    """By PostgreSQL's own code where there is one; a stream that breaks has only a text."""
    note = passwords.hidden(text)
    if state in ("42P01", "3F000"):
        return because(NotFound("Its table is not in the database."), note)
    if state == "42501" or "permission denied" in text:
        return because(QueryFailed("The database does not let home read the table."), note)
    if state in ("28P01", "28000") or "authentication failed" in text or "no password" in text:
        return because(
            QueryFailed(
                "The database does not let home in.",
                hint="Give the password anew: ropeway data password NAME.",
            ),
            note,
        )
    if "statement timeout" in text:
        return because(
            QueryFailed(
                "The database took too long for the query.",
                hint="Raise the option timeout, or ask for less.",
            ),
            note,
        )
    if state == "57014" or "canceling statement" in text:
        return because(QueryFailed("The query was cancelled."), note)
    if "database" in text and "does not exist" in text:
        return because(NotFound("The database is not there."), note)
    if "Failed to connect" in text or "could not connect" in text:
        return because(Unreachable("The database does not answer."), note)
    if state.startswith("42"):
        return because(BadInput("The query of the dataset does not fit the database."), note)
    return because(QueryFailed("The database could not answer."), note)
