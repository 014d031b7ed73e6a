"""Make `BENCHMARKS.md` from the rows of the last runs: `python benchmarks/report.py`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

INTRO = """# Benchmarks

Each script runs its peers side by side in one run; only ratios inside one table mean anything.
The rows lie in `results/`; this page is made from them by `python benchmarks/report.py`. Measured
on {cores} shared cores, Debian, Python 3.11.

    pip install '.[test,benchmark]'
    python benchmarks/kernel.py && python benchmarks/start.py && python benchmarks/home_data.py
    python benchmarks/roads.py && python benchmarks/link.py
    python benchmarks/tunnel.py && python benchmarks/fleet.py && python benchmarks/journal.py
    python benchmarks/report.py
"""

KERNEL = """
## A kernel on a runtime (`kernel.py`)

`direct` is stock jupyter_server with a stock client. `floor` is the same with no-delay on every
leg and nothing between. `ropeway` is the server of `direct` as a runtime, through a workspace.
`--gateway-url` and kernels-mixer reach it too. Medians; *whole* counts the runs in which the
output arrived whole.

`in a row` are cells that follow one another, as in Run All: stock Jupyter waits 40 ms for a
delayed acknowledgement each time. A single cell after a pause is spared that by Linux.

"""

START = """
## From the command to the first cell (`start.py`)

A fresh home, a browser with an empty cache, the single-document page. *Page* is what crosses the
wire on a cold load; *idle* is the proportional memory of all processes that the command started
(for Ropeway the workspace and the runtime `here`).

"""

DATA = """
## A few rows of a large file at home (`home_data.py`)

A CSV of {mb:.0f} MB at home, 5 % of its rows and 4 of its 6 columns wanted in a kernel on another
runtime, over loopback. `copy` reads the whole file over HTTP and filters with pandas. Medians of
three runs; over a real link the bytes that cross are the time.

"""

ROADS = """
## The two roads of data (`roads.py`)

One kernel of the runtime `here` asks by turns over HTTP through home's door (`direct`) and over its
own WebSocket (`in-band`); `service` asks the data service itself, with neither kernel nor door
between. Medians; a large answer is {mb:.0f} MB that do not compress.

What the figures are made of: the service's time is the engine's and zstd's. The direct road adds
the door's copy; its small question is two requests (query, summary) over one connection that is
kept. In-band a question passes four processes, three replies come back for it, and the workspace
puts it to the service over two connections of its own, which took 7 ms of 16 when we looked; of a
large answer each 4 MB are copied and signed as one message at every station.

"""

ROADS_COLUMNS = {
    "trip_ms": "small question ms",
    "trip_p95_ms": "95 % within ms",
    "s": "large answer s",
    "mb_per_s": "MB/s",
}

LINK = """
## The link beside other forwards (`link.py`)

The same server behind each: nothing between, our link, OpenSSH's and asyncssh's remote forwards,
all on loopback. SSH encrypts, the link leaves that to TLS, which is not measured here. Medians of
five.

"""

LINK_COLUMNS = {
    "down_mb_s": "down MB/s",
    "up_mb_s": "up MB/s",
    "trip_ms": "there and back ms",
    "open_ms": "new connection ms",
}

TUNNEL = """
## A cell through the link (`tunnel.py`)

`1+1` in a row on two runtimes of one machine, by turns: one is reached at its URL, the other dials
in. Medians.

"""

TUNNEL_COLUMNS = {"median_ms": "median ms", "p95_ms": "95 % within ms", "to_url": "to url"}

FLEET = """
## A hundred runtimes on one workspace (`fleet.py`)

Joined over real links; behind them light servers with idle kernels, since real ones would not fit
this machine. *Memory* is the workspace's alone; the other columns are the milliseconds within which
19 of 20 requests were answered. The two lists are a hundred times longer in the second row. Most of
the memory is stock Jupyter's kernel managers and the buffers of ZMQ sockets, about 0.2 MB a kernel.

"""


JOURNAL = """
## What it costs that nothing is lost (`journal.py`)

Cells as JupyterLab sends them, which are recorded, beside the same cells without a cell's id,
which are not: by turns, on one kernel, medians. Then: opening a notebook with 10 MB of outputs that
lie in the journal alone, and once more when its file has them; the workspace's memory while a cell
prints with no page open; and the time from the start of a workspace that was killed to the list of
its kernels, with none and with all of them.

"""


def main() -> None:
    """Write the page."""
    kernel, start, data, roads = (rows(name) for name in ("kernel", "start", "home_data", "roads"))
    page = INTRO.format(cores=kernel[0]["cores"]) + KERNEL + kernel_table(kernel)
    page += START + start_table(start) + DATA.format(mb=data[0]["csv_mb"]) + data_table(data)
    page += ROADS.format(mb=roads[0]["mb"]) + table(roads, ROADS_COLUMNS)
    page += LINK + table(rows("link"), LINK_COLUMNS) + TUNNEL
    page += table(rows("tunnel"), TUNNEL_COLUMNS) + FLEET + fleet_table(rows("fleet"))
    page += JOURNAL + journal_table(rows("journal"))
    (HERE / "BENCHMARKS.md").write_text(page, "utf-8")


def journal_table(found: list[dict[str, Any]]) -> str:
    """Cells with and without the recorder, then one line for each of the others."""
    lines = ["| | recorded ms | not recorded ms | ratio |", "|---|---|---|---|"]
    for row in found:
        if row["what"] == "recording":
            both = f"{row['recorded_ms']} | {row['not_recorded_ms']}"
            lines.append(f"| {row['task']} | {both} | {row['ratio']} |")
    lines += ["", "| | |", "|---|---|"]
    for row in found:
        if row["what"] != "recording":
            figures = {k: v for k, v in row.items() if k not in ("what", "cores")}
            shown = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items())
            lines.append(f"| {row['what']} | {shown} |")
    return "\n".join(lines) + "\n"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a benchmark's last run."""
    text = (HERE / "results" / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def kernel_table(found: list[dict[str, Any]]) -> str:
    """One line a task and peer."""
    lines = [
        "| task | peer | median ms | to direct | to floor | whole |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        figures = [_or_dash(row[key]) for key in ("median_ms", "to_direct", "to_floor")]
        lines.append(
            f"| {row['task']} | {row['peer']} | {' | '.join(figures)} | {row['complete']} |"
        )
    return "\n".join(lines) + "\n"


def start_table(found: list[dict[str, Any]]) -> str:
    """One line a peer."""
    lines = ["| | up s | first cell s | page MB | idle MB |", "|---|---|---|---|---|"]
    for row in found:
        figures = [str(row[key]) for key in ("up_s", "first_cell_s", "page_mb", "idle_mb")]
        lines.append(f"| {row['peer']} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def data_table(found: list[dict[str, Any]]) -> str:
    """One line a way."""
    lines = ["| | s | MB crossed | kernel peak MB |", "|---|---|---|---|"]
    for peer in dict.fromkeys(row["peer"] for row in found):
        runs = [row for row in found if row["peer"] == peer]
        seconds = statistics.median(row["s"] for row in runs)
        crossed = runs[0]["crossed"] / 1e6
        memory = statistics.median(row["kernel_mb"] for row in runs)
        lines.append(f"| {peer} | {seconds:.2f} | {crossed:.2f} | {memory:.0f} |")
    return "\n".join(lines) + "\n"


def table(found: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """One line a peer; `columns` are the keys of the rows and what stands above them."""
    lines = [f"| | {' | '.join(columns.values())} |", "|" + "---|" * (1 + len(columns))]
    for row in found:
        lines.append(f"| {row['peer']} | {' | '.join(str(row[key]) for key in columns)} |")
    return "\n".join(lines) + "\n"


def fleet_table(found: list[dict[str, Any]]) -> str:
    """One line a size."""
    paths = list(found[0]["p95_ms"])
    lines = [
        f"| runtimes | kernels | memory MB | CPU % | {' | '.join(f'`{path}`' for path in paths)} |",
        "|" + "---|" * (4 + len(paths)),
    ]
    for row in found:
        figures = [row[key] for key in ("runtimes", "kernels", "memory_mb", "cpu_percent")]
        figures += [row["p95_ms"][path] for path in paths]
        lines.append(f"| {' | '.join(map(str, figures))} |")
    return "\n".join(lines) + "\n"


def _or_dash(value: object) -> str:
    return "never whole" if value is None else str(value)


if __name__ == "__main__":
    main()
