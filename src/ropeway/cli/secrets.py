"""`ropeway secrets`: keys and tokens at home, and which notebooks may read them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ropeway.data.secrets import OWN, Secrets
from ropeway.errors import BadInput
from ropeway.wire import CLASSES

_NOTEBOOK = click.Path(path_type=Path, dir_okay=False)


@click.group()
def secrets() -> None:
    """Secrets for `userdata.get` in notebooks; each notebook must be allowed to read each.

    \b
    Examples:
      ropeway secrets set HF_TOKEN
      ropeway secrets allow HF_TOKEN train.ipynb
    """


@secrets.command("set")
@click.argument("name")
def set_(name: str) -> None:
    """Keep a value as NAME: it is asked for, or read from standard input.

    It goes into the system's keyring or a private file. Notebooks that could read the value before
    can read this one.

    \b
    Examples:
      ropeway secrets set HF_TOKEN
      pass show hf | ropeway secrets set HF_TOKEN
    """
    if sys.stdin.isatty():
        value = click.prompt("Value", hide_input=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    click.echo(f"{name} is kept in {Secrets().set(name, value)}.")


@secrets.command()
def ls() -> None:
    """List the names, and the notebooks that may read each, with their farthest runtimes.

    \b
    Example:
      ropeway secrets ls
    """
    kept = Secrets().all()
    if not kept:
        click.echo("No secret is kept yet: ropeway secrets set NAME")
        return
    for secret in kept:
        click.echo(secret.name + ("" if secret.notebooks else "  (no notebook may read it)"))
        for notebook, runtime_class in sorted(secret.notebooks.items()):
            click.echo(f"  {notebook}  up to {runtime_class}")


@secrets.command()
@click.argument("name")
def rm(name: str) -> None:
    """Forget the secret NAME.

    \b
    Example:
      ropeway secrets rm HF_TOKEN
    """
    Secrets().remove(name)
    click.echo(f"Removed {name}.")


@secrets.command()
@click.argument("name")
@click.argument("notebook", type=_NOTEBOOK)
@click.option(
    "--class",
    "runtime_class",
    type=click.Choice(CLASSES),
    default=OWN,
    show_default=True,
    help="The farthest runtimes on which it may: whoever has such a machine can read it too.",
)
def allow(name: str, notebook: Path, runtime_class: str) -> None:
    """Let NOTEBOOK read the secret NAME.

    \b
    Examples:
      ropeway secrets allow HF_TOKEN train.ipynb
      ropeway secrets allow HF_TOKEN train.ipynb --class public
    """
    if not notebook.is_file():
        raise BadInput(f"There is no notebook {notebook}.", hint="Name its file, from here.")
    Secrets().allow(name, notebook.resolve(), runtime_class)
    click.echo(f"{notebook} may read {name} on runtimes up to the class {runtime_class}.")


@secrets.command()
@click.argument("name")
@click.argument("notebook", type=_NOTEBOOK)
def deny(name: str, notebook: Path) -> None:
    """Let NOTEBOOK read the secret NAME no more; what it read it has.

    \b
    Example:
      ropeway secrets deny HF_TOKEN train.ipynb
    """
    Secrets().deny(name, notebook.resolve())
    click.echo(f"{notebook} may not read {name}.")
