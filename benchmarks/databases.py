"""PostgreSQL at home, and a kernel that wants a table.

`python benchmarks/databases.py [--rows 1500000]`: 8 columns of a whole table, on loopback, each way
in a fresh kernel of the runtime `here`:

- `psycopg2`: the kernel has the password and fetches the rows as tuples;
- `rw.sql`: home fetches them; as an Arrow table, or batch by batch;
- `COPY`: PostgreSQL's own, in binary, as `rw.sql` has it; psql throws its bytes away.

Memory is the kernel's peak, and that of what answers at home.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from memory import Peak, answering
from peers import PromptClient, cores, workspace, write_results
from sales import EIGHT, add_datasets, address, fill, make
from support.databases import PASSWORD, postgres
from support.databases import Server as Database
from support.servers import Server

SQL = f"select {', '.join(EIGHT)} from sales"

PSYCOPG2 = f"""
import psycopg2
def work():
    connection = psycopg2.connect(
        host="127.0.0.1", port={{port}}, user="ropeway", password={PASSWORD!r}, dbname="shop")
    cursor = connection.cursor()
    cursor.execute({SQL!r})
    return len(cursor.fetchall())
"""

COPY = f"""
import os, subprocess
def work():
    command = ["psql", "-h", "127.0.0.1", "-p", "{{port}}", "-U", "ropeway", "shop", "-c",
               "copy ({SQL}) to stdout (format binary)"]
    told = dict(os.environ, PGPASSWORD={PASSWORD!r})
    subprocess.run(command, env=told, stdout=subprocess.DEVNULL, check=True)
    return {{rows}}
"""

ARROW = f"""
import ropeway as rw, pyarrow
def work():
    return rw.sql({SQL!r}).arrow().num_rows
"""

BATCHES = f"""
import ropeway as rw, pyarrow, time
first = None
def work():
    global first
    rows, began = 0, time.perf_counter()
    for batch in rw.sql({SQL!r}).batches():
        first = first or round(time.perf_counter() - began, 3)
        rows += batch.num_rows
    return rows
"""

MEASURE = """
import json, resource, time
began = time.perf_counter()
rows = work()
took = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"s": round(took, 3), "first_s": globals().get("first"), "rows": rows,
                  "kernel_mb": round(peak)}))
"""


def measure(rows: int, repeats: int, sales: Path | None) -> list[dict[str, Any]]:
    """A row for each run of each way, by turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = folder / "files"
        files.mkdir()
        csv, _ = make(sales or files, rows)
        database = stack.enter_context(postgres())
        fill(database, csv)
        add_datasets(folder / "home", files, {"sales": (address(database), "--table", "sales")})
        work = stack.enter_context(workspace(folder / "home", files))
        return [
            {"peer": peer, "run": repeat, **asyncio.run(_run(work, code)), "cores": cores()}
            for repeat in range(repeats)
            for peer, code in _ways(database, rows).items()
        ]


def _ways(database: Database, rows: int) -> dict[str, str]:
    return {
        "psycopg2, tuples": PSYCOPG2.format(port=database.port),
        "COPY, thrown away": COPY.format(port=database.port, rows=rows),
        "rw.sql, an Arrow table": ARROW,
        "rw.sql, batch by batch": BATCHES,
    }


async def _run(work: Server, code: str) -> dict[str, Any]:
    kernel = work.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
    try:
        async with PromptClient(work.url, work.token, kernel) as client:
            ready = await client.execute(code, timeout=120)
            assert ready.reply["status"] == "ok", ready.reply
            with Peak(lambda: answering(work)) as peak:
                ran = await client.execute(MEASURE, timeout=600)
            assert ran.reply["status"] == "ok", ran.reply
            row = {**json.loads(ran.text), "home_mb": round(peak.mb)}
            print(row, flush=True)
            return row
    finally:
        work.api(f"/api/kernels/{kernel}", "DELETE")


def main() -> None:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sales", type=Path, help="a folder that keeps the files for the next run")
    options = parser.parse_args()
    write_results("databases", measure(options.rows, options.repeats, options.sales))


if __name__ == "__main__":
    main()
