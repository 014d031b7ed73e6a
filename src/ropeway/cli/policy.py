"""`ropeway data policy`: what of the data a runtime may see, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ropeway import config
from ropeway.data import catalog, masks, role
from ropeway.data import policy as policies
from ropeway.data.catalog import Catalog
from ropeway.data.policy import Policy
from ropeway.data.project import Found
from ropeway.data.query import Home
from ropeway.errors import BadInput, RopewayError
from ropeway.wire import CLASSES, Column


@click.group()
def policy() -> None:
    """What of each dataset may cross, by the class of the runtime that asks.

    \b
    Examples:
      ropeway data policy check
      ropeway data policy check patients --class public
    """


@policy.command()
@click.argument("dataset", required=False)
@click.option(
    "--class", "runtime_class", type=click.Choice(CLASSES), help="Only this class of runtime."
)
@click.option("--runtime", metavar="NAME", help="Only the class of this runtime.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
def check(
    dataset: str | None, runtime_class: str | None, runtime: str | None, as_json: bool
) -> None:
    """Say what runtimes of each class see of DATASET, or of every dataset, and why.

    Exit code 2 where a policy is wrong: such a dataset answers nobody.

    \b
    Examples:
      ropeway data policy check
      ropeway data policy check patients --class public
      ropeway data policy check patients --runtime gpu
      ropeway data policy check --json
    """
    if runtime and runtime_class:
        raise BadInput("Both --class and --runtime were given.", hint="One of them says the class.")
    runtime_class = _class_of(runtime) if runtime else runtime_class
    found = catalog.load(Path.cwd())
    names = [dataset] if dataset else sorted(found.entries)
    if not names:
        click.echo("No dataset was added yet: ropeway data add NAME SOURCE")
        return
    known = _datasets()
    problems: list[RopewayError] = []
    for name in names:
        for each in (runtime_class,) if runtime_class else CLASSES:
            told = _told(found, name, each, known.get(name))
            problems += [told.pop("problem")] if "problem" in told else []
            click.echo(json.dumps(told)) if as_json else _print(told)
    if problems:
        raise problems[0]


@policy.command()
@click.argument("dataset")
@click.option(
    "--class",
    "runtime_class",
    type=click.Choice(CLASSES),
    default="public",
    show_default=True,
    help="The class whose rows and columns the role may read.",
)
@click.option("--table", required=True, metavar="SCHEMA.TABLE", help="The table in PostgreSQL.")
@click.option("--role", "name", metavar="NAME", help="The role to make.")
def postgres(dataset: str, runtime_class: str, table: str, name: str | None) -> None:
    """Print SQL for a role in PostgreSQL that can read no more than DATASET's policy allows.

    A second lock behind Ropeway's own: read it, then run it as the owner of the table.

    \b
    Example:
      ropeway data policy postgres patients --table public.patients | psql clinic
    """
    found = catalog.load(Path.cwd())
    rule = _policy(found, dataset).rule(runtime_class)
    columns = _columns(_datasets().get(dataset), dataset)
    click.echo(role.postgres(rule, columns, table, name or f"ropeway_{runtime_class}"))


def _class_of(runtime: str) -> str:
    """The class of a runtime that home knows. Raises `UnknownRuntime`."""
    from ropeway.workspace.address import HERE
    from ropeway.workspace.providers import Site, provider_for
    from ropeway.workspace.remembered import runtime_list, unknown_runtime

    if runtime == HERE:
        return HERE
    known = runtime_list().read()
    if runtime not in known:
        raise unknown_runtime(runtime, known)
    return provider_for(known[runtime], Site(1.0, start=False)).runtime_class


def _datasets() -> dict[str, Found]:
    """The datasets as they are, whatever anybody may see of them."""
    with Home(Path.cwd()) as home:
        return home.project.find(home.project.catalog().entries)


def _policy(found: Catalog, name: str) -> Policy:
    where = f"{found.path}: datasets.{name}.policy"
    return policies.parse(found[name].policy, where, found.policy)


def _columns(dataset: Found | None, name: str) -> tuple[Column, ...]:
    if dataset is None or dataset.error:
        why = dataset.error if dataset else "it was removed just now"
        raise BadInput(f"The dataset {name} cannot be read: {why}.")
    return dataset.columns


def _told(found: Catalog, name: str, runtime_class: str, dataset: Found | None) -> dict[str, Any]:
    """What a class sees of a dataset as JSON; a policy that is wrong is told as its `error`."""
    told: dict[str, Any] = {"dataset": name, "class": runtime_class}
    try:
        written = _policy(found, name)
        rule = written.rule(runtime_class)
        columns = _columns(dataset, name)
        told["why"] = written.origins.get(runtime_class, "default")
        told["allow"] = rule.allow
        if rule.allow == "nothing":
            written.check(columns)
            return {**told, "words": [*policies.words(rule, columns)], "columns": []}
        view = written.view(runtime_class, name, columns, masks.home_key(config.state_dir()))
    except RopewayError as error:
        return {**told, "error": error.to_json(), "problem": error}
    shown = [
        {"name": c.name, "type": c.type, "mask": _mask(rule.masks.get(c.name))}
        for c in view.columns
    ]
    limits = ("max_rows", "max_bytes", "rows_per_day", "bytes_per_day", "seconds")
    puts = ("put", "max_put", "put_per_day")
    told.update({key: getattr(rule, key) for key in (*limits, *puts)})
    told.update(min_group=view.aggregate, rows=view.where, version=view.version)
    return {**told, "words": [*view.words], "columns": shown}


def _mask(mask: masks.Mask | None) -> str:
    return mask.words if mask else ""


def _print(told: dict[str, Any]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{told['dataset']}[/] for runtimes of the class {told['class']}")
    for line in _lines(told):
        console.print("  " + line, markup=False)
    if told.get("columns"):
        table = Table("column", "type", "", box=None, header_style="bold", padding=(0, 2))
        for each in told["columns"]:
            table.add_row(each["name"], each["type"], each["mask"])
        console.print(table)
    console.print()


def _lines(told: dict[str, Any]) -> Iterator[str]:
    if "error" in told:
        yield f"The policy is wrong, so nothing is answered. {told['error']['message']}"
        return
    yield from told["words"]
    by_default = told["why"] == "default"
    yield "This is the default." if by_default else f"Written at {told['why']}."
