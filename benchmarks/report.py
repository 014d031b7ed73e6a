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
    python benchmarks/slow_line.py  # as root; its --sales keeps 3 GB of files for the next run
    python benchmarks/databases.py && python benchmarks/flight.py && python benchmarks/guard.py
    python benchmarks/many_kernels.py
    python benchmarks/tunnel.py && python benchmarks/fleet.py && python benchmarks/journal.py
    python benchmarks/placement.py && python benchmarks/checkpoints.py
    python benchmarks/lost.py --help  # which environments its peers need
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

SLOW_LINE = """
## A few rows of a large file, over a slow line (`slow_line.py`)

A CSV of 2.1 GB and 20 columns at home, 5 % of its rows (500,000) wanted as a DataFrame in a kernel
that has dialled in over a line of 100 Mbit/s and 42 ms. `copy` downloads the whole file; in
`pandas, gz` pandas filters at home and writes a gzipped CSV; `psycopg2` fetches from PostgreSQL at
home, with its password in the kernel. Medians of three runs, `copy` of one. *To gz* is how many
times faster than `pandas, gz`; *line* is how much of it the answer fills from the first row to the
last, where it takes longer than a second; memory is the peak of the kernel, and of what answers at
home (without PostgreSQL itself).

"""

DATABASES = """
## PostgreSQL, beside psycopg2 (`databases.py`)

8 columns of a whole table of 1.5 million rows, on loopback. *Kernel* is its peak memory, *home*
that of the data service, which psycopg2 has no use for. `COPY` is PostgreSQL's own output of these
rows, which `rw.sql` reads, taken by psql and thrown away. Medians of five. Of a query that
keeps few rows of a large table PostgreSQL's own scan takes most of the time, whoever asks.

"""

DATABASES_COLUMNS = {
    "s": "s",
    "first_s": "first rows s",
    "kernel_mb": "kernel MB",
    "home_mb": "home MB",
}

FLIGHT = """
## A large answer, beside Arrow Flight (`flight.py`)

A query over Parquet on loopback: a Flight server that hands DuckDB's batches on, and home with its
policy, sandbox, door and ledger. Medians of five.

"""

GUARD = """
## What the guard costs (`guard.py`)

From a query's text to the permission to run it, each query at its median of ten.

"""

MANY_KERNELS = """
## Many kernels that ask at once (`many_kernels.py`)

Sums over two million rows, asked again and again by all of them on this machine, so that the cores
are never idle. Then the milliseconds within which 19 of 20 requests of a page were answered, before
and meanwhile.

"""

ROADS = """
## The two roads of data (`roads.py`)

One kernel of the runtime `here` asks by turns over HTTP (`direct`; on home's own machine past the
door) and over its own WebSocket (`in-band`); `service` asks the data service itself, with neither
kernel nor door between. Medians; a large answer is {mb:.0f} MB that do not compress.

What the figures are made of: the service's time is the engine's and zstd's. The direct road adds
next to nothing; its small question is two requests (query, summary) over one connection that is
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

PLACEMENT = """
## Cells and values on another runtime (`placement.py`)

A runtime that dials in, on the same machine. *home* is `1+1` in a notebook at home, *direct* in one
on that runtime, *%%on* in the notebook at home with that line. Then an array of floats, to the
companion and back: *raw* is as many bytes through a link with nothing but sockets at its ends,
*pickle* a small array as text, by Jupyter's own means; *ipyparallel* has no link between. A virtual
machine that has never used its memory takes longer for the first array: fill the memory once
before. Over a line of 100 Mbit/s and 42 ms *to raw* is the share of what such a line carries.
Medians.

"""

CHECKPOINTS = """
## Files that come home while a cell runs (`checkpoints.py`)

A loop in NumPy writes a file of 20 MB every 4 seconds, by turns with nobody looking and with
`rw.checkpoint` on the folder: the steps of the loop in 20 seconds, and how long after it was
written a file stood at home. Then a new file of 200 MB whose coming home is waited for, and the
same with one byte changed. Medians.

"""

CHECKPOINTS_COLUMNS = {
    "alone_steps": "steps alone",
    "steps": "steps",
    "lag_s": "lag s",
    "lag_most_s": "longest s",
    "flush_mb_per_s": "MB/s",
    "again_s": "one byte s",
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

LOST = """
## What a notebook has lost (`lost.py`)

JupyterLab in a real Chromium. For each fault cells print {count} numbers; after a quarter of them
it comes, and when the cell has ended whoever sat there comes back, opens the notebook where no page
shows it any more, and saves. *Numbers that stand in the file once and in order, of those that were
printed.* Where less than {count} were printed, the kernel ended with its server. All peers run at
the same time.

"""


def main() -> None:
    """Write the page."""
    kernel, start, data, roads = (rows(name) for name in ("kernel", "start", "home_data", "roads"))
    page = INTRO.format(cores=kernel[0]["cores"]) + KERNEL + kernel_table(kernel)
    page += START + start_table(start) + DATA.format(mb=data[0]["csv_mb"]) + data_table(data)
    if was_measured("slow_line"):
        page += SLOW_LINE + slow_line_table(rows("slow_line"))
    if was_measured("databases"):
        page += DATABASES + table(medians(rows("databases")), DATABASES_COLUMNS)
    if was_measured("flight"):
        page += FLIGHT + table(rows("flight"), {"mb": "MB", "s": "s", "mb_per_s": "MB/s"})
    page += GUARD + table(
        rows("guard"), {"queries": "queries", "median_ms": "median ms", "worst_ms": "worst ms"}
    )
    if was_measured("many_kernels"):
        page += MANY_KERNELS + many_kernels_table(rows("many_kernels")[0])
    page += ROADS.format(mb=roads[0]["mb"]) + table(roads, ROADS_COLUMNS)
    page += LINK + table(rows("link"), LINK_COLUMNS) + TUNNEL
    page += table(rows("tunnel"), TUNNEL_COLUMNS) + FLEET + fleet_table(rows("fleet"))
    page += JOURNAL + journal_table(rows("journal"))
    if was_measured("placement"):
        page += PLACEMENT + placement_table(rows("placement"))
    if was_measured("checkpoints"):
        page += CHECKPOINTS + table(rows("checkpoints"), CHECKPOINTS_COLUMNS)
    lost = rows("lost")
    page += LOST.format(count=lost[0]["of"]) + lost_table(lost)
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


def placement_table(found: list[dict[str, Any]]) -> str:
    """Two small tables: cells, and values each way."""
    cells = [row for row in found if row["what"] == "cell"]
    columns = {
        "median_ms": "median ms",
        "p95_ms": "95 % within ms",
        "over_direct_ms": "over direct ms",
    }
    values = [{**row, "peer": f"{row['what']}, {row['peer']}"} for row in found if "mb" in row]
    shown = table(cells, columns) + "\n"
    return shown + table(values, {"mb": "MB", "mb_per_s": "MB/s", "to_raw": "to raw"})


def lost_table(found: list[dict[str, Any]]) -> str:
    """One line a fault, one column a peer."""
    peers = list(dict.fromkeys(row["peer"] for row in found))
    lines = [f"| | {' | '.join(peers)} |", "|" + "---|" * (1 + len(peers))]
    for case in dict.fromkeys(row["case"] for row in found):
        shown = {r["peer"]: f"{r['stand']} of {r['printed']}" for r in found if r["case"] == case}
        lines.append(f"| {case} | {' | '.join(shown[peer] for peer in peers)} |")
    return "\n".join(lines) + "\n"


def was_measured(name: str) -> bool:
    """Whether the benchmark was run to its end on a quiet machine: only then its rows are kept."""
    return (HERE / "results" / f"{name}.jsonl").exists()


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


def medians(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a peer, with the median of each figure."""
    return [
        {"peer": peer}
        | {
            key: _median([row for row in found if row["peer"] == peer], key)
            for key in found[0]
            if key not in ("peer", "run")
        }
        for peer in dict.fromkeys(row["peer"] for row in found)
    ]


def _median(runs: list[dict[str, Any]], key: str) -> float | str:
    values = [row[key] for row in runs if row[key] is not None]
    return round(statistics.median(values), 3) if values else "–"


def slow_line_table(found: list[dict[str, Any]]) -> str:
    """One line a way."""
    each = {row["peer"]: row for row in medians(found)}
    gz = each["pandas, gz"]["s"]
    lines = ["| | s | to gz | MB crossed | line % | kernel MB | home MB |", "|" + "---|" * 7]
    for peer, row in each.items():
        crossed = row["mb"] or "–"
        flown = row["s"] - (row["first_s"] if isinstance(row["first_s"], float) else 0.0)
        fills = round(row["mb"] * 8 / flown) if row["mb"] and flown > 1 else "–"
        figures = [round(row["s"], 2), f"{gz / row['s']:.1f}", crossed, fills]
        figures += [round(row["kernel_mb"]), round(row["home_mb"])]
        lines.append(f"| {peer} | {' | '.join(map(str, figures))} |")
    return "\n".join(lines) + "\n"


def many_kernels_table(row: dict[str, Any]) -> str:
    """Two small tables."""
    lines = ["| kernels | seconds | answers, fewest | most | longest wait s |", "|" + "---|" * 5]
    keys = ("kernels", "seconds", "fewest", "most", "longest_s")
    lines += [f"| {' | '.join(str(row[key]) for key in keys)} |", ""]
    lines += ["| | before ms | meanwhile ms |", "|---|---|---|"]
    for path, before in row["before_ms"].items():
        lines.append(f"| `{path}` | {before} | {row['meanwhile_ms'][path]} |")
    return "\n".join(lines) + "\n"


def _or_dash(value: object) -> str:
    return "never whole" if value is None else str(value)


if __name__ == "__main__":
    main()
