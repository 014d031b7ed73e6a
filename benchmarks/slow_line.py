"""A few rows of a large file, over a line of 100 Mbit/s and 42 ms.

`python benchmarks/slow_line.py [--rows 10000000]` (as root, with /dev/net/tun): a CSV of 2.2 GB and
20 columns lies at home, 5 % of its rows are wanted as a DataFrame in a kernel that has dialled in
from the other end of the line:

- `copy`: the kernel downloads the whole CSV and filters with pandas;
- `pandas, gz`: pandas filters at home and writes a gzipped CSV, the kernel downloads and reads it;
- `psycopg2`: the rows are in PostgreSQL at home, and the kernel fetches them;
- `rw.sql`: from the CSV, from Parquet, from PostgreSQL, of all or of 8 columns; once more the same.

Each runs in a fresh kernel. Memory is the peak of the kernel's, and of what answers at home.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from memory import Peak, answering
from peers import PromptClient, cores, workspace, write_results
from sales import CHEAPEST, EIGHT, add_datasets, address, fill, make
from support.databases import PASSWORD, postgres
from support.far_network import SlowLine
from support.joining import joining
from support.servers import Server
from tunnel import has_joined

MBIT, TRIP_MS = 100.0, 42.0
WHERE = f"amount > {CHEAPEST}"
NARROW = ", ".join(EIGHT)

COPY = """
import io, urllib.request, pandas as pd
def work():
    data = urllib.request.urlopen("{url}/{csv}").read()
    df = pd.read_csv(io.BytesIO(data))
    return df[df.amount > {cheapest}]
"""

GZ = """
import io, urllib.request, pandas as pd
def work():
    data = urllib.request.urlopen("{url}/filtered.csv.gz").read()
    return pd.read_csv(io.BytesIO(data), compression="gzip")
"""

PSYCOPG2 = """
import pandas as pd, psycopg2
def work():
    connection = psycopg2.connect(
        host={host!r}, port={port}, user="ropeway", password={password!r}, dbname="shop")
    cursor = connection.cursor()
    cursor.execute({sql!r})
    return pd.DataFrame(cursor.fetchall(), columns=[each.name for each in cursor.description])
"""

ROPEWAY = """
import time, pandas as pd, ropeway as rw, pyarrow
def work():
    global first
    began = time.perf_counter()
    result = rw.sql({sql!r})
    first = round(time.perf_counter() - began, 3)
    df = result.df()
    return df
"""

MEASURE = """
import json, resource, time
first = None
began = time.perf_counter()
df = work()
took = time.perf_counter() - began
peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps({"s": round(took, 3), "first_s": first, "rows": len(df), "kernel_mb": peak}))
"""

FILTER = """
import sys, pandas as pd
df = pd.read_csv(sys.argv[1])
df[df.amount > float(sys.argv[2])].to_csv(sys.argv[3], index=False, compression="gzip")
"""


class Home(http.server.SimpleHTTPRequestHandler):
    """Home without Ropeway: it serves files, and has pandas filter when the smaller one is asked
    for."""

    csv = Path()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the folder."""
        if self.path == "/filtered.csv.gz":
            target = Path(self.directory) / "filtered.csv.gz"
            words = (str(self.csv), str(CHEAPEST), str(target))
            subprocess.run([sys.executable, "-c", FILTER, *words], check=True)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def measure(rows: int, repeats: int, sales: Path | None) -> list[dict[str, Any]]:
    """A row for each run of each way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = folder / "files"
        files.mkdir()
        csv, parquet = make(sales or files, rows)
        line = SlowLine(MBIT, TRIP_MS)
        stack.callback(line.end)
        line.start()
        database = stack.enter_context(postgres(f"{line.home}/30"))
        fill(database, csv)
        sources = {"sales_csv": (str(csv),), "sales_parquet": (str(parquet),)}
        sources["sales_postgres"] = (address(database), "--table", "sales")
        add_datasets(folder / "home", files, sources)
        work = stack.enter_context(joined(folder, files, line))
        plain = stack.enter_context(_plain_home(files, csv, line))
        ways = _ways(plain, csv.name, (line.home, database.port))
        return list(_runs(work, line, ways, repeats))


def _runs(
    work: Server, line: SlowLine, ways: dict[str, list[str]], repeats: int
) -> Iterator[dict[str, Any]]:
    for repeat in range(repeats):
        for peer, codes in ways.items():
            if peer == "copy" and repeat:
                continue  # three minutes, and nothing but the line
            for again, row in enumerate(asyncio.run(_run(work, line, codes))):
                name = f"{peer}, once more" if again else peer
                print(name, row, flush=True)
                yield {"peer": name, "run": repeat, **row, "cores": cores()}


def _ways(url: str, csv: str, there: tuple[str, int]) -> dict[str, list[str]]:
    """The code of each way; what follows the first runs in the same kernel."""
    host, port = there

    def fetched(columns: str) -> str:
        sql = f"select {columns} from sales where {WHERE}"
        return PSYCOPG2.format(host=host, port=port, password=PASSWORD, sql=sql)

    def asked(name: str, columns: str) -> str:
        return ROPEWAY.format(sql=f"select {columns} from {name} where {WHERE}")

    return {
        "copy": [COPY.format(url=url, csv=csv, cheapest=CHEAPEST)],
        "pandas, gz": [GZ.format(url=url)],
        "psycopg2": [fetched("*")],
        "psycopg2, 8 columns": [fetched(NARROW)],
        "rw.sql, CSV": [asked("sales_csv", "*")] * 2,
        "rw.sql, CSV, 8 columns": [asked("sales_csv", NARROW)],
        "rw.sql, Parquet": [asked("sales_parquet", "*")],
        "rw.sql, Parquet, 8 columns": [asked("sales_parquet", NARROW)],
        "rw.sql, PostgreSQL": [asked("sales_postgres", "*")],
        "rw.sql, PostgreSQL, 8 columns": [asked("sales_postgres", NARROW)],
    }


async def _run(work: Server, line: SlowLine, codes: list[str]) -> list[dict[str, Any]]:
    kernel = work.api("/api/kernels", "POST", {"name": "far.python3"})[1]["id"]
    found = []
    try:
        async with PromptClient(work.url, work.token, kernel) as client:
            for code in codes:
                ready = await client.execute(code, timeout=120)
                assert ready.reply["status"] == "ok", ready.reply
                before = line.carried
                with Peak(lambda: answering(work, FILTER)) as peak:
                    ran = await client.execute(MEASURE, timeout=900)
                assert ran.reply["status"] == "ok", ran.reply
                told = {"mb": round((line.carried - before) / 1e6, 2), "home_mb": round(peak.mb)}
                found.append({**json.loads(ran.text), **told})
    finally:
        work.api(f"/api/kernels/{kernel}", "DELETE")
    return found


@contextmanager
def joined(folder: Path, files: Path, line: SlowLine) -> Iterator[Server]:
    """A workspace, and a runtime at the far end of the line that has dialled in as `far`."""
    options = ("--host", line.home, "--insecure-http")
    with workspace(folder / "home", files, *options) as work:
        invitation = work.api("/ropeway/api/invites", "POST", {"name": "far"})[1]["token"]
        url = f"http://{line.home}:{work.url.rsplit(':', 1)[1]}"
        with joining(folder / "there", url, str(invitation), prefix=line.prefix):
            end = time.monotonic() + 60
            while not has_joined(work, "far"):
                assert time.monotonic() < end, "the runtime did not join"
                time.sleep(0.2)
            yield work


@contextmanager
def _plain_home(files: Path, csv: Path, line: SlowLine) -> Iterator[str]:
    Home.csv = csv
    (files / csv.name).exists() or (files / csv.name).symlink_to(csv)
    server = http.server.ThreadingHTTPServer((line.home, 0), partial(Home, directory=str(files)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{line.home}:{server.server_port}"
    server.shutdown()


def main() -> None:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sales", type=Path, help="a folder that keeps the files for the next run")
    options = parser.parse_args()
    write_results("slow_line", measure(options.rows, options.repeats, options.sales))


if __name__ == "__main__":
    main()
