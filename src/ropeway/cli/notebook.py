"""`ropeway run` and `ropeway exec`: notebooks and code without a page."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ropeway import config
from ropeway.errors import BadInput
from ropeway.notebooks.file import read_notebook, write_notebook
from ropeway.notebooks.keeper import RUN, Keeper
from ropeway.notebooks.parameters import inject, parse_parameter
from ropeway.workspace import headless
from ropeway.workspace.address import HERE
from ropeway.workspace.running import find_root

INTERRUPTED = 130


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--on", help="Runtime to run on; by default the notebook's own, else here.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to save the run; by default the notebook itself.",
)
@click.option("--param", "-p", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds that one cell may take.")
@click.option("--allow-errors", is_flag=True, help="Go on behind a cell that raises.")
def run(
    notebook: Path,
    on: str | None,
    output: Path | None,
    param: tuple[str, ...],
    timeout: float | None,
    allow_errors: bool,
) -> int:
    """Run NOTEBOOK from top to bottom and save its outputs.

    The outputs are saved after each cell, also when one fails; then the exit code is 1. Ctrl-C
    interrupts the cell that runs, saves and ends with 130. Parameters go into a cell behind the
    one tagged `parameters`.

    \b
    Examples:
      ropeway run train.ipynb --on gpu
      ropeway run report.ipynb --output monday.ipynb --param day=2026-11-21 --param top=10
    """
    parameters = dict(parse_parameter(text) for text in param)
    document = read_notebook(notebook)
    inject(document, parameters)
    target = output or notebook
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent} to save into.", hint="Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise BadInput(f"The folder {target.parent} cannot be written to.", hint="Use --output.")
    root = find_root(target)
    keeper = Keeper(root, config.load(root))
    keeper.note(target)
    try:
        outcome = asyncio.run(
            _run(document, notebook, target, on, timeout=timeout, allow_errors=allow_errors)
        )
    finally:
        keeper.note(target, RUN)
    return _report(outcome, document, target)


async def _run(
    document: Any,
    notebook: Path,
    target: Path,
    on: str | None,
    *,
    timeout: float | None,
    allow_errors: bool,
) -> headless.Outcome:
    runtime, wanted = headless.wanted_by(document, on)
    async with headless.serving_home(find_root(notebook), runtime=runtime) as home:
        kernel = await headless.choose_kernel(home, runtime, wanted)
        cells = sum(cell.cell_type == "code" for cell in document.cells)
        with _Display(kernel.display_name, cells) as display:
            async with headless.running_kernel(home, kernel, notebook.resolve().parent) as manager:
                return await headless.run_notebook(
                    manager,
                    document,
                    display.progress(),
                    lambda: write_notebook(document, target),
                    timeout=timeout,
                    allow_errors=allow_errors,
                )


def _report(outcome: headless.Outcome, document: Any, target: Path) -> int:
    if outcome.interrupted:
        click.echo(f"Interrupted; what ran is saved in {target}.", err=True)
        return INTERRUPTED
    if outcome.failed is not None:
        number = document.cells[outcome.failed].get("execution_count")
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(f"cell [{number}] of {target}: {outcome.error}", err=True)
        return 1
    click.echo(f"Done; saved in {target}.")
    return 0


class _Display:
    """Progress on a terminal as a bar, elsewhere as one line a cell."""

    def __init__(self, kernel: str, cells: int) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", style="dim", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(kernel, total=cells, last="starting")
        self._cells = cells
        self._done = 0
        self._begun = 0.0

    def __enter__(self) -> _Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self) -> headless.Progress:
        """What the run reports to."""
        return headless.Progress(self._started, self._ended, self._printed)

    def _started(self, index: int, source: str) -> None:
        self._begun = time.monotonic()
        self._bar.update(self._task, last=_first_line(source))
        self._source = source

    def _ended(self, index: int) -> None:
        self._done += 1
        self._bar.update(self._task, advance=1)
        if not self._console.is_terminal:
            took = time.monotonic() - self._begun
            first = _first_line(self._source)
            click.echo(f"[{self._done}/{self._cells}] {took:6.1f} s  {first}", err=True)

    def _printed(self, text: str) -> None:
        lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
        if lines:
            self._bar.update(self._task, last=lines[-1][:60])


def _first_line(source: str) -> str:
    return next((line for line in source.splitlines() if line.strip()), "")[:60]


@click.command("exec")
@click.argument("code", required=False)
@click.option("--on", default=HERE, show_default=True, help="Runtime to run on.")
def execute(code: str | None, on: str) -> int:
    """Run CODE, or what comes on standard input, on a runtime.

    What it prints comes out as it is printed; a failure ends with 1 and its traceback.

    \b
    Examples:
      ropeway exec --on gpu '!nvidia-smi'
      ropeway exec --on gpu < train.py
    """
    from_stdin = code is None or code == "-"
    if from_stdin and sys.stdin.isatty():
        raise BadInput("There is no code to run.", hint="Give it in quotes, or as `< file.py`.")
    source = sys.stdin.read() if from_stdin else str(code)
    outcome = asyncio.run(_execute(source, on, stdin=not from_stdin and sys.stdin.isatty()))
    if outcome.interrupted:
        return INTERRUPTED
    return 0 if outcome.failed is None else 1


async def _execute(source: str, on: str, *, stdin: bool) -> headless.Outcome:
    folder = Path.cwd()
    async with headless.serving_home(find_root(folder), runtime=on) as home:
        kernel = await headless.choose_kernel(home, on, None)
        async with headless.running_kernel(home, kernel, folder) as manager:
            return await headless.run_code(manager, source, _show, stdin=stdin)


def _show(message: dict[str, Any]) -> None:
    kind, content = message["header"]["msg_type"], message["content"]
    if kind == "stream":
        click.echo(content["text"], nl=False, err=content["name"] == "stderr")
    elif kind in ("display_data", "execute_result"):
        click.echo(content["data"].get("text/plain", ""))
    elif kind == "error":
        click.echo("\n".join(content["traceback"]), err=True)
