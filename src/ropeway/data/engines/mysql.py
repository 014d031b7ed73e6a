"""MySQL and MariaDB through asyncmy: a table, a view or a query (`ropeway[mysql]`).

asyncmy gives rows as they are taken, with nothing lost. connectorx gives Arrow, and faster, but it
reads ahead of whoever takes the rows without a bound, cannot be stopped, and fails on wide decimals
and negative times.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from ropeway.data import passwords
from ropeway.data.engines import types, values
from ropeway.data.engines.database import BATCH_ROWS, SECONDS, Carried, Feed
from ropeway.data.engines.served import ServedTable
from ropeway.data.problem import because, missing
from ropeway.errors import BadInput, NotFound, QueryFailed, RopewayError, Unreachable
from ropeway.wire import Column

T = TypeVar("T")

_CONNECT_SECONDS = 10

_INTEGERS = {1: "TINYINT", 2: "SMALLINT", 3: "INTEGER", 8: "BIGINT", 9: "INTEGER"}
_DECIMALS = (0, 246)
_FLOAT, _DOUBLE, _TIMESTAMP, _DATE, _DATETIME, _YEAR, _BIT = 4, 5, 7, 10, 12, 13, 16
_BLOBS = (249, 250, 251, 252, 253, 254, 255)
_TEXTS = (15, 247, 248, *range(249, 255))
_UNSIGNED = 32
_BINARY = 63
"""Codes of the protocol: types, a flag, a character set."""


class Table(ServedTable):
    """One table, view or query of the database at `url`, which holds no password."""

    kind = "mysql"
    no_columns = "null"

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        super().__init__(url, options)
        if strange := {"role", "schema"} & set(options):
            raise BadInput(f"The option {min(strange)} is for PostgreSQL.")

    def stamp(self) -> None:
        """Nothing: what these databases say of the last change is late, or is lost at a restart."""

    def rows(self) -> tuple[int, bool] | None:
        """As the storage engine guesses."""
        if "query" in self._options:
            return None
        with self._connect() as session:
            found = session.rows(
                "select table_rows from information_schema.tables"  # noqa: S608  # hex
                f" where table_schema = database() and table_name = {_text(self._options['table'])}"
            )
        return (int(found[0][0]), False) if found and found[0][0] is not None else None

    def _start(self) -> _Session:
        return _Session(_address(self._url), int(self._options.get("timeout", SECONDS)))

    def _carried(self, session: _Session) -> list[Carried]:
        wanted = self._options.get("columns", {})
        carried = []
        for field in session.fields(f"select * from {self._relation()} limit 0"):  # noqa: S608
            name = str(field.name)
            if name in wanted:
                types.arrow_type(wanted[name])
                column = Column(name, wanted[name])
                carried.append(Carried(column, f"cast({_name(name)} as char)", pushes=False))
            else:
                carried.append(_carry(name, field))
        return carried

    def _feed(self, session: _Session, sql: str, columns: Sequence[Column]) -> Feed:
        return _Stream(session, self._start, sql, columns).feed()

    @staticmethod
    def _name(name: str) -> str:
        return _name(name)

    @staticmethod
    def _literal(value: Any, kind: str) -> str:
        return _literal(value, kind)


class _Session:
    """One connection with an event loop of its own: callers are threads."""

    def __init__(self, address: Mapping[str, Any], seconds: int) -> None:
        try:
            import asyncmy
        except ImportError:
            raise missing("MySQL and MariaDB", "mysql") from None
        self._runner = asyncio.Runner()
        self._connection: Any = None
        try:
            self._connection = self._run(lambda: asyncmy.connect(**address))
            maria = "MariaDB" in self._connection.get_server_info()
            for setting in (
                "set session transaction read only",
                "set session time_zone = '+00:00'",
                f"set session max_statement_time = {seconds}"
                if maria
                else f"set session max_execution_time = {seconds * 1000}",
            ):
                self.rows(setting)
        except BaseException:
            self.close()
            raise

    @property
    def number(self) -> int:
        """What the server calls this connection."""
        return int(self._connection.thread_id())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small query."""

        async def ask() -> list[tuple[Any, ...]]:
            async with self._connection.cursor() as cursor:
                await cursor.execute(sql)
                return list(await cursor.fetchall())

        return self._run(ask)

    def fields(self, sql: str) -> list[Any]:
        """How the server describes the columns of a query."""

        async def ask() -> list[Any]:
            async with self._connection.cursor() as cursor:
                await cursor.execute(sql)
                return list(cursor._result.fields)

        return self._run(ask)

    def stream(self, sql: str) -> Iterator[Sequence[Any]]:
        """Rows by the batch, as they are taken."""
        from asyncmy.cursors import SSCursor

        cursor = self._connection.cursor(SSCursor)
        self._run(lambda: cursor.execute(sql))
        while found := self._run(lambda: self._fetched(cursor)):
            yield found

    async def _fetched(self, cursor: Any) -> Sequence[Any]:
        """The next rows. The driver takes whatever arrives while its loop runs, and keeps it; so
        nothing may arrive but what these rows wait for."""
        transport = self._connection._transport
        transport.pause_reading()
        asked = asyncio.ensure_future(cursor.fetchmany(BATCH_ROWS))
        await asyncio.sleep(0)  # as far as what is here already goes
        if not asked.done():
            transport.resume_reading()
            await asyncio.wait({asked})
            transport.pause_reading()
        found: Sequence[Any] = asked.result()
        return found

    def close(self) -> None:
        """Let go at once, whatever is under way."""
        if self._connection is not None:
            self._connection.close()
        self._runner.close()

    def _run(self, ask: Callable[[], Awaitable[T]]) -> T:
        from asyncmy.errors import Error

        async def asked() -> T:
            return await ask()

        try:
            return self._runner.run(asked())
        except (Error, OSError, EOFError, ValueError) as error:
            raise _explain(error) from None


class _Stream:
    """One query that is read batch by batch, and can be stopped from another thread."""

    def __init__(
        self,
        session: _Session,
        another: Callable[[], _Session],
        sql: str,
        columns: Sequence[Column],
    ) -> None:
        self._session = session
        self._number = session.number
        self._another = another
        self._sql = sql
        self._columns = columns
        self._schema = types.schema(columns)
        self._reading = threading.Lock()
        self._begun = False
        self._done = False
        self._open = True
        self._cancelled = False

    def feed(self) -> Feed:
        """The rows; the query begins when the first are read, so that `cancel` reaches it."""
        return Feed(self._schema, self._batches(), cancel=self.cancel, close=self.close)

    def cancel(self) -> None:
        """Have the server end the query, over a second connection."""
        self._cancelled = True
        if self._begun and not self._done:
            with suppress(RopewayError):
                other = self._another()
                try:
                    other.rows(f"kill query {self._number}")
                finally:
                    other.close()

    def close(self) -> None:
        """Stop what still runs, then let go."""
        if self._open:
            self.cancel()
            with self._reading:
                self._open = False
                self._session.close()

    def _batches(self) -> Iterator[Any]:
        rows = self._session.stream(self._sql)
        while (found := self._next(rows)) is not None:
            yield values.batch(found, self._columns, self._schema)

    def _next(self, rows: Iterator[Sequence[Any]]) -> Sequence[Any] | None:
        with self._reading:
            if self._cancelled:
                raise QueryFailed("The query was cancelled.")
            self._begun = True
            try:
                found = next(rows, None)
            except RopewayError:
                self._done = True
                if self._cancelled:
                    raise QueryFailed("The query was cancelled.") from None
                raise
            self._done = found is None
            return found


def _address(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    given: dict[str, Any] = {
        "host": parts.hostname or "localhost",
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": (passwords.password(url) or "").encode(),
        "database": unquote(parts.path.lstrip("/")) or None,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": _CONNECT_SECONDS,
    }
    told = dict(parse_qsl(parts.query))
    if socket := told.pop("socket", ""):
        given["unix_socket"] = socket
    authority = told.pop("ssl_ca", None)
    if told.pop("ssl", "false") == "true" or authority:
        given["ssl"] = ssl.create_default_context(cafile=authority)
    if told:
        raise BadInput(
            f"The URL of the database has a parameter {min(told)!r} that is not known.",
            hint="Known are socket=PATH, ssl=true and ssl_ca=PATH.",
        )
    return given


def _carry(name: str, field: Any) -> Carried:
    """How a column travels, by its code in the protocol: what Arrow has no exact type for goes as
    text."""
    code, unsigned, sql = field.type_code, field.flags & _UNSIGNED, _name(name)
    if code == 1 and field.length == 1:
        return Carried(Column(name, "BOOLEAN"), f"{sql} <> 0", pushes=False)
    if code in _INTEGERS:
        return Carried(Column(name, ("U" if unsigned else "") + _INTEGERS[code]), sql)
    if code == _YEAR:
        return Carried(Column(name, "SMALLINT"), sql)
    if code in _DECIMALS:
        digits = field.length - (field.scale > 0) - (not unsigned)
        word = types.decimal(digits, field.scale)
        exact = word != "DOUBLE"
        return Carried(Column(name, word), sql if exact else f"({sql} + 0e0)", pushes=exact)
    if code == _FLOAT:
        # As text it would have six digits.
        return Carried(Column(name, "FLOAT"), f"({sql} + 0e0)", pushes=False)
    if code == _DOUBLE:
        return Carried(Column(name, "DOUBLE"), sql)
    if code in (_DATE, _DATETIME, _TIMESTAMP):
        kinds = {_DATE: "DATE", _DATETIME: "TIMESTAMP", _TIMESTAMP: "TIMESTAMP WITH TIME ZONE"}
        # A day or month of zero is no date anywhere else.
        dated = f"if(dayofmonth({sql}) = 0 or month({sql}) = 0, null, {sql})"
        return Carried(Column(name, kinds[code]), dated, whole=False)
    if code == _BIT:
        return Carried(Column(name, "UBIGINT"), f"cast({sql} as unsigned)", pushes=False)
    if code in _BLOBS and field.charsetnr == _BINARY:
        return Carried(Column(name, "BLOB"), sql, pushes=False)
    if code in _TEXTS:
        # Being the same means less there, where 'a' may be 'A'.
        return Carried(Column(name, "VARCHAR"), sql, whole=False)
    return Carried(Column(name, "VARCHAR"), f"cast({sql} as char)", pushes=False)


def _literal(value: Any, kind: str) -> str:
    """A value of a checked type as SQL; texts go as hex: there is no quoting to get wrong."""
    if kind == "VARCHAR":
        return _text(value)
    if kind == "DOUBLE":
        return f"{float(value):.17e}"
    if kind.startswith("DECIMAL"):
        return f"{value:f}" if not isinstance(value, int) else str(value)
    if kind == "DATE":
        return f"date '{value.isoformat()}'"
    if kind.startswith("TIMESTAMP"):
        return f"timestamp '{_utc(value)}'"
    return str(int(value))


def _utc(value: Any) -> str:
    """A moment as the session, whose zone is UTC, writes it."""
    from datetime import UTC

    plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return str(plain.isoformat(" "))


def _text(value: str) -> str:
    return f"_utf8mb4 X'{value.encode().hex()}'"


def _name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _explain(error: Exception) -> RopewayError:
    """The driver's errors in our words, by the server's own number."""
    code = error.args[0] if error.args else 0
    note = passwords.hidden(str(error))
    found = _WORDS.get(code) if isinstance(code, int) else None
    if found is None:
        return because(QueryFailed("The database could not answer."), note)
    kind, message, hint = found
    return because(kind(message, hint=hint), note)


_NOT_IN = (
    QueryFailed,
    "The database does not let home in.",
    "Give the password anew: ropeway data password NAME.",
)
_SLOW = (
    QueryFailed,
    "The database took too long for the query.",
    "Raise the option timeout, or ask for less.",
)
_AWAY = (Unreachable, "The database does not answer.", "")
_UNREADABLE = (QueryFailed, "The database does not let home read the table.", "")
_WORDS: Mapping[int, tuple[type[RopewayError], str, str]] = {
    1044: _NOT_IN,
    1045: _NOT_IN,
    1698: _NOT_IN,
    1049: (NotFound, "The database is not there.", ""),
    1142: _UNREADABLE,
    1143: _UNREADABLE,
    1146: (NotFound, "Its table is not in the database.", ""),
    1054: (BadInput, "The query of the dataset does not fit the database.", ""),
    1064: (BadInput, "The query of the dataset does not fit the database.", ""),
    1317: (QueryFailed, "The query was cancelled.", ""),
    1969: _SLOW,
    3024: _SLOW,
    2003: _AWAY,
    2006: _AWAY,
    2013: _AWAY,
}
