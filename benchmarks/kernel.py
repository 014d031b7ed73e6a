"""How much a kernel on a runtime costs over the same kernel reached directly.

`python benchmarks/kernel.py [--rounds 1000]` runs every peer side by side, a few executions each
in turn, so that noise of the machine hits all alike. See `peers.py` for who the peers are.

`1+1 in a row` are cells that follow one another, as in "Run all": there stock Jupyter waits 40 ms
for a delayed acknowledgement. `1+1 after a pause` is a cell by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from typing import Any

from peers import PEERS, KernelClient, Server, cores, servers, write_results

PRINT_50_MB = 'print("x" * 50_000_000)'
STREAM_50_MB = 'import sys\nfor _ in range(50): print("x" * 1_000_000); sys.stdout.flush()'
TIMEOUT = 20
IN_A_ROW = 20


async def measure(rounds: int, heavy_rounds: int) -> list[dict[str, Any]]:
    """Every peer's times, as rows."""
    with servers() as made:
        async with AsyncExitStack() as stack:
            clients = {}
            for name, (server, kernel, kind) in made.items():
                client = kind(server.url, server.token, _start(server, kernel))
                clients[name] = await stack.enter_async_context(client)
                for _ in range(10):
                    await client.execute("1+1")
            found = {
                "1+1 in a row": await _interleaved(clients, "1+1", rounds, 0, IN_A_ROW),
                "1+1 after a pause": await _interleaved(clients, "1+1", rounds // 5, 0),
                "print 50 MB": await _interleaved(clients, PRINT_50_MB, heavy_rounds, 50_000_001),
                "50 x 1 MB": await _interleaved(clients, STREAM_50_MB, heavy_rounds, 50_000_050),
            }
    return [
        _row(task, name, times) for task, peers in found.items() for name, times in peers.items()
    ]


def _start(server: Server, kernel: str) -> str:
    status, model = server.api("/api/kernels", "POST", {"name": kernel})
    assert status == 201, model
    return str(model["id"])


async def _interleaved(
    clients: dict[str, KernelClient], code: str, rounds: int, expected: int, in_a_row: int = 1
) -> dict[str, list[float | None]]:
    times: dict[str, list[float | None]] = {name: [] for name in clients}
    for turn in range(rounds // in_a_row):
        order = list(clients)[turn % len(clients) :] + list(clients)[: turn % len(clients)]
        for name in order:
            for _ in range(in_a_row):
                times[name].append(await _one(clients[name], code, expected))
    return times


async def _one(client: KernelClient, code: str, expected: int) -> float | None:
    """Seconds, or None when the output did not arrive whole."""
    begun = time.perf_counter()
    try:
        ran = await client.execute(code, timeout=TIMEOUT)
    except (TimeoutError, ConnectionError):
        return None
    took = time.perf_counter() - begun
    return took if len(ran.text) == expected else None


def _row(task: str, name: str, times: list[float | None]) -> dict[str, Any]:
    whole = [t for t in times if t is not None]
    median = statistics.median(whole) if whole else None
    return {
        "task": task,
        "peer": name,
        "median_ms": None if median is None else round(median * 1000, 2),
        "complete": f"{len(whole)}/{len(times)}",
    }


def main() -> None:
    """Measure, print a table, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--heavy-rounds", type=int, default=7)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.rounds, options.heavy_rounds))
    for row in rows:
        base = next(r for r in rows if r["task"] == row["task"] and r["peer"] == "direct")
        floor = next(r for r in rows if r["task"] == row["task"] and r["peer"] == "floor")
        row["cores"] = cores()
        for name, other in (("to_direct", base), ("to_floor", floor)):
            both = row["median_ms"] and other["median_ms"]
            row[name] = round(row["median_ms"] / other["median_ms"], 2) if both else None
        print(row)
    assert {row["peer"] for row in rows} == set(PEERS)
    write_results("kernel", rows)


if __name__ == "__main__":
    main()
