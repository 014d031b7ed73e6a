"""What it costs that checkpoints come home while a cell runs.

`python benchmarks/checkpoints.py`: a NumPy loop writes a file of 20 MB each 4 seconds, by turns

- `alone`: and nobody looks;
- `checkpoint`: and `rw.checkpoint` brings them home.

Steps of the loop, and how long after it was written a file stood at home. Then a file of 200 MB
whose coming home is waited for (`flush`), new and with one byte changed. Each on the runtime
`here`, by the direct road, and on a plain server, in-band.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers import cores, workspace, write_results
from support.notebook import Notebook
from support.servers import Server, plain_jupyter

SECONDS = 20
REPEATS = 3

LOOP = """
import json, os, pathlib, time, numpy as np, ropeway as rw
runs = rw.checkpoint("NAME") if WATCHED else pathlib.Path("NAME")
os.makedirs(runs, exist_ok=True)
a, content = np.random.default_rng(1).normal(size=(300, 300)), bytearray(os.urandom(20_000_000))
steps, written, began = 0, {}, time.perf_counter()
while (now := time.perf_counter() - began) < SECONDS:
    a = a @ a
    a /= np.abs(a).max()
    steps += 1
    if now > 4 * len(written) + 1:
        content[::1000] = os.urandom(20_000)
        name = f"step-{len(written)}"
        with open(runs / name, "wb") as file:
            file.write(content)
        written[name] = time.time()
print(json.dumps({"steps": steps, "written": written}))
"""

FLUSH = """
import json, os, time, ropeway as rw
runs = rw.checkpoint("flushed")
content, took = bytearray(os.urandom(200_000_000)), []
for _ in range(2):
    content[100_000_000] ^= 1
    open(runs / "a", "wb").write(content)
    began = time.perf_counter(); runs.flush(); took.append(time.perf_counter() - began)
print(json.dumps(took))
"""


def loop(name: str, watched: bool) -> str:
    """The cell with the loop, which writes into a folder of its own."""
    told = {"NAME": name, "WATCHED": str(watched), "SECONDS": str(SECONDS)}
    return re.sub("|".join(told), lambda found: told[found[0]], LOOP)


class Watch:
    """When each file came to stand at home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for path in self.folder.glob("step-*"):
                self.seen.setdefault(path.name, time.time())
            await asyncio.sleep(0.05)


async def cell(work: Server, runtime: str, name: str, source: str) -> Any:
    """What a cell of a notebook of its own prints, as JSON."""
    notebook = Notebook(work, f"{name}.ipynb", [source], runtime)
    async with notebook.page() as page:
        asked = notebook.run(page, 0)
        ran = await asyncio.wait_for(page.collect(asked, []), 300)
    work.api(f"/api/sessions/{notebook.session['id']}", "DELETE")
    assert ran.reply["status"] == "ok", ran.reply
    return json.loads(ran.text)


async def measure_runtime(work: Server, runtime: str, road: str) -> list[dict[str, Any]]:
    """A row for each way, and one for what is waited for."""
    steps: dict[str, list[int]] = {"alone": [], "checkpoint": []}
    lags: list[float] = []
    for turn in range(REPEATS):
        for way, found in steps.items():
            name = f"{runtime}-{way}-{turn}"
            watch = Watch(work.root / f".ropeway/artefacts/{name}.ipynb/files/{name}")
            watching = asyncio.create_task(watch.run())
            told = await cell(work, runtime, name, loop(name, way == "checkpoint"))
            watching.cancel()
            found.append(told["steps"])
            lags += [at - told["written"][each] for each, at in watch.seen.items()]
    first, again = await cell(work, runtime, f"{runtime}-flush", FLUSH)
    return [
        {
            "peer": road,
            "alone_steps": statistics.median(steps["alone"]),
            "steps": statistics.median(steps["checkpoint"]),
            "lag_s": round(statistics.median(lags), 2),
            "lag_most_s": round(max(lags), 2),
            "flush_mb_per_s": round(200 / first, 1),
            "again_s": round(again, 2),
            "cores": cores(),
        }
    ]


async def measure() -> list[dict[str, Any]]:
    """Both roads."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain = stack.enter_context(plain_jupyter(folder / "plain"))
        work = stack.enter_context(workspace(folder / "home", folder / "files"))
        body = {"url": plain.url, "token": plain.token, "name": "plain"}
        status, answer = work.api("/ropeway/api/runtimes", "POST", body)
        assert status == 201, answer
        rows = await measure_runtime(work, "here", "direct")
        return rows + await measure_runtime(work, "plain", "in-band")


def main() -> None:
    """Measure, print, keep the rows."""
    rows = asyncio.run(measure())
    for row in rows:
        print(row)
    write_results("checkpoints", rows)


if __name__ == "__main__":
    main()
