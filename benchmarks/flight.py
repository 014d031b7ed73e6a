"""A large answer on loopback, beside Arrow Flight.

`python benchmarks/flight.py`: a kernel of the runtime `here` takes a Parquet file's rows, about
1.3 GB of Arrow, by turns from

- `Flight`: a Flight server that runs the query with DuckDB and streams its batches, no policy, no
  ledger, one process;
- `rw.sql`: home, with all that it does; batch by batch, or as one table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from peers import PromptClient, cores, workspace, write_results
from sales import add_datasets, make
from support.servers import free_port, wait_for_port

SERVER = """
import sys, duckdb, pyarrow.flight as flight
class Home(flight.FlightServerBase):
    def do_get(self, context, ticket):
        reader = duckdb.connect().sql(ticket.ticket.decode()).to_arrow_reader(65536)
        return flight.RecordBatchStream(reader)
Home(f"grpc://127.0.0.1:{sys.argv[1]}").serve()
"""

READY = """
import json, time, ropeway as rw, pyarrow.flight as flight
client = flight.connect("grpc://127.0.0.1:{port}")

def from_flight(sql):
    reader = client.do_get(flight.Ticket(sql.replace("from sales", "from '{parquet}'").encode()))
    return sum(chunk.data.nbytes for chunk in reader)

def from_home(sql):
    return sum(batch.nbytes for batch in rw.sql(sql).batches())

def whole_from_flight(sql):
    sql = sql.replace("from sales", "from '{parquet}'")
    return client.do_get(flight.Ticket(sql.encode())).read_all().nbytes

def whole_from_home(sql):
    return rw.sql(sql).arrow().nbytes

ways = {{"Flight, batches": from_flight, "rw.sql, batches": from_home,
        "Flight, a table": whole_from_flight, "rw.sql, a table": whole_from_home}}

def timed(way, number):
    began = time.perf_counter()
    size = ways[way](f"select * from sales where id >= {{number}}")  # no answer twice
    return time.perf_counter() - began, size
"""


async def measure(rows: int, repeats: int) -> list[dict[str, Any]]:
    """A row for each way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = folder / "files"
        files.mkdir()
        _, parquet = make(files, rows)
        add_datasets(folder / "home", files, {"sales": (str(parquet),)})
        work = stack.enter_context(workspace(folder / "home", files))
        port = stack.enter_context(_flight(folder))
        kernel = work.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
        async with PromptClient(work.url, work.token, kernel) as client:
            ready = await client.execute(READY.format(port=port, parquet=parquet), timeout=120)
            assert ready.reply["status"] == "ok", ready.reply
            loop = f"[(way, *timed(way, turn)) for turn in range({repeats}) for way in ways]"
            ran = await client.execute(f"print(json.dumps({loop}))", timeout=900)
            assert ran.reply["status"] == "ok", ran.reply
            told = json.loads(ran.text)
    found = []
    for way in dict.fromkeys(each[0] for each in told):
        runs = [(took, size) for name, took, size in told if name == way]
        took, size = statistics.median(each[0] for each in runs), runs[0][1]
        row = {"peer": way, "s": round(took, 3), "mb_per_s": round(size / 1e6 / took)}
        found.append({**row, "mb": round(size / 1e6), "cores": cores()})
    return found


@contextmanager
def _flight(folder: Path) -> Iterator[int]:
    port, log = free_port(), folder / "flight.log"
    with log.open("wb") as out:
        words = [sys.executable, "-c", SERVER, str(port)]
        process = subprocess.Popen(words, stdout=out, stderr=out)
    try:
        wait_for_port(process, port, log)
        yield port
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.rows, options.repeats))
    for row in rows:
        print(row)
    write_results("flight", rows)


if __name__ == "__main__":
    main()
