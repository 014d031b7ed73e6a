"""Twenty kernels that ask home at once, and the page meanwhile.

`python benchmarks/many_kernels.py`: each kernel of the runtime `here` asks for sums over a Parquet
file of two million rows, again and again, for a while. Told are how many answers each got (the
fewest and the most), and within how many milliseconds 19 of 20 requests of the page were answered
before and meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from peers import PromptClient, Server, cores, workspace, write_results
from sales import add_datasets, make

PATHS = ("/lab", "/api/contents", "/ropeway/api/runtimes")

ASK = """
import ropeway as rw, time
count, waits, end = 0, [], time.monotonic() + {seconds}
while time.monotonic() < end:
    began = time.monotonic()
    rw.sql(f"select region, sum(amount * {{count}}) from sales group by region").arrow()
    waits.append(time.monotonic() - began)
    count += 1
import json
print(json.dumps([count, max(waits)]))
"""


async def measure(kernels: int, seconds: float) -> list[dict[str, Any]]:
    """One row."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = folder / "files"
        files.mkdir()
        _, parquet = make(files, 2_000_000)
        add_datasets(folder / "home", files, {"sales": (str(parquet),)})
        work = stack.enter_context(workspace(folder / "home", files))
        async with AsyncExitStack() as clients:
            asking = []
            for _ in range(kernels):
                model = work.api("/api/kernels", "POST", {"name": "python3"})[1]
                client = PromptClient(work.url, work.token, model["id"])
                asking.append(await clients.enter_async_context(client))
                await asking[-1].execute("import ropeway as rw, pyarrow", timeout=120)
            before = await asyncio.to_thread(_page, work, seconds / 2)
            code = ASK.format(seconds=seconds)
            runs = [asyncio.create_task(each.execute(code, timeout=300)) for each in asking]
            await asyncio.sleep(2)
            meanwhile = await asyncio.to_thread(_page, work, seconds / 2)
            told = [json.loads((await run).text) for run in runs]
    counts = [count for count, _ in told]
    return [
        {
            "kernels": kernels,
            "seconds": seconds,
            "fewest": min(counts),
            "most": max(counts),
            "longest_s": round(max(longest for _, longest in told), 2),
            "before_ms": before,
            "meanwhile_ms": meanwhile,
            "cores": cores(),
        }
    ]


def _page(work: Server, seconds: float) -> dict[str, float]:
    """The 95th percentile of the requests of a page, in ms."""
    times: dict[str, list[float]] = {path: [] for path in PATHS}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in PATHS:
            times[path].append(_request(work, path))
        time.sleep(0.02)
    return {path: round(statistics.quantiles(found, n=20)[-1], 1) for path, found in times.items()}


def _request(work: Server, path: str) -> float:
    headers = {"Authorization": f"token {work.token}"}
    began = time.perf_counter()
    urllib.request.urlopen(urllib.request.Request(work.url + path, headers=headers)).read()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure, print, keep the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.kernels, options.seconds))
    print(rows)
    write_results("many_kernels", rows)


if __name__ == "__main__":
    main()
