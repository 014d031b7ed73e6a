"""`ropeway resume`: a notebook goes on elsewhere, from the artefacts that came home."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from ropeway import wire
from ropeway.cli.notebook import Run, carry_out
from ropeway.data import checkpoints
from ropeway.data.artefacts import Artefacts, folder_of
from ropeway.errors import BadInput, NotFound, RopewayError
from ropeway.kernel.words import bytes_text, files_text
from ropeway.notebooks.file import read_notebook
from ropeway.workspace import headless
from ropeway.workspace.address import HERE
from ropeway.workspace.home import Home

_PREPARE = """\
from ropeway.kernel.resume import prepare
prepare(install={install}, replace={replace})
"""


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--on", help="Runtime to go on with; by default the notebook's own, else here.")
@click.option(
    "--from-cell",
    "cell",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="The code cell to begin with, counted from 1; by default the first.",
)
@click.option(
    "--install/--no-install",
    default=None,
    help="Whether to install the packages that differ; by default unless they are named by a "
    "runtime that is trusted less.",
)
@click.option(
    "--share",
    is_flag=True,
    help="Let runtimes of this class have the artefacts, though they are trusted less.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to save the run; by default the notebook itself.",
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds that one cell may take.")
@click.option("--allow-errors", is_flag=True, help="Go on behind a cell that raises.")
def resume(
    notebook: Path,
    on: str | None,
    cell: int,
    install: bool | None,
    share: bool,
    output: Path | None,
    timeout: float | None,
    allow_errors: bool,
) -> int:
    """Go on with NOTEBOOK on another runtime, from what `rw.checkpoint` brought home.

    A fresh kernel gets the packages that the cells used, in their versions, and the artefacts in
    the same folders; then the cells run as `ropeway run` runs them. What cannot be as it was is
    said.

    \b
    Examples:
      ropeway resume train.ipynb --on lab
      ropeway resume train.ipynb --on lab --from-cell 3 --no-install
    """
    document = read_notebook(notebook)
    kept = Artefacts(folder_of(notebook))
    _say_what_is_there(kept, notebook)
    prepare = partial(_prepare, kept, install=install, share=share)
    return carry_out(
        Run(
            document,
            notebook,
            output or notebook,
            on,
            timeout=timeout,
            allow_errors=allow_errors,
            first=_index(document, cell),
            prepare=prepare,
        )
    )


def _index(document: Any, number: int) -> int:
    """The index of a code cell. Raises `BadInput`."""
    code = [index for index, each in enumerate(document.cells) if each.cell_type == "code"]
    if number > len(code):
        raise BadInput(f"--from-cell is {number}, but the notebook has {len(code)} code cells.")
    return code[number - 1]


def _say_what_is_there(kept: Artefacts, notebook: Path) -> None:
    if not kept.exist():
        raise NotFound(
            f"No artefacts of {notebook} are at home.",
            hint='rw.checkpoint("runs/") in a cell has what it writes there come home.',
        )
    files, before = kept.files(), kept.environment()
    size = bytes_text(sum(each.file.size for each in files.values()))
    click.echo(f"At home: {files_text(len(files))}, {size}, in {kept.place}", err=True)
    for folder in sorted({path.rpartition("/")[0] for path in files}):
        inside = [each for path, each in files.items() if path.rpartition("/")[0] == folder]
        newest = max(inside, key=lambda each: each.file.mtime)
        when = datetime.fromtimestamp(newest.file.mtime / 1e9).strftime("%Y-%m-%d %H:%M:%S")
        name = newest.file.path.rpartition("/")[2]
        where = newest.origin.runtime or "home"
        click.echo(f"  {folder}/: the newest is {name}, {when}, from {where}", err=True)
    if before:
        gpus = ", ".join(before["gpus"]) or "no GPU"
        click.echo(f"Written in: Python {before['python']}, {gpus}", err=True)


async def _prepare(
    kept: Artefacts,
    home: Home,
    kernel: wire.Kernel,
    manager: Any,
    *,
    install: bool | None,
    share: bool,
) -> None:
    """Make the kernel one in which the notebook can go on. Raises `RopewayError`."""
    if kernel.language.lower() != "python":
        raise BadInput(f"{kernel.display_name} is no Python; only Python notebooks are resumed.")
    runtime_class = home.registry.get(kernel.runtime).provider.runtime_class
    if share:
        checkpoints.share(kept.folder, runtime_class)
    click.echo(f"{kernel.display_name}:", err=True)
    if install is None:
        # What is installed runs there: a machine that is trusted less does not choose it.
        named_by = kept.environment().get("runtime_class", runtime_class)
        install = wire.CLASSES.index(named_by) <= wire.CLASSES.index(runtime_class)
        if not install:
            why = f"A runtime of the class {named_by} names the packages: they are only told."
            click.echo(f"  {why} --install installs them.", err=True)
    # What home itself runs on is not changed.
    code = _PREPARE.format(install=install, replace=kernel.runtime != HERE)
    outcome = await headless.run_code(manager, f"exec({code!r}, {{}})", _show_step, history=False)
    if outcome.failed is not None:
        why, _, hint = outcome.error.partition("\nhint: ")
        raise RopewayError(f"The runtime could not be made ready: {why}", hint=hint)


def _show_step(message: dict[str, Any]) -> None:
    if message["header"]["msg_type"] == "stream":
        for line in message["content"]["text"].splitlines():
            click.echo(f"  {line}", err=True)
