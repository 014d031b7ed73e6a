"""The data of the benchmarks of home data: sales of 20 columns, as a CSV, a Parquet file, or in
PostgreSQL. Ten million rows are 2.2 GB of CSV; 5 % of them have an amount above 246.95."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg2

from peers import clean_environment
from support.databases import PASSWORD
from support.databases import Server as Database

CHEAPEST = 246.95
"""The amount above which 5 % of the sales lie."""

EIGHT = ("id", "day", "region", "product", "quantity", "price", "amount", "customer")
"""The columns of the narrow question."""

_SELECT = """
    select i as id,
           date '2020-01-01' + (i % 2000)::int as day,
           timestamp '2020-01-01' + to_seconds(hash(i, 1) % 170000000) as sold_at,
           'region ' || (hash(i, 2) % 50) as region,
           'shop ' || (hash(i, 3) % 2000) as shop,
           'product ' || (hash(i, 4) % 20000) as product,
           ['web', 'shop', 'phone', 'partner'][(hash(i, 5) % 4)::int + 1] as channel,
           (hash(i, 6) % 20 + 1)::int as quantity,
           round(((hash(i, 7) % 1000000) / 1000000.0) ** 2 * 40, 2) as price,
           round((hash(i, 8) % 10000000) / 38468.0, 2) as amount,
           round((hash(i, 9) % 3000) / 10000.0, 4) as discount,
           round((hash(i, 10) % 100000) / 777.0, 3) as weight,
           'customer ' || (hash(i, 11) % 1000000) as customer,
           substr(md5(i::varchar), 1, 12) as receipt,
           hash(i, 12) % 100000 as clerk,
           hash(i, 13) % 2 = 0 as returned,
           round((hash(i, 14) % 18000000) / 100000.0 - 90, 5) as latitude,
           round((hash(i, 15) % 36000000) / 100000.0 - 180, 5) as longitude,
           'a note about sale ' || i || ' of the kind ' || (hash(i, 16) % 900) as note,
           ['new', 'paid', 'sent', 'done'][(hash(i, 17) % 4)::int + 1] as state
    from range({rows}) t(i)
"""


def make(folder: Path, rows: int) -> tuple[Path, Path]:
    """`sales.csv` and `sales.parquet` in `folder`; what is there already is kept."""
    csv, parquet = folder / f"sales-{rows}.csv", folder / f"sales-{rows}.parquet"
    if not parquet.exists():
        select = _SELECT.format(rows=rows)
        duckdb.sql(f"copy ({select}) to '{parquet}' (format parquet, compression zstd)")
        duckdb.sql(f"copy (from '{parquet}') to '{csv}' (header true)")
    return csv, parquet


def fill(database: Database, csv: Path) -> None:
    """The table `sales`, as the CSV has it."""
    columns = duckdb.sql(f"describe from '{csv}'").fetchall()
    kinds = {"DOUBLE": "double precision"}
    table = ", ".join(f"{name} {kinds.get(kind, kind)}" for name, kind, *_ in columns)
    with _connection(database) as connection, connection.cursor() as cursor, csv.open("rb") as file:
        cursor.execute(f"create table sales ({table})")
        cursor.copy_expert("copy sales from stdin (format csv, header)", file)
        cursor.execute("analyze sales")


def _connection(database: Database) -> Any:
    return psycopg2.connect(
        host="127.0.0.1", port=database.port, user="ropeway", password=PASSWORD, dbname="shop"
    )


def add_datasets(home: Path, files: Path, sources: dict[str, tuple[str, ...]]) -> None:
    """Make them known to the project in `files`, as a person does."""
    for name, words in sources.items():
        subprocess.run(
            [sys.executable, "-m", "ropeway", "data", "add", name, *words],
            cwd=files,
            env=clean_environment(home),
            check=True,
            stdout=subprocess.DEVNULL,
        )


def address(database: Database) -> str:
    """Its URL with the password, for `ropeway data add`."""
    return database.url("postgresql").replace("@", f":{quote(PASSWORD, safe='')}@")
