"""The two roads between a kernel and data at home, side by side in one kernel of the runtime here.

`python benchmarks/roads.py` asks the same questions by turns:

- `direct`: over HTTP through home's door;
- `in-band`: over the kernel's own WebSocket;
- `service`: this script asks the data service itself, with neither kernel nor door between: what
  home can give at best.

A small question (`select 1`), and one whose answer is 100 MB that do not compress.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from peers import PromptClient, cores, workspace, write_results

SMALL = "select 1 as a"
LARGE = "select hash(range) as h from range(12500000)"
TRIPS = 200
REPEATS = 7

KERNEL = f"""
import json, time, ropeway.kernel.road as road, ropeway.kernel.inband as inband
from ropeway.kernel.answer import ignore

direct = road._offered
assert road.road().kind == "direct"
ways = {{
    "direct": lambda sql: direct.query(sql, {{}}, "", ignore),
    "in-band": lambda sql: inband.query(sql, {{}}, "", ignore),
}}

def timed(way, sql):
    began = time.perf_counter()
    answer, size = ways[way](sql), 0
    while (piece := answer.next(ignore)) is not None:
        size += len(piece)
    return time.perf_counter() - began, size

for way in ways:
    timed(way, {SMALL!r})
    timed(way, {LARGE!r})
print(json.dumps({{
    "small": {{way: [timed(way, {SMALL!r})[0] for _ in range({TRIPS})] for way in ways}},
    "large": [(way, *timed(way, {LARGE!r})) for _ in range({REPEATS}) for way in ways],
}}))
"""


async def measure() -> list[dict[str, Any]]:
    """A row for each way and question."""
    with tempfile.TemporaryDirectory() as name, workspace(Path(name), Path(name) / "files") as work:
        (work.root / "ropeway.toml").write_text("")
        kernel = work.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
        async with PromptClient(work.url, work.token, kernel) as client:
            ran = await client.execute(KERNEL, timeout=600)
            assert ran.reply["status"] == "ok", ran.reply
            told = json.loads(ran.text)
        small: dict[str, list[float]] = told["small"]
        large: dict[str, list[tuple[float, int]]] = {way: [] for way in small}
        for way, took, size in told["large"]:
            large[way].append((took, size))
        (state,) = (Path(name) / "ropeway").glob("workspaces/*/data.json")
        service = json.loads(state.read_text())
        _ask(service, LARGE)
        small["service"] = [_ask(service, SMALL)[0] for _ in range(TRIPS)]
        large["service"] = [_ask(service, LARGE) for _ in range(REPEATS)]
    return [_row(way, small[way], large[way]) for way in small]


def _ask(service: dict[str, Any], sql: str) -> tuple[float, int]:
    """Seconds and bytes of a question to the data service itself, over a connection of its own."""
    place = urlsplit(service["url"])
    connection = HTTPConnection(place.hostname or "", place.port)
    headers = {"Authorization": f"Bearer {service['token']}"}
    began = time.perf_counter()
    connection.request("POST", "/v1/query", json.dumps({"sql": sql}), headers)
    response = connection.getresponse()
    size = 0
    while piece := response.read1(1024 * 1024):
        size += len(piece)
    connection.close()
    return time.perf_counter() - began, size


def _row(way: str, small: list[float], large: list[tuple[float, int]]) -> dict[str, Any]:
    seconds = statistics.median(took for took, _ in large)
    size = large[0][1]
    return {
        "peer": way,
        "trip_ms": round(statistics.median(small) * 1000, 2),
        "trip_p95_ms": round(statistics.quantiles(small, n=20)[-1] * 1000, 2),
        "mb": round(size / 1e6, 1),
        "s": round(seconds, 3),
        "mb_per_s": round(size / 1e6 / seconds, 1),
        "cores": cores(),
    }


def main() -> None:
    """Measure, print, keep the rows."""
    rows = asyncio.run(measure())
    for row in rows:
        print(row)
    write_results("roads", rows)


if __name__ == "__main__":
    main()
