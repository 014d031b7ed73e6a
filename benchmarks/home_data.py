"""A CSV of a few hundred MB at home, a few rows of it wanted in a kernel on another runtime.

`python benchmarks/home_data.py [--rows 3000000]` compares, in one run and on loopback:

- `copy`: the whole file is read over HTTP from home by the kernel and filtered with pandas;
- `rw.sql`: the filter runs at home, the result crosses in-band over the kernel's WebSocket.

Loopback flatters `copy`: over a real link its bytes are the time.
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
from functools import partial
from pathlib import Path
from typing import Any

from peers import PromptClient, cores, jupyter, workspace, write_results

QUERY = "select id, region, amount, day from sales where amount > 950"

SQL = f"""
import ropeway as rw, time
t = time.perf_counter()
result = rw.sql({QUERY!r})
df = result.df()
took = time.perf_counter() - t
"""

COPY = """
import pandas as pd, time, urllib.request, io
t = time.perf_counter()
data = urllib.request.urlopen({url!r}).read()
df = pd.read_csv(io.BytesIO(data))
df = df[df.amount > 950][["id", "region", "amount", "day"]]
took = time.perf_counter() - t
crossed = len(data)
"""

REPORT = """
import json, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"s": took, "rows": len(df), "crossed": crossed, "kernel_mb": peak / 1024}))
"""


def make_csv(path: Path, rows: int) -> None:
    """A CSV of `rows` sales, of which 5 percent have an amount over 950."""
    import duckdb

    duckdb.sql(
        f"""copy (
            select i as id, 'region ' || (i % 50) as region, (hash(i) % 100000) / 100.0 as amount,
                   date '2020-01-01' + (i % 2000)::int as day, md5(i::varchar) as customer,
                   'a note of some length about sale number ' || i as note
            from range({rows}) t(i)
        ) to '{path}' (header true)"""
    )


def add_dataset(folder: Path) -> None:
    """Make the CSV known as `sales`."""
    command = [sys.executable, "-m", "ropeway", "data", "add", "sales", "sales.csv"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


async def measure(rows: int) -> list[dict[str, Any]]:
    """Both ways, each in a fresh kernel of the other runtime."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        make_csv(files / "sales.csv", rows)
        size = (files / "sales.csv").stat().st_size
        add_dataset(files)
        with jupyter(folder / "gpu") as gpu, workspace(folder / "home", files) as work:
            body = {"url": gpu.url, "token": gpu.token, "name": "gpu"}
            assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
            found = []
            with _file_server(files) as url:
                code = {
                    "rw.sql": SQL + "crossed = result.summary.bytes_sent",
                    "copy": COPY.format(url=url),
                }
                for peer, source in code.items():
                    for repeat in range(3):
                        row = await _one(work, source)
                        found.append({"peer": peer, "run": repeat, "csv_mb": size / 1e6, **row})
            return found


async def _one(work: Any, code: str) -> dict[str, Any]:
    kernel = work.api("/api/kernels", "POST", {"name": "gpu.python3"})[1]["id"]
    try:
        async with PromptClient(work.url, work.token, kernel) as client:
            await client.execute("import pandas, pyarrow")
            begun = time.perf_counter()
            ran = await client.execute(code + REPORT, timeout=300)
            assert ran.reply["status"] == "ok", ran.reply
            found = json.loads(ran.text)
            return {**found, "cell_s": round(time.perf_counter() - begun, 2)}
    finally:
        work.api(f"/api/kernels/{kernel}", "DELETE")


class _file_server:
    """Serves a folder on loopback, as a plain `python -m http.server` at home would."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/sales.csv"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    rows = asyncio.run(measure(parser.parse_args().rows))
    for row in rows:
        row["cores"] = cores()
        print(row)
    write_results("home_data", rows)


if __name__ == "__main__":
    main()
