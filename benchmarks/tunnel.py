"""What the link costs a cell: `1+1` on a runtime that dials in beside one that is reached at a URL.

`python benchmarks/tunnel.py [--rounds 1000]` starts one workspace and two runtimes of the same kind
on this machine. `url` is connected, `link` joins; a kernel on each executes by turns, a few cells
in a row as in "Run all".
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from peers import PromptClient, Server, cores, workspace, write_results
from support.joining import joining
from support.servers import lent

IN_A_ROW = 20


def prepare(stack: ExitStack) -> Server:
    """A workspace with the runtimes `url` and `link`."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    work = stack.enter_context(workspace(folder / "home", folder / "files"))
    (folder / "lent").mkdir()
    box = stack.enter_context(lent(folder / "lent"))
    body = {"url": box.url, "token": box.token, "name": "url"}
    assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
    invite = work.api("/ropeway/api/invites", "POST", {"name": "link"})[1]
    stack.enter_context(joining(folder / "joined", work.url, invite["token"]))
    while not has_joined(work, "link"):
        time.sleep(0.2)
    return work


def has_joined(work: Server, name: str) -> bool:
    """Whether that runtime is there."""
    rows = work.api("/ropeway/api/runtimes")[1]["runtimes"]
    return any(row["name"] == name and row["state"] == "connected" for row in rows)


async def measure(rounds: int) -> list[dict[str, Any]]:
    """A row for each way."""
    with ExitStack() as stack:
        work = prepare(stack)
        async with AsyncExitStack() as clients:
            peers = {}
            for name in ("url", "link"):
                model = work.api("/api/kernels", "POST", {"name": f"{name}.python3"})[1]
                client = PromptClient(work.url, work.token, model["id"])
                peers[name] = await clients.enter_async_context(client)
            times: dict[str, list[float]] = {name: [] for name in peers}
            for turn in range(rounds // IN_A_ROW):
                for name in sorted(peers, reverse=bool(turn % 2)):
                    for _ in range(IN_A_ROW):
                        began = time.perf_counter()
                        await peers[name].execute("1+1")
                        times[name].append((time.perf_counter() - began) * 1000)
    base = statistics.median(times["url"])
    return [
        {
            "peer": name,
            "median_ms": round(statistics.median(found), 2),
            "p95_ms": round(sorted(found)[int(len(found) * 0.95)], 2),
            "to_url": round(statistics.median(found) / base, 2),
            "cores": cores(),
        }
        for name, found in times.items()
    ]


def main() -> None:
    """Measure, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rows = asyncio.run(measure(parser.parse_args().rounds))
    for row in rows:
        print(row)
    write_results("tunnel", rows)


if __name__ == "__main__":
    main()
