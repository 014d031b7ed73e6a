"""What holds for tables of databases: asked for less they send less, and they are only read."""

from __future__ import annotations

import operator
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from data.kinds.kinds import Kind, MariaDb, Postgres, Sqlite
from data.kinds.tables import EVERYTHING, ODD, many
from ropeway.data import passwords
from ropeway.data.sources import Database, Filter, expand
from ropeway.errors import BadInput, NotFound, QueryFailed, RopewayError
from support.databases import Server

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "in": lambda each, given: each in given,
}  # fmt: skip


@pytest.fixture(params=[Sqlite, Postgres, MariaDb], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A kind of database."""
    if request.param is Sqlite:
        return Sqlite(tmp_path)
    server = "postgres_server" if request.param is Postgres else "mariadb_server"
    made: Kind = request.param(tmp_path, request.getfixturevalue(server))
    return made


@pytest.fixture(params=[Postgres, MariaDb], ids=lambda kind: kind.__name__)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Postgres | MariaDb:
    """A kind of database with a server."""
    server = "postgres_server" if request.param is Postgres else "mariadb_server"
    made: Postgres | MariaDb = request.param(tmp_path, request.getfixturevalue(server))
    return made


def table(kind: Kind, rows: pa.Table, **options: Any) -> Database:
    source, given = kind.write(rows)
    found = expand(source, Path("/"), {**given, **options})
    assert isinstance(found, Database)
    return found


def query(kind: Kind, sql: str, **options: Any) -> Database:
    source, _ = kind.write(pa.table({"number": [1]}))
    found = expand(source, Path("/"), {"query": sql, **options})
    assert isinstance(found, Database)
    return found


def rows(
    source: Database, *columns: str, filters: tuple[Filter, ...] = (), limit: int | None = None
) -> list[dict[str, Any]]:
    with source.open(columns, filters, limit) as feed:
        found: list[dict[str, Any]] = feed.reader.read_all().to_pylist()
        return found


def kept(value: Any, each: Filter) -> bool:
    """What a filter means in DuckDB."""
    if each.op in ("is null", "is not null"):
        return (value is None) == (each.op == "is null")
    return value is not None and COMPARED[each.op](value, each.value)


FILTERS = [
    *(Filter("number", op, 1) for op in ("=", "<>", "<", "<=", ">", ">=")),
    Filter("number", "in", [1, 5]),
    Filter("number", "is null"),
    Filter("number", "is not null"),
    Filter("number", ">", -(2**60)),
    Filter("ratio", "=", 0.1),
    Filter("ratio", "<", -1e300),
    Filter("price", "=", Decimal("12345678.91")),
    Filter("price", "<=", Decimal("-0.010")),
    Filter("price", ">", 0),
    Filter("word", "=", "żółw 🐢, \"quoted\"\n'line'"),
    Filter("word", "in", ["plain", "x'); drop table stuff; --"]),
    Filter("word", "=", "PLAIN"),
    Filter("word", "=", "\\"),
    Filter("word", "is null"),
    Filter("word", ">", "a"),
    Filter("yes", "=", True),
    Filter("yes", "<>", True),
    Filter("day", "=", date(2024, 2, 29)),
    Filter("day", "<", date(1970, 1, 1)),
    Filter("day", "is null"),
    Filter("moment", "=", datetime(2024, 2, 29, 12, 34, 56, 123456)),
    Filter("moment", "<", datetime(1970, 1, 1)),
    Filter("instant", ">=", datetime(2024, 2, 29, 23, 30, tzinfo=UTC)),
    Filter(ODD, "=", 7),
]


@pytest.mark.parametrize("given", FILTERS, ids=lambda given: f"{given.column[0]}{given.op}")
def test_a_filter_never_loses_a_row(kind: Kind, given: Filter) -> None:
    """Every row that DuckDB would keep comes, whatever is filtered by."""
    held = kind.holds(EVERYTHING)
    source = table(kind, held)
    found = [row[given.column] for row in rows(source, given.column, filters=(given,))]
    wanted = [value for value in held[given.column].to_pylist() if kept(value, given)]
    assert [value for value in found if kept(value, given)] == wanted


@pytest.mark.parametrize(
    "given",
    [Filter("number", "=", 77), Filter("number", "in", [77]), Filter("word", "=", "name 77")],
    ids=["number", "in", "word"],
)
def test_a_filter_is_handed_on(kind: Kind, given: Filter) -> None:
    """Rows that a filter drops are not sent."""
    found = rows(table(kind, many(1000)), "number", filters=(given,))
    assert found == [{"number": 77}]


def test_only_the_columns_asked_for_come(kind: Kind) -> None:
    """Columns come in the order asked for, and no others; none at all still counts rows."""
    source = table(kind, kind.holds(EVERYTHING))
    assert list(rows(source, "yes", "number")[0]) == ["yes", "number"]


def test_a_limit_is_handed_on_where_it_decides(kind: Kind) -> None:
    """A limit cuts where every filter was handed on, and else not: rows would be missing."""
    source = table(kind, many(1000))
    assert len(rows(source, "number", limit=7)) == 7
    fitting = (Filter("number", ">=", 500),)
    assert [r["number"] >= 500 for r in rows(source, "number", filters=fitting, limit=3)] == [
        True
    ] * 3
    other = (Filter("word", ">", "name 5"),)
    assert len(rows(source, "word", filters=other, limit=1)) == 1000


def test_a_query_is_a_table_too(kind: Kind) -> None:
    """A SELECT in the database's own SQL is a source, with a semicolon at its end or without."""
    source = query(kind, "select number + 1 as more, 'x' as word from stuff;  ")
    assert [each.name for each in source.columns()] == ["more", "word"]
    assert rows(source, "more", "word", filters=(Filter("word", "=", "x"),)) == [
        {"more": 2, "word": "x"}
    ]


def test_types_can_be_chosen(kind: Kind) -> None:
    """A column has the type that was asked for; a value that is none is an error without it."""
    source = table(kind, EVERYTHING.select(["number", "word"]), columns={"number": "VARCHAR"})
    assert rows(source, "number")[0] == {"number": "1"}
    wrong = table(kind, EVERYTHING.select(["word"]), columns={"word": "DATE"})
    with pytest.raises(QueryFailed, match="holds a value that is no DATE") as caught:
        rows(wrong, "word")
    assert "quoted" not in str(caught.value)
    with pytest.raises(BadInput, match="'BLUB' is no type"):
        table(kind, EVERYTHING.select(["word"]), columns={"word": "BLUB"}).columns()


@pytest.mark.parametrize(
    "sql",
    [
        "insert into stuff values (2)",
        "select 1; drop table stuff",
        "select 1) as q; drop table stuff; --",
        "drop table stuff",
        "with gone as (delete from stuff returning *) select * from gone",
    ],
)
def test_nothing_is_written(kind: Kind, sql: str) -> None:
    """A query that would write is an error, and nothing was written."""
    source = query(kind, sql)
    with pytest.raises(RopewayError):
        rows(source, *[each.name for each in source.columns()])
    plain = table_of(kind)
    assert rows(plain, "number") == [{"number": 1}]


def test_a_function_cannot_write_either(served: Postgres | MariaDb) -> None:
    """What a SELECT calls may not change anything: the session reads only."""
    served.run("drop sequence if exists counter")
    served.run("create sequence counter")
    call = "nextval('counter')" if isinstance(served, Postgres) else "nextval(counter)"
    with pytest.raises(RopewayError):
        rows(query(served, f"select {call} as a"), "a")
    assert served.run(f"select {call}")[0][0] == 1


def table_of(kind: Kind) -> Database:
    """The table that `query` wrote, as it is now."""
    source = str(kind.folder / "table.db")
    if not isinstance(kind, Sqlite):
        assert isinstance(kind, Postgres | MariaDb)
        source = kind.server.url("postgresql" if isinstance(kind, Postgres) else "mysql")
    found = expand(source, Path("/"), {"table": "stuff"})
    assert isinstance(found, Database)
    return found


LONG = {
    Sqlite: "with recursive n(a) as (select 1 union all select a + 1 from n where a < 1000000000) "
    "select a from n",
    Postgres: "select generate_series(1, 1000000000) as a",
    MariaDb: "select seq as a from seq_1_to_1000000000",
}


def test_postgresql_needs_neither_pandas_nor_polars(
    postgres_server: Server, tmp_path: Path
) -> None:
    """Home reads a table without loading what it has no use for."""
    made = Postgres(tmp_path, postgres_server)
    source, options = made.write(pa.table({"a": [1, 2]}))
    code = (
        "import sys; from pathlib import Path; from ropeway.data.sources import expand\n"
        f"found = expand({source!r}, Path('/'), {options!r})\n"
        "assert found.stamp(); found.rows()\n"
        "with found.open(['a']) as feed: assert feed.reader.read_all().num_rows == 2\n"
        "print({'pandas', 'polars'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr


def test_memory_is_bounded(kind: Kind) -> None:
    """Rows wait at the database until they are taken: however many there are, a few batches are
    in memory."""
    process = psutil.Process()
    with query(kind, LONG[type(kind)]).open(["a"]) as feed:
        feed.reader.read_next_batch()
        before = process.memory_info().rss
        for _ in range(5):
            time.sleep(0.3)
            feed.reader.read_next_batch()
        assert process.memory_info().rss - before < 60_000_000
        assert feed.bytes_read


def running(kind: Kind) -> int:
    """How many queries over the long table the server works on."""
    if isinstance(kind, Postgres):
        sql = ("select count(*) from pg_stat_activity where state = 'active'"
               " and query like '%generate_series%' and pid <> pg_backend_pid()")  # fmt: skip
        return int(kind.run(sql)[0][0])
    if isinstance(kind, MariaDb):
        sql = ("select count(*) from information_schema.processlist where info like '%seq_1_to%'"
               " and id <> connection_id()")  # fmt: skip
        return int(kind.run(sql)[0][0])
    return 0


def gone(kind: Kind) -> bool:
    end = time.monotonic() + 10
    while running(kind) and time.monotonic() < end:
        time.sleep(0.1)
    return running(kind) == 0


@pytest.mark.parametrize("sum_up", [False, True], ids=["rows", "work"])
def test_cancel_stops_the_query_at_the_server(kind: Kind, sum_up: bool) -> None:
    """`cancel` from another thread ends the reading at once, and the server's work with it, while
    rows come and while it still computes."""
    sql = LONG[type(kind)]
    if sum_up:
        sql = f"select sum(a) as a from ({sql}) as numbers where a % 7 <> 3"
    feed = query(kind, sql, columns={"a": "VARCHAR"}).open(["a"])
    begun = threading.Event()

    def cancel() -> None:
        begun.wait(10)
        time.sleep(1)
        feed.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    begun.set()
    started = time.monotonic()
    with pytest.raises(QueryFailed, match="The query was cancelled"):
        for _ in feed.reader:
            pass
    assert time.monotonic() - started < 8
    other.join()
    feed.close()
    assert gone(kind)


def test_closing_early_stops_the_query_at_the_server(kind: Kind) -> None:
    """Rows that nobody takes are not computed any more."""
    feed = query(kind, LONG[type(kind)]).open(["a"])
    feed.reader.read_next_batch()
    feed.close()
    assert gone(kind)


def test_a_database_gives_up_in_time(served: Postgres | MariaDb) -> None:
    """The option `timeout` holds at the server, and the error says so."""
    sleep = "pg_sleep(30)::text" if isinstance(served, Postgres) else "sleep(30)"
    if isinstance(served, MariaDb):
        sleep = "(select sum(a.seq * b.seq) from seq_1_to_100000 a, seq_1_to_100000 b)"
    source = query(served, f"select {sleep} as a", timeout=1)
    started = time.monotonic()
    with pytest.raises(QueryFailed, match="took too long"):
        rows(source, "a")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("wrong", ["password", "port", "database", "user"])
def test_who_is_not_let_in_is_told_so(served: Postgres | MariaDb, wrong: str) -> None:
    """A wrong password, port, user or database is told in a sentence, with no part of the URL."""
    source, options = served.write(pa.table({"number": [1]}))
    if wrong == "password":
        passwords.keep(source, {"password": "other"})
    if wrong == "port":
        source = source.replace(str(served.server.port), "1")
    if wrong == "database":
        source = source.replace("/shop", "/nowhere")
    if wrong == "user":
        source = source.replace("ropeway@", "nobody@")
        passwords.keep(source, {"password": "other"})
    found = expand(source, Path("/"), options)
    assert isinstance(found, Database)
    with pytest.raises(RopewayError) as caught:
        found.columns()
    assert caught.value.code in {"port": ("unreachable",), "database": ("not_found",)}.get(
        wrong, ("query_failed",)
    )
    said = str(caught.value.to_json())
    assert "127.0.0.1" not in said
    assert "nowhere" not in said
    if wrong in ("password", "user"):
        assert "ropeway data password" in caught.value.hint


def test_several_tables_want_a_name(tmp_path: Path) -> None:
    """An SQLite file with one table needs no name for it; one with several names them at home."""
    kind = Sqlite(tmp_path)
    source, _ = kind.write(pa.table({"number": [1]}))
    only = expand(source, tmp_path)
    assert isinstance(only, Database)
    assert rows(only, "number") == [{"number": 1}]
    import sqlite3

    with sqlite3.connect(source) as connection:
        connection.execute("create table more (a)")
    connection.close()
    with pytest.raises(BadInput, match="several tables") as caught:
        only.columns()
    assert "more, stuff" in caught.value.__notes__[0]


def test_sqlite_values_decide_where_nothing_is_declared(tmp_path: Path) -> None:
    """A column without a type has that of its values; a value of another type is an error that
    names no value."""
    import sqlite3

    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("create table t (i, f, s, b, n, d int, p decimal(6,2))")
        connection.execute("insert into t values (1, 1.5, 'x', x'00', null, 'secret', 1.005)")
        connection.execute("insert into t values (2, 2, 3, x'01', null, 5, 2)")
    connection.close()
    found = expand("x.db", tmp_path)
    assert isinstance(found, Database)
    assert [each.type for each in found.columns()] == [
        "BIGINT", "DOUBLE", "VARCHAR", "BLOB", "VARCHAR", "BIGINT", "DECIMAL(6,2)",
    ]  # fmt: skip
    assert rows(found, "i", "f", "s", "b", "p")[1] == {
        "i": 2, "f": 2.0, "s": "3", "b": b"\x01", "p": Decimal("2.00"),
    }  # fmt: skip
    with pytest.raises(QueryFailed, match="is no BIGINT") as caught:
        rows(found, "d")
    assert "secret" not in str(caught.value)


def test_what_postgres_has_no_type_for_elsewhere(postgres_server: Any, tmp_path: Path) -> None:
    """Enumerations, addresses, JSON and money are texts; numbers without a scale are DOUBLE;
    infinite times are NULL; arrays of plain types are lists."""
    kind = Postgres(tmp_path, postgres_server)
    kind.run("drop type if exists mood cascade")
    kind.run("create type mood as enum ('fine')")
    sql = """select 'fine'::mood m, '10.0.0.1'::inet i, '{"a": 1}'::jsonb j, 1.5::numeric n,
        1.5::numeric(50,2) w, 'infinity'::date d, '-infinity'::timestamptz t, 3000000000::oid o,
        '{1,NULL}'::int[] l, '{1.5}'::numeric[] ln, 'a'::char(3) c, '12:00'::time h,
        '1 day'::interval v, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid u"""
    found = query(kind, sql)
    told = {each.name: each.type for each in found.columns()}
    row = rows(found, *told)[0]
    assert told == {
        "m": "VARCHAR", "i": "VARCHAR", "j": "VARCHAR", "n": "DOUBLE", "w": "DOUBLE", "d": "DATE",
        "t": "TIMESTAMP WITH TIME ZONE", "o": "BIGINT", "l": "INTEGER[]", "ln": "VARCHAR",
        "c": "VARCHAR", "h": "TIME", "v": "INTERVAL", "u": "UUID",
    }  # fmt: skip
    assert (row["m"], row["i"], row["j"], row["n"], row["w"]) == (
        "fine", "10.0.0.1/32", '{"a": 1}', 1.5, 1.5,
    )  # fmt: skip
    assert (row["d"], row["t"], row["o"], row["l"], row["ln"], row["c"]) == (
        None, None, 3_000_000_000, [1, None], "{1.5}", "a  ",
    )  # fmt: skip


def test_a_role_sees_what_it_may(postgres_server: Any, tmp_path: Path) -> None:
    """With the option `role` the query runs as that role, and a table it may not read is
    refused in words."""
    kind = Postgres(tmp_path, postgres_server)
    kind.write(pa.table({"number": [1]}))
    kind.run("drop role if exists reader")
    kind.run("create role reader")
    kind.run("alter table stuff owner to ropeway; revoke all on stuff from public")
    who = query(kind, "select current_user::text as who", role="reader")
    assert rows(who, "who") == [{"who": "reader"}]
    with pytest.raises(QueryFailed, match="does not let home read"):
        rows(query(kind, "select * from stuff", role="reader"), "number")


def test_the_schema_is_fixed(postgres_server: Any, tmp_path: Path) -> None:
    """A table is looked for in the schema of the option, `public` without one, whatever the
    user's own search path says; `schema.table` names both."""
    kind = Postgres(tmp_path, postgres_server)
    kind.write(pa.table({"number": [1]}))
    kind.run("create schema if not exists other")
    kind.run("create table if not exists other.stuff as select 2 as number")
    kind.run("alter role ropeway set search_path = other")
    try:
        for options, number in (
            ({"table": "stuff"}, 1),
            ({"table": "other.stuff"}, 2),
            ({"table": "stuff", "schema": "other"}, 2),
        ):
            found = expand(postgres_server.url("postgresql"), Path("/"), options)
            assert isinstance(found, Database)
            assert rows(found, "number") == [{"number": number}]
        with pytest.raises(NotFound):
            table(kind, pa.table({"number": [1]}), table="other.nothing").columns()
    finally:
        kind.run("alter role ropeway reset search_path")


def test_a_view_of_postgres_has_no_stamp(postgres_server: Any, tmp_path: Path) -> None:
    """A table of a database that nobody writes to keeps its stamp; a view or query has none,
    because it may look at the clock."""
    kind = Postgres(tmp_path, postgres_server)
    found = table(kind, pa.table({"number": [1]}))
    kind.run("create or replace view seen as select * from stuff")
    assert found.stamp() == found.stamp() != None  # noqa: E711
    view = expand(postgres_server.url("postgresql"), Path("/"), {"table": "seen"})
    assert isinstance(view, Database)
    assert view.stamp() is None
    kind.run("drop view seen")
    assert query(kind, "select 1 as a").stamp() is None


def test_what_mariadb_has_no_type_for_elsewhere(mariadb_server: Any, tmp_path: Path) -> None:
    """Unsigned numbers, years and bits keep their values, zero dates are NULL, and times that are
    no time of a day are texts."""
    kind = MariaDb(tmp_path, mariadb_server)
    kind.run("drop table if exists odd")
    kind.run("""create table odd (u bigint unsigned, y year, b bit(3), f float, z date, t time,
        e enum('x','y'), l varchar(9) character set latin1, w decimal(65,2), raw varbinary(4))""")
    kind.run("set session sql_mode = ''")
    kind.run("""insert ignore into odd values (18446744073709551615, 2024, b'101', 16777216,
        '0000-00-00', '-100:00:01', 'y', 'é', 1.5, x'00ff')""")
    found = expand(mariadb_server.url("mysql"), Path("/"), {"table": "odd"})
    kind.write(pa.table({"number": [1]}))
    assert isinstance(found, Database)
    told = {each.name: each.type for each in found.columns()}
    assert told == {
        "u": "UBIGINT", "y": "SMALLINT", "b": "UBIGINT", "f": "FLOAT", "z": "DATE",
        "t": "VARCHAR", "e": "VARCHAR", "l": "VARCHAR", "w": "DOUBLE", "raw": "BLOB",
    }  # fmt: skip
    assert rows(found, *told)[0] == {
        "u": 18446744073709551615, "y": 2024, "b": 5, "f": 16777216.0, "z": None,
        "t": "-100:00:01", "e": "y", "l": "é", "w": 1.5, "raw": b"\x00\xff",
    }  # fmt: skip
