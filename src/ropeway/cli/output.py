"""`ropeway output`: everything that a cell printed, also what its notebook leaves out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.table import Table

from ropeway import config
from ropeway.errors import BadInput, NotFound
from ropeway.kernel.words import bytes_text
from ropeway.workspace.journal import Run
from ropeway.workspace.running import find_root, running_workspace
from ropeway.workspace.transcript import Transcript

LOOK_SECONDS = 0.5


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("--cell", metavar="N|ID", help="The cell: its place, counted from 1, or its id.")
@click.option("--run", type=int, metavar="NUMBER", help="An earlier run, by its number in --list.")
@click.option("--list", "as_list", is_flag=True, help="List the runs that are kept.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines alone.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the cell has ended.")
@click.option(
    "-o", "--output", "to", type=click.Path(path_type=Path), metavar="FILE", help="Into a file."
)
def output(
    notebook: Path,
    cell: str | None,
    run: int | None,
    as_list: bool,
    tail: int | None,
    follow: bool,
    to: Path | None,
) -> None:
    """Print everything that a cell of NOTEBOOK printed, as home keeps it.

    A notebook shows the beginning and the end of what is very long; the journal has all of it, up
    to 2 GB a run. Without --cell it is the cell that was run last. The workspace may run or not.

    \b
    Examples:
      ropeway output train.ipynb                   of the cell that was run last
      ropeway output train.ipynb --cell 3 -o log.txt
      ropeway output train.ipynb --tail 20 -f      how it goes, until it has ended
      ropeway output train.ipynb --list            which runs are kept
    """
    root, path = _workspace_of(notebook)
    with closing(Transcript(root)) as transcript:
        runs = transcript.runs(path)
        if cell is not None:
            runs = _of_cell(runs, cell, notebook)
        if not runs:
            raise NotFound(
                f"Nothing that {notebook} printed is kept.",
                hint="Run its cells in a workspace; what is old is dropped (journal.days).",
            )
        if as_list:
            Console().print(_table(transcript, runs))
            return
        chosen = _chosen(runs, run, notebook)
        if to is None:
            _print(root, transcript, chosen, tail, follow, sys.stdout)
            return
        with to.open("w", encoding="utf-8", errors="replace") as file:
            _print(root, transcript, chosen, tail, follow, file)


def _print(
    root: Path, transcript: Transcript, run: Run, tail: int | None, follow: bool, to: TextIO
) -> None:
    for text in _texts(root, transcript, run, tail, follow):
        # A terminal or a pipe may not know every character that a cell prints.
        to.write(text.encode(to.encoding, "replace").decode(to.encoding))
        to.flush()


def _texts(
    root: Path, transcript: Transcript, run: Run, tail: int | None, follow: bool
) -> Iterator[str]:
    reached = 0
    if tail is not None:
        reached, text = transcript.tail(run, tail)
        yield text
        if not follow:
            return
    while True:
        # Asked before it is read: what a cell says before its end is read once it has ended.
        now = transcript.run(run.request)
        running = now is not None and now.ended is None and running_workspace(root) is not None
        for number, text in transcript.pieces(run, reached):
            reached = number
            yield text
        if not (follow and running):
            return
        time.sleep(LOOK_SECONDS)


def _workspace_of(notebook: Path) -> tuple[Path, str]:
    """The workspace that keeps what a notebook's cells say, and the notebook's path there."""
    absolute = notebook.absolute().resolve()
    for root in dict.fromkeys((find_root(absolute.parent), *absolute.parents)):
        kept = config.workspace_state_path(root) / "journal" / "journal.sqlite"
        if kept.is_file() and absolute.is_relative_to(root.resolve()):
            return root, absolute.relative_to(root.resolve()).as_posix()
    raise NotFound(
        f"No workspace keeps what {notebook} printed.",
        hint="Check the path; output is kept where `ropeway` has run.",
    )


def _of_cell(runs: list[Run], cell: str, notebook: Path) -> list[Run]:
    """The runs of a cell, by its id or its place. Raises `BadInput` or `NotFound`."""
    found = [run for run in runs if run.cell == cell]
    if not found and cell.isdecimal():
        cell = _cell_at(notebook, int(cell))
        found = [run for run in runs if run.cell == cell]
    if not found:
        raise NotFound(
            f"Nothing that cell {cell} of {notebook} printed is kept.",
            hint=f"`ropeway output {notebook} --list` lists what is.",
        )
    return found


def _cell_at(notebook: Path, place: int) -> str:
    """The id of the cell at a place, counted from 1."""
    try:
        cells = json.loads(notebook.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            f"{notebook} cannot be read, so cell {place} is not known.",
            hint="Give the cell's id; --list shows it.",
        ) from None
    if not 0 < place <= len(cells):
        raise BadInput(f"{notebook} has {len(cells)} cells, so none at place {place}.")
    return str(cells[place - 1].get("id", ""))


def _chosen(runs: list[Run], number: int | None, notebook: Path) -> Run:
    if number is None:
        return runs[-1]
    found = [run for run in runs if run.id == number]
    if not found:
        raise NotFound(
            f"No run {number} is kept of it.",
            hint=f"`ropeway output {notebook} --list` lists those that are.",
        )
    return found[0]


def _table(transcript: Transcript, runs: list[Run]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("number", "cell", "began", "ended"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for run in runs:
        ended = "" if run.ended is None else _when(run.ended)
        size = bytes_text(transcript.size(run))
        table.add_row(str(run.id), run.cell, _when(run.began), ended, size)
    return table


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
