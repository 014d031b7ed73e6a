"""`ropeway history`: the kept versions of a notebook, what differs, and the way back."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ropeway import config
from ropeway.errors import BadInput, NotFound
from ropeway.kernel.words import bytes_text
from ropeway.notebooks import changes
from ropeway.notebooks.keeper import REASONS, Keeper
from ropeway.wire import Change, Version, to_json
from ropeway.workspace.running import find_root, running_workspace

_STYLES = {"+": "green", "-": "red", "@": "dim"}


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path), required=False)
@click.argument("other", type=int, required=False, metavar="[B]")
@click.option("--diff", "diff", type=int, metavar="A", help="What changed from A to B, or to now.")
@click.option("--show", type=int, metavar="N", help="Print the document of a version.")
@click.option("--restore", type=int, metavar="N", help="Go back to a version.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def history(notebook: Path | None, **given: Any) -> None:
    """List the kept versions of NOTEBOOK, compare them, or go back to one.

    The workspace keeps a version at each save, and before each save what somebody else wrote. A
    restore keeps the present state first. NOTEBOOK may be deleted by now; the workspace may run or
    not. Without NOTEBOOK it lists the notebooks that have a history.

    \b
    Examples:
      ropeway history
      ropeway history train.ipynb
      ropeway history train.ipynb --diff 12        what changed since version 12
      ropeway history train.ipynb --diff 12 15
      ropeway history train.ipynb --show 12 > old.ipynb
      ropeway history train.ipynb --restore 12
    """
    wish = Wish(**given)
    asked = [each for each in (wish.diff, wish.show, wish.restore) if each is not None]
    if len(asked) > 1:
        raise BadInput("--diff, --show and --restore do not go together.", hint="Give one of them.")
    if notebook is None:
        if asked:
            raise BadInput("Of which notebook?", hint="`ropeway history` lists those kept.")
        _list_notebooks(wish.as_json)
        return
    if wish.other is not None and wish.diff is None:
        hint = f"Try --diff A {wish.other}."
        raise BadInput(f"{wish.other} goes with --diff alone.", hint=hint)
    _of_one(notebook, wish)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a notebook's versions: by default they are listed."""

    other: int | None
    diff: int | None
    show: int | None
    restore: int | None
    as_json: bool


def _of_one(notebook: Path, wish: Wish) -> None:
    keeper, versions = _find(notebook)
    for number in (wish.diff, wish.other, wish.show, wish.restore):
        if number is not None:
            _check(versions, number, notebook)
    if wish.diff is not None:
        _print_diff(keeper, notebook, wish.diff, wish)
    elif wish.show is not None:
        sys.stdout.buffer.write(keeper.history.body(wish.show))
        sys.stdout.buffer.flush()
    elif wish.restore is not None:
        _restore(keeper, notebook, wish.restore, wish.as_json)
    elif wish.as_json:
        _print_json(versions)
    else:
        Console().print(_table(versions))


def _print_json(versions: list[Version]) -> None:
    click.echo(json.dumps({"versions": [to_json(each) for each in versions]}, indent=2))


def _list_notebooks(as_json: bool) -> None:
    """The notebooks of this folder's workspace, those that are gone as well."""
    root = find_root(Path.cwd())
    keeper = Keeper(root, config.load(root))
    newest = keeper.history.notebooks()
    if as_json:
        _print_json(newest)
        return
    if not newest:
        click.echo(f"Nothing of {root} was kept yet: versions are kept when a notebook is saved.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("notebook", overflow="fold")
    table.add_column("last kept", no_wrap=True)
    table.add_column("")
    for version in newest:
        there = (root / version.path).is_file()
        table.add_row(Text(version.path), _when(version), "" if there else "deleted or moved")
    Console().print(table)


def _when(version: Version) -> str:
    return f"{datetime.fromisoformat(version.time).astimezone():%Y-%m-%d %H:%M:%S}"


def _find(notebook: Path) -> tuple[Keeper, list[Version]]:
    """The workspace that has versions of a notebook, and these. Raises `NotFound`."""
    absolute = notebook.absolute()
    folders = dict.fromkeys((find_root(absolute.parent), *absolute.parents))
    for root in folders:
        if root.is_dir() and config.workspace_state_path(root).is_dir():
            keeper = Keeper(root, config.load(root))
            try:
                path = keeper.path_of(absolute)
            except BadInput:
                continue
            if versions := keeper.history.versions(path):
                return keeper, versions
    raise NotFound(
        f"Nothing of {notebook} was kept.",
        hint="Versions are kept when a notebook is saved in a workspace; check the path.",
    )


def _check(versions: list[Version], number: int, notebook: Path) -> None:
    if number not in (version.id for version in versions):
        raise NotFound(
            f"{notebook} has no version {number}.",
            hint=f"`ropeway history {notebook}` lists those it has.",
        )


def _table(versions: list[Version]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("what changed")
    for name in ("cells", "outputs", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for version in versions:
        table.add_row(
            str(version.id),
            _when(version),
            REASONS.get(version.why, version.why),
            version.changed,
            str(version.cells),
            str(version.outputs),
            bytes_text(version.size),
        )
    return table


def _restore(keeper: Keeper, notebook: Path, number: int, as_json: bool) -> None:
    version = keeper.restore(number)
    if as_json:
        click.echo(json.dumps(to_json(version), indent=2))
        return
    click.echo(f"{notebook} is version {number} again; what was there before is kept.")
    if running_workspace(keeper.root) is not None:
        click.echo("A page that has it open shows it after File > Reload Notebook from Disk.")


def _print_diff(keeper: Keeper, notebook: Path, one: int, wish: Wish) -> None:
    old = changes.parse(keeper.history.body(one))
    if wish.other is not None:
        new = changes.parse(keeper.history.body(wish.other))
    elif notebook.is_file():
        new = changes.parse(notebook.read_bytes())
    else:
        raise BadInput(f"There is no {notebook} to compare with.", hint="Give two versions.")
    found = changes.compare(old, new)
    if wish.as_json:
        body = {"changes": [to_json(change) for change in found]}
        click.echo(json.dumps(body | {"summary": changes.summary(old, new)}, indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(changes.summary(old, new), "bold"))
    for change in found:
        console.print(_told(change))


def _told(change: Change) -> Text:
    """A change as lines for a terminal."""
    place = change.new if change.new is not None else change.old
    what = "the notebook" if place is None else f"{change.type} cell {place + 1}"
    text = Text(f"\n{what}: {change.kind}", "bold cyan")
    for title, lines in (("", change.source), ("  outputs", change.outputs)):
        if lines and title:
            text.append(f"\n{title}", "cyan")
        for line in lines:
            text.append(f"\n  {'…' if line == '@' else line}", _STYLES.get(line[0], ""))
    return text
