"""Every kind of source: how a table comes to be one, and what it cannot hold."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import duckdb
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from data.kinds.tables import ODD, TYPES
from support.databases import PASSWORD, Server
from support.far_machine import ALIAS
from support.stores import KEY, SECRET

Source = tuple[str, dict[str, Any]]


class Kind(ABC):
    """`write` makes a table a source; twice in the same place, and the source has changed."""

    lacks: frozenset[str] = frozenset()
    """Columns of `EVERYTHING` that it has no way to hold."""
    stamped = True
    """Whether it can tell cheaply that the rows are the same as before."""
    settles = 0.0
    """Seconds after which a file tells a change from the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def write(self, table: pa.Table) -> Source:
        """The source and the options that mean this table."""

    def missing(self) -> Source:
        """A source of this kind that is not there."""
        source, options = self.write(pa.table({"number": [1]}))
        return source.replace("table", "nothing"), options

    def holds(self, table: pa.Table) -> pa.Table:
        """The part of a table that this kind can hold."""
        return table.select([name for name in table.column_names if name not in self.lacks])


class Csv(Kind):
    ending = "csv"
    lacks = frozenset({"many"})

    def write(self, table: pa.Table) -> Source:
        path = self.folder / f"table.{self.ending}"
        packing = {"gz": "gzip", "zst": "zstd"}.get(self.ending.rpartition(".")[2], "none")
        mark = "\t" if self.ending.startswith("tsv") else ","
        copy(table, path, f"format csv, compression {packing}, delimiter '{mark}'")
        types = {name: TYPES[name] for name in table.column_names if name != "many"}
        return str(path), {"columns": types, "header": True}


class CsvGz(Csv):
    ending = "csv.gz"


class CsvZst(Csv):
    ending = "csv.zst"


class Tsv(Csv):
    ending = "tsv"


class Json(Kind):
    ending = "ndjson"

    def write(self, table: pa.Table) -> Source:
        path = self.folder / f"table.{self.ending}"
        packing = {"gz": "gzip", "zst": "zstd"}.get(self.ending.rpartition(".")[2], "none")
        whole = ", array true" if self.ending == "json" else ""
        copy(table, path, f"format json, compression {packing}{whole}")
        return str(path), {"columns": {name: TYPES[name] for name in table.column_names}}


class JsonArray(Json):
    ending = "json"


class JsonGz(Json):
    ending = "ndjson.gz"


class JsonZst(Json):
    ending = "jsonl.zst"


class Parquet(Kind):
    def write(self, table: pa.Table) -> Source:
        pq.write_table(table, self.folder / "table.parquet")
        return str(self.folder / "table.parquet"), {}


class Folder(Kind):
    """A folder of files, some of them further down."""

    def write(self, table: pa.Table) -> Source:
        top = self.folder / "table"
        (top / "more").mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(0, 1), top / "a.parquet")
        pq.write_table(table.slice(1), top / "more" / "b.parquet")
        return str(top), {}


class Glob(Folder):
    def write(self, table: pa.Table) -> Source:
        super().write(table)
        return str(self.folder / "table" / "**" / "*.parquet"), {}


class Avro(Kind):
    lacks = frozenset({ODD})

    def write(self, table: pa.Table) -> Source:
        import polars
        import polars_avro

        frame = polars.from_arrow(table)
        polars_avro.write_avro(frame, self.folder / "table.avro")
        return str(self.folder / "table.avro"), {}


class Arrow(Kind):
    def write(self, table: pa.Table) -> Source:
        with pa.ipc.new_file(self.folder / "table.arrow", table.schema) as out:
            out.write_table(table, 1000)
        return str(self.folder / "table.arrow"), {}


class ArrowStream(Kind):
    def write(self, table: pa.Table) -> Source:
        with pa.ipc.new_stream(self.folder / "table.arrows", table.schema) as out:
            out.write_table(table, 1000)
        return str(self.folder / "table.arrows"), {}


class Feather(Kind):
    def write(self, table: pa.Table) -> Source:
        pa.feather.write_feather(table, self.folder / "table.feather", compression="zstd")
        return str(self.folder / "table.feather"), {}


class Excel(Kind):
    lacks = frozenset({"many", "instant"})

    def write(self, table: pa.Table) -> Source:
        import xlsxwriter

        path = self.folder / "table.xlsx"
        with xlsxwriter.Workbook(path, {"remove_timezone": True}) as book:
            styles = {
                "day": book.add_format({"num_format": "yyyy-mm-dd"}),
                "moment": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"}),
            }
            book.add_worksheet("Notes").write(0, 0, "nothing here")
            sheet = book.add_worksheet("The table")
            for place, name in enumerate(table.column_names):
                sheet.write(0, place, name)
                for row, value in enumerate(table[name].to_pylist(), 1):
                    if value is not None:
                        sheet.write(row, place, value, styles.get(name))
        types = {name: TYPES[name] for name in table.column_names}
        return str(path), {"sheet": "The table", "columns": types}

    def holds(self, table: pa.Table) -> pa.Table:
        """Times to the millisecond, and none before 1900: that is all a cell knows."""
        held = super().holds(table)
        if "moment" in held.column_names:
            place = held.column_names.index("moment")
            cut = held["moment"].cast(pa.timestamp("ms"), safe=False).cast(pa.timestamp("us"))
            held = held.set_column(place, "moment", cut)
        return held


class Sqlite(Kind):
    lacks = frozenset({"many"})

    def write(self, table: pa.Table) -> Source:
        import sqlite3

        path = self.folder / "table.db"
        with sqlite3.connect(path) as connection:
            connection.execute("drop table if exists stuff")
            names = [f"{ansi(name)} {TYPES.get(name, 'INTEGER')}" for name in table.column_names]
            connection.execute(f"create table stuff ({', '.join(names)})")
            rows = [[plain(value) for value in row] for row in rows_of(table)]
            marks = ", ".join("?" * table.num_columns)
            connection.executemany(f"insert into stuff values ({marks})", rows)
        connection.close()
        return str(path), {"table": "stuff"}


class Postgres(Kind):
    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server

    def run(self, sql: str, rows: Sequence[Any] = ()) -> list[Any]:
        import psycopg2
        import psycopg2.extras

        at = f"host=127.0.0.1 port={self.server.port} dbname=shop user=ropeway"
        connection = psycopg2.connect(at, password=PASSWORD)
        connection.autocommit = True
        cursor = connection.cursor()
        try:
            if rows:
                psycopg2.extras.execute_values(cursor, sql, rows, page_size=5000)
                return []
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def write(self, table: pa.Table) -> Source:
        from ropeway.data import passwords

        types = {**TYPES, "ratio": "DOUBLE PRECISION", "word": "TEXT"}
        names = [f"{ansi(name)} {types.get(name, 'BIGINT')}" for name in table.column_names]
        self.run("drop table if exists stuff")
        self.run(f"create table stuff ({', '.join(names)})")
        if table.num_rows:
            self.run("insert into stuff values %s", list(rows_of(table)))
        url = self.server.url("postgresql")
        passwords.keep(url, {"password": PASSWORD})
        return url, {"table": "stuff"}

    def missing(self) -> Source:
        source, _ = self.write(pa.table({"number": [1]}))
        return source, {"table": "nothing"}


class MariaDb(Kind):
    lacks = frozenset({"many"})
    stamped = False

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server

    def run(self, sql: str, rows: Sequence[Any] = ()) -> list[Any]:
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1", port=self.server.port, user="ropeway", password=PASSWORD.encode(),
            database="shop", autocommit=True, init_command="set time_zone = '+00:00'",
        )  # fmt: skip
        try:
            with connection.cursor() as cursor:
                if rows:
                    cursor.executemany(sql, rows)
                    return []
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def write(self, table: pa.Table) -> Source:
        from ropeway.data import passwords

        types = {**TYPES, "word": "TEXT", "moment": "DATETIME(6)", "instant": "TIMESTAMP(6) NULL"}
        names = [f"{back(name)} {types.get(name, 'BIGINT')}" for name in table.column_names]
        self.run("drop table if exists stuff")
        self.run(f"create table stuff ({', '.join(names)})")
        if table.num_rows:
            marks = ", ".join(["%s"] * table.num_columns)
            rows = [[bare(value) for value in row] for row in rows_of(table)]
            self.run(f"insert into stuff values ({marks})", rows)
        url = self.server.url("mysql")
        passwords.keep(url, {"password": PASSWORD})
        return url, {"table": "stuff"}

    def missing(self) -> Source:
        source, _ = self.write(pa.table({"number": [1]}))
        return source, {"table": "nothing"}

    def holds(self, table: pa.Table) -> pa.Table:
        """A TIMESTAMP begins after 1970 does."""
        held = super().holds(table)
        if "instant" in held.column_names:
            from datetime import UTC, datetime

            given = held["instant"].to_pylist()
            given[2] = datetime(1970, 1, 2, tzinfo=UTC)
            place = held.column_names.index("instant")
            held = held.set_column(place, "instant", pa.array(given, pa.timestamp("us", "UTC")))
        return held


class Stored(Kind):
    """Files in a store, which tells when they changed by the second."""

    settles = 2.5

    def __init__(self, folder: Path, store: Any) -> None:
        super().__init__(folder)
        self.store = store


class S3(Stored):
    """A folder of Parquet files in a bucket; the secret is kept, the key is in the URL."""

    def write(self, table: pa.Table) -> Source:
        from ropeway.data import passwords

        top = self.store.root / "table"
        top.mkdir(exist_ok=True)
        pq.write_table(table.slice(0, 1), top / "a.parquet")
        pq.write_table(table.slice(1), top / "b.parquet")
        url = f"s3://{KEY}@lake/table/*.parquet"
        passwords.keep(url, {"password": SECRET})
        return url, {"storage": {"endpoint": self.store.url, "region": "us-east-1"}}


class Web(Stored):
    """A file behind a signed URL: its token is kept."""

    def write(self, table: pa.Table) -> Source:
        from ropeway.data import passwords

        place = self.store.root / "private"
        place.mkdir(exist_ok=True)
        pq.write_table(table, place / "table.parquet")
        url = f"{self.store.url}/private/table.parquet"
        passwords.keep(url, {"?token": "s3cr3t"})
        return url, {}

    def missing(self) -> Source:
        return f"{self.store.url}/nothing.parquet", {}


class Sftp(Stored):
    """A file on a machine that SSH reaches, by the name that it has in `~/.ssh/config`."""

    def write(self, table: pa.Table) -> Source:
        pq.write_table(table, self.store.home / "table.parquet")
        return f"sftp://{ALIAS}{self.store.home}/table.parquet", {}


class Memory(Kind):
    """fsspec's own file system in memory."""

    settles = 2.5

    def write(self, table: pa.Table) -> Source:
        import fsspec

        with fsspec.open(f"memory://{self.folder}/table.parquet", "wb") as out:
            pq.write_table(table, out)
        return f"memory://{self.folder}/table.parquet", {}


LOCAL: tuple[type[Kind], ...] = (
    Csv, CsvGz, CsvZst, Tsv, Json, JsonArray, JsonGz, JsonZst, Parquet, Folder, Glob, Avro, Arrow,
    ArrowStream, Feather, Excel, Sqlite, Memory,
)  # fmt: skip
SERVED = {"postgres": Postgres, "mariadb": MariaDb, "s3": S3, "web": Web, "sftp": Sftp}


def copy(table: pa.Table, path: Path, how: str) -> None:
    """Written by DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("given", table)
        connection.execute(f"copy (select * from given) to '{path}' ({how})")


def rows_of(table: pa.Table) -> Any:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def plain(value: Any) -> Any:
    """As SQLite's own driver writes it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def bare(value: Any) -> Any:
    """A moment as MariaDB writes it, in UTC."""
    return value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value


def ansi(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def back(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def secrets() -> tuple[str, ...]:
    """What no error may hold, in any way of writing it."""
    return PASSWORD, quote(PASSWORD, safe=""), json.dumps(PASSWORD)[1:-1], SECRET, "s3cr3t"


def address(source: str) -> tuple[str, ...]:
    """What no error that leaves home may hold of this source."""
    parts = urlsplit(source)
    return (
        (source, parts.netloc or parts.path) if parts.scheme else (source, str(Path(source).parent))
    )
