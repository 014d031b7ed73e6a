"""What it costs that a cell runs elsewhere, and how fast values get there and back.

`python benchmarks/placement.py [--rounds 300] [--megabytes 1000]` starts a workspace and a runtime
that joins it over a link, all on this machine.

- `cell`: `1+1` in a notebook on that runtime, and the same with `%%on` in a notebook at home, by
  turns, a few in a row as in "Run all"; `home` is that notebook's own `1+1`.
- `send`, `get`: an array of floats, timed in the cell that moves it; `raw` is the same number of
  bytes through a link with nothing but sockets at its ends, by turns with them; `ipyparallel`
  pushes the array to an engine on this machine and pulls it, with no link between; and `pickle` is
  the array by Jupyter's own means: a notebook's client takes it out of one kernel as a pickle in
  base64, the text of a result, and puts it into the other as code.
- as root, the same over a line of 100 Mbit/s and 42 ms, beside what such a line can carry.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import ipyparallel
import numpy as np

import link
import slow_line
from peers import PromptClient, Server, cores, write_results
from slow_line import MBIT, TRIP_MS
from support.far_network import SlowLine
from support.servers import free_port
from tunnel import prepare

MADE = "import numpy as np, time\na = np.random.default_rng(1).random({megabytes} * 125000)"

IN_A_ROW = 10
REPEATS = 5
SLOW_MEGABYTES, SLOW_REPEATS = 200, 3
PICKLED_MEGABYTES = 5
"""Of the array by Jupyter's own means: a stock server takes no message beyond 10 MB."""


async def cells(work: Server, rounds: int) -> list[dict[str, Any]]:
    """A row for each way to run `1+1`."""
    async with AsyncExitStack() as clients:
        home, there = await _clients(work, clients)
        ways = {"home": (home, "1+1"), "direct": (there, "1+1"), "%%on": (home, "%%on link\n1+1")}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(1 + rounds // IN_A_ROW):
            for way in sorted(ways, reverse=bool(turn % 2)):
                client, code = ways[way]
                for _ in range(IN_A_ROW):
                    began = time.perf_counter()
                    run = await client.execute(code)
                    took = (time.perf_counter() - began) * 1000
                    assert run.of("execute_result"), run
                    if turn:  # the first one starts the companion
                        times[way].append(took)
    middle = {way: statistics.median(found) for way, found in times.items()}
    return [
        {
            "what": "cell",
            "peer": way,
            "median_ms": round(middle[way], 2),
            "p95_ms": round(sorted(found)[int(len(found) * 0.95)], 2),
            "over_direct_ms": round(middle[way] - middle["direct"], 2),
            "cores": cores(),
        }
        for way, found in times.items()
    ]


async def values(work: Server, megabytes: int) -> list[dict[str, Any]]:
    """A row for each way of an array, there and back."""
    async with AsyncExitStack() as clients:
        home, there = await _clients(work, clients)
        await home.execute(MADE.format(megabytes=megabytes))
        await home.execute("%%on link\n" + MADE.format(megabytes=megabytes))
        ways: dict[tuple[str, str], Callable[[], Awaitable[float]]] = {
            ("send", "raw"): lambda: link.up(port),
            ("get", "raw"): lambda: link.down(port),
            ("send", "ropeway"): lambda: moved(home, "link", "send"),
            ("get", "ropeway"): lambda: moved(home, "link", "get"),
            ("send", "pickle"): lambda: pickled(home, there),
            ("get", "pickle"): lambda: pickled(there, home),
            ("send", "ipyparallel"): lambda: parallel(engine, megabytes, "push"),
            ("get", "ipyparallel"): lambda: parallel(engine, megabytes, "pull"),
        }
        for client in (home, there):
            await client.execute(
                f"import numpy as np\nsmall = np.random.random({PICKLED_MEGABYTES} * 125000)"
            )
        with ExitStack() as stack:
            port, engine = raw_link(stack), stack.enter_context(ipyparallel.Cluster(n=1))[0]
            engine.execute("import numpy as np", block=True)
            found: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
            for turn in range(REPEATS):
                for way in sorted(ways, reverse=bool(turn % 2)):
                    found[way].append(await ways[way]())
    return [
        {
            "what": what,
            "peer": peer,
            "mb": PICKLED_MEGABYTES if peer == "pickle" else megabytes,
            "mb_per_s": round(statistics.median(speeds)),
            "to_raw": round(statistics.median(speeds) / statistics.median(found[what, "raw"]), 2),
            "cores": cores(),
        }
        for (what, peer), speeds in found.items()
    ]


async def parallel(engine: ipyparallel.DirectView, megabytes: int, way: str) -> float:
    """MB/s of an array to an engine of ipyparallel, or from there."""
    if way == "pull":
        engine.execute(f"b = np.random.default_rng(1).random({megabytes} * 125000)", block=True)
        began = time.perf_counter()
        size = engine.pull("b", block=True).nbytes
    else:
        array = np.random.default_rng(1).random(megabytes * 125000)
        size, began = array.nbytes, time.perf_counter()
        engine.push({"a": array}, block=True)
    return float(size) / 1e6 / (time.perf_counter() - began)


async def over_a_slow_line(megabytes: int) -> list[dict[str, Any]]:
    """A row for each way of an array, to a runtime behind such a line."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "files").mkdir()
        line = SlowLine(MBIT, TRIP_MS)
        stack.callback(line.end)
        line.start()
        work = stack.enter_context(slow_line.joined(folder, folder / "files", line))
        kernel = work.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
        async with PromptClient(work.url, work.token, kernel) as home:
            await home.execute(MADE.format(megabytes=megabytes))
            await home.execute("%%on far\n" + MADE.format(megabytes=megabytes), timeout=120)
            found = {
                what: [await moved(home, "far", what) for _ in range(SLOW_REPEATS)]
                for what in ("send", "get")
            }
    return [
        {
            "what": what,
            "peer": "ropeway over 100 Mbit/s",
            "mb": megabytes,
            "mb_per_s": round(statistics.median(speeds), 1),
            "to_raw": round(statistics.median(speeds) / (MBIT / 8), 2),
            "cores": cores(),
        }
        for what, speeds in found.items()
    ]


async def moved(client: PromptClient, runtime: str, what: str) -> float:
    """MB/s of the array to the companion on a runtime, or from there."""
    run = await client.execute(
        "t = time.perf_counter()\n"
        f"get_ipython().run_line_magic('on', '{runtime} --{what} a')\n"
        "print(a.nbytes / 1e6 / (time.perf_counter() - t))",
        timeout=300,
    )
    return float(run.text.split()[-1])


async def pickled(source: PromptClient, to: PromptClient) -> float:
    """MB/s of an array as text of a result and of a cell."""
    began = time.perf_counter()
    run = await source.execute("import base64, pickle\nbase64.b64encode(pickle.dumps(small))")
    text = ast.literal_eval(run.of("execute_result")[0]["data"]["text/plain"])
    code = f"import base64, pickle\nsmall = pickle.loads(base64.b64decode({text!r}))\nsmall.nbytes"
    run = await to.execute(code, store_history=False)
    size = int(run.of("execute_result")[0]["data"]["text/plain"])
    return size / 1e6 / (time.perf_counter() - began)


def raw_link(stack: ExitStack) -> int:
    """The port of a server behind a link, each part in a process of its own."""
    target, control, linked = free_port(), free_port(), free_port()
    stack.enter_context(link.part("serve", target))
    stack.enter_context(link.part("link_home", control, linked))
    stack.enter_context(link.part("link_runtime", control, target))
    time.sleep(4)
    return linked


async def _clients(work: Server, clients: AsyncExitStack) -> list[PromptClient]:
    """A kernel at home and one on the runtime."""
    found = []
    for name in ("python3", "link.python3"):
        model = work.api("/api/kernels", "POST", {"name": name})[1]
        client = PromptClient(work.url, work.token, model["id"])
        found.append(await clients.enter_async_context(client))
    return found


def main() -> None:
    """Measure, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--only", choices=("cells", "values", "slow"), default="")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        work = prepare(stack)
        if asked.only in ("", "cells"):
            rows += asyncio.run(cells(work, asked.rounds))
        if asked.only in ("", "values"):
            rows += asyncio.run(values(work, asked.megabytes))
    if asked.only in ("", "slow") and os.geteuid() == 0:
        rows += asyncio.run(over_a_slow_line(SLOW_MEGABYTES))
    for row in rows:
        print(row)
    if not asked.only:
        write_results("placement", rows)


if __name__ == "__main__":
    main()
