"""`ropeway run` and `ropeway exec`: notebooks and code without a page."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ropeway import config, wire
from ropeway.cli import needs
from ropeway.data.artefacts import Artefacts, folder_of
from ropeway.errors import BadInput, KernelGone
from ropeway.notebooks.file import read_notebook, write_notebook
from ropeway.notebooks.keeper import RUN, Keeper
from ropeway.notebooks.parameters import inject, parse_parameter
from ropeway.workspace import headless
from ropeway.workspace.address import HERE
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.downloads import Downloads
from ropeway.workspace.home import Home
from ropeway.workspace.running import find_root

INTERRUPTED = 130


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--on", help="Runtime to run on; by default the notebook's own, else here.")
@click.option(
    "--gpu", metavar="SIZE", help="Pick a runtime with so much free on a GPU: 16GB, or `any`."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to save the run; by default the notebook itself.",
)
@click.option("--param", "-p", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@click.option(
    "--upload",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for a cell that asks for one (`files.upload`), in the order in which they ask.",
)
@click.option(
    "--downloads",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where `files.download` puts files; by default NAME-downloads beside the output.",
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds that one cell may take.")
@click.option("--allow-errors", is_flag=True, help="Go on behind a cell that raises.")
def run(
    notebook: Path,
    on: str | None,
    gpu: str | None,
    output: Path | None,
    param: tuple[str, ...],
    upload: tuple[Path, ...],
    downloads: Path | None,
    timeout: float | None,
    allow_errors: bool,
) -> int:
    """Run NOTEBOOK from top to bottom and save its outputs.

    The outputs are saved after each cell, also when one fails; then the exit code is 1. Ctrl-C
    interrupts the cell that runs, saves and ends with 130. Parameters go into a cell behind the
    one tagged `parameters`.

    A notebook that Colab's metadata give a GPU runs on a connected runtime that has one, unless
    --on or the notebook names another; where none has, a line says that it runs without. With
    --gpu it does not run then.

    \b
    Examples:
      ropeway run train.ipynb --on gpu
      ropeway run train.ipynb --gpu 16GB
      ropeway run score.ipynb --upload people.csv --downloads out/
      ropeway run report.ipynb --output monday.ipynb --param day=2026-11-21 --param top=10
    """
    parameters = dict(parse_parameter(text) for text in param)
    for file in upload:
        if not file.is_file():
            raise BadInput(f"There is no file {file} to upload.", hint="Name it from here.")
    document = read_notebook(notebook)
    inject(document, parameters)
    return carry_out(
        Run(
            document,
            notebook,
            output or notebook,
            on,
            timeout=timeout,
            allow_errors=allow_errors,
            uploads=upload,
            downloads=downloads,
            wish=needs.wish(document.metadata, on, gpu),
        )
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A notebook that is to run: `document` was read from `notebook` and goes to `target`.

    `prepare` is given the kernel before the cell with the index `first`. `wish`: what the runtime
    is picked by. `uploads` are for the cells that ask for files, `downloads` is where theirs go.
    """

    document: Any
    notebook: Path
    target: Path
    on: str | None
    timeout: float | None = None
    allow_errors: bool = False
    first: int = 0
    prepare: Callable[[Home, wire.Kernel, Any], Awaitable[None]] | None = None
    wish: needs.Wish | None = None
    uploads: tuple[Path, ...] = ()
    downloads: Path | None = None


def carry_out(run: Run) -> int:
    """Run a notebook, save it after each cell, say how it went; the exit code."""
    target = run.target
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent} to save into.", hint="Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise BadInput(f"The folder {target.parent} cannot be written to.", hint="Use --output.")
    root = find_root(target)
    keeper = Keeper(root, config.load(root))
    keeper.note(target)
    try:
        outcome = asyncio.run(_run(run))
    except KernelGone as error:
        if Artefacts(folder_of(run.notebook)).exist():
            error.hint = f"What it kept is at home: ropeway resume {run.notebook} --on RUNTIME"
        raise
    finally:
        keeper.note(target, RUN)
    return _report(outcome, run.document, target)


async def _run(run: Run) -> headless.Outcome:
    document, root, folder = run.document, find_root(run.notebook), run.notebook.resolve().parent
    runtime, wanted = headless.wanted_by(document, run.on)
    lent = runtime if run.wish is None else None  # `here` may be the one that has what it needs
    async with headless.serving_home(root, runtime=lent, notebook=run.notebook) as home:
        if run.wish is not None:
            picked = await needs.pick(home, run.wish, runtime)
            runtime, wanted = headless.wanted_by(document, picked)
        home.files.uploads.given = deque(run.uploads)
        home.files.downloads.target = (
            run.downloads.resolve() if run.downloads else _downloads(run.target)
        )
        kernel = await choose_kernel(home.registry, runtime, wanted)
        cells = sum(cell.cell_type == "code" for cell in document.cells[run.first :])
        async with headless.running_kernel(home, kernel, folder) as manager:
            if run.prepare is not None:
                await run.prepare(home, kernel, manager)
            with _Display(kernel.display_name, cells) as display, _told(home.files.downloads):
                return await headless.run_notebook(
                    manager,
                    document,
                    display.progress(),
                    lambda: write_notebook(document, run.target),
                    first=run.first,
                    timeout=run.timeout,
                    allow_errors=run.allow_errors,
                )


def _downloads(target: Path) -> Path:
    return target.with_name(f"{target.stem}-downloads")


@contextmanager
def _told(downloads: Downloads) -> Iterator[None]:
    """Say what cells handed out, however the run ends."""
    try:
        yield
    finally:
        for place in downloads.kept:
            click.echo(f"Downloaded {place}.", err=True)


def _report(outcome: headless.Outcome, document: Any, target: Path) -> int:
    if outcome.behind:
        click.secho("warning: ", fg="yellow", bold=True, nl=False, err=True)
        click.echo(f"Not all artefacts came home: {outcome.behind}", err=True)
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
        home.files.downloads.target = folder / "downloads"
        kernel = await choose_kernel(home.registry, on, None)
        async with headless.running_kernel(home, kernel, folder) as manager:
            with _told(home.files.downloads):
                return await headless.run_code(manager, source, _show, stdin=stdin)


def _show(message: dict[str, Any]) -> None:
    kind, content = message["header"]["msg_type"], message["content"]
    if kind == "stream":
        click.echo(content["text"], nl=False, err=content["name"] == "stderr")
    elif kind in ("display_data", "execute_result"):
        aside = bool(content["metadata"].get("ropeway", {}).get("progress"))
        click.echo(content["data"].get("text/plain", ""), err=aside)
    elif kind == "error":
        click.echo("\n".join(content["traceback"]), err=True)
