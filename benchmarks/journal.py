"""What it costs that nothing is lost: the journal, the author, and a workspace that starts again.

`python benchmarks/journal.py [--gigabytes 2] [--kernels 20]` measures on one workspace

- cells that are recorded beside the same cells sent without a cell's id, which are not, by turns;
- opening a notebook whose outputs lie in the journal alone, beside opening it once they are saved;
- the workspace's memory while a cell prints gigabytes with no page open;
- a workspace that was killed: the time until the next one lists every kernel again.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from peers import PromptClient, Server, cores, workspace, write_results
from support.notebook import Notebook

TASKS = {
    "1+1": ("1+1", 400),
    "print 50 MB": ('print("x" * 50_000_000)', 7),
    "50 x 1 MB": (
        'import sys\nfor _ in range(50): print("x" * 1_000_000); sys.stdout.flush()',
        7,
    ),
    "5,000 displays": (
        "from IPython.display import display\n"
        "for i in range(5000): display({'text/plain': str(i)}, raw=True)",
        5,
    ),
}


class CellClient(PromptClient):
    """A page that says to which cell a request belongs, as JupyterLab does."""

    def send(self, channel: str, kind: str, *args: Any, **kwargs: Any) -> str:
        """Send a message; returns its id."""
        metadata = {"cellId": "a-cell"} if kind == "execute_request" else {}
        return super().send(channel, kind, *args, **{**kwargs, "metadata": metadata})


async def recording(work: Server) -> list[dict[str, Any]]:
    """A row a task: medians with and without the recorder."""
    rows = []
    notebook = Notebook(work, "recorded.ipynb", ["1"])
    async with AsyncExitStack() as stack:
        peers = {
            "recorded": CellClient(work.url, work.token, notebook.kernel),
            "not recorded": PromptClient(work.url, work.token, notebook.kernel),
        }
        for client in peers.values():
            await stack.enter_async_context(client)
            await client.execute("1+1")
        for task, (code, rounds) in TASKS.items():
            times: dict[str, list[float]] = {name: [] for name in peers}
            for turn in range(rounds):
                for name in sorted(peers, reverse=bool(turn % 2)):
                    began = time.perf_counter()
                    await peers[name].execute(code)
                    times[name].append((time.perf_counter() - began) * 1000)
            middle = {name: statistics.median(found) for name, found in times.items()}
            ratio = round(middle["recorded"] / middle["not recorded"], 3)
            shown = {f"{name.replace(' ', '_')}_ms": round(ms, 2) for name, ms in middle.items()}
            rows.append({"what": "recording", "task": task, **shown, "ratio": ratio})
            print(rows[-1], flush=True)
    return rows


async def reopening(work: Server) -> dict[str, Any]:
    """Milliseconds to open a notebook with 10 MB of outputs, from the journal and from its file."""
    text = "for i in range(1_000): print(i, 'x' * 990)"
    times: dict[str, list[float]] = {"journal": [], "file": []}
    for number in range(5):
        notebook = Notebook(work, f"open{number}.ipynb", [text] * 10)
        async with notebook.page() as page:
            for cell in range(10):
                await page.collect(notebook.run(page, cell), [])
        await asyncio.sleep(0.2)
        for kind in times:
            began = time.perf_counter()
            cells = notebook.opened()["cells"]
            times[kind].append((time.perf_counter() - began) * 1000)
            texts = ("".join(cell["outputs"][0]["text"]) for cell in cells)
            assert sum(map(len, texts)) > 9_900_000
    middle = {f"{kind}_ms": round(statistics.median(found), 1) for kind, found in times.items()}
    return {"what": "reopening 10 MB", **middle}


async def flooding(work: Server, gigabytes: float) -> dict[str, Any]:
    """Megabytes that the workspace takes before and while a cell prints with no page open."""
    count = int(gigabytes * 1000)
    code = f"import sys\nfor _ in range({count}): print('x' * 999_999); sys.stdout.flush()"
    notebook = Notebook(work, "flood.ipynb", [code])
    process = psutil.Process(work.process.pid)
    before = process.memory_info().rss / 1e6
    async with notebook.page() as page:
        notebook.run(page, 0)
        await asyncio.sleep(0.5)
    peak, began = before, time.monotonic()
    while notebook.cell(0).execution_count is None:
        peak = max(peak, process.memory_info().rss / 1e6)
        assert time.monotonic() - began < 900
        await asyncio.sleep(0.2)
    return {
        "what": f"printing {gigabytes:g} GB",
        "before_mb": round(before),
        "peak_mb": round(peak),
        "after_mb": round(process.memory_info().rss / 1e6),
        "s": round(time.monotonic() - began, 1),
    }


def restarting(folder: Path, count: int) -> dict[str, Any]:
    """Seconds from the start of a workspace to the list of all its kernels."""
    seconds = {}
    for kernels in (0, count):
        place = folder / f"restart{kernels}"
        with workspace(place / "home", place / "files") as first:
            for number in range(kernels):
                Notebook(first, f"n{number}.ipynb", ["1"])
            first.kill()
        began = time.monotonic()
        with workspace(place / "home", place / "files") as second:
            listed = second.api("/api/kernels")[1]
            seconds[kernels] = time.monotonic() - began
            assert len(listed) == kernels
            assert all(_answers(second, model["id"]) for model in listed)
    return {
        "what": f"restart with {count} kernels",
        "none_s": round(seconds[0], 2),
        "all_s": round(seconds[count], 2),
    }


def _answers(work: Server, kernel: str) -> bool:
    async def ask() -> str:
        async with PromptClient(work.url, work.token, kernel) as page:
            return (await page.execute("print(6 * 7)", timeout=20)).text

    return asyncio.run(ask()) == "42\n"


@contextmanager
def fresh(folder: Path) -> Iterator[Server]:
    """A workspace of its own."""
    with workspace(folder / "home", folder / "files") as work:
        yield work


def main() -> None:
    """Measure, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--kernels", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with fresh(folder / "one") as work:
            rows = asyncio.run(recording(work))
            rows.append(asyncio.run(reopening(work)))
        with fresh(folder / "two") as work:
            rows.append(asyncio.run(flooding(work, given.gigabytes)))
        rows.append(restarting(folder, given.kernels))
    for row in rows:
        row["cores"] = cores()
        print(row)
    write_results("journal", rows)


if __name__ == "__main__":
    main()
