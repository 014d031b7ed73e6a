"""The command `ropeway`. Errors become exit codes here, and nowhere else.

0: done; 1: it failed (a cell raised); 2: what was asked cannot be; 3: a runtime is out of reach, or
`ropeway doctor` found something wrong; 130: interrupted.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

import click

from ropeway import __version__
from ropeway.errors import BadInput, RopewayError
from ropeway.startup import leave_out_iri_grammar

COMMANDS = {
    "up": "ropeway.cli.up:up",
    "runtime": "ropeway.cli.runtime:runtime",
    "invite": "ropeway.cli.invite:invite",
    "connect": "ropeway.cli.connect:connect",
    "start": "ropeway.cli.connect:start",
    "disconnect": "ropeway.cli.connect:disconnect",
    "runtimes": "ropeway.cli.connect:runtimes",
    "run": "ropeway.cli.notebook:run",
    "resume": "ropeway.cli.resume:resume",
    "exec": "ropeway.cli.notebook:execute",
    "output": "ropeway.cli.output:output",
    "history": "ropeway.cli.history:history",
    "ledger": "ropeway.cli.ledger:ledger",
    "data": "ropeway.cli.data:data",
    "secrets": "ropeway.cli.secrets:secrets",
    "doctor": "ropeway.cli.doctor:doctor",
}
"""Each command and where it is; loaded when it is used, so that `ropeway --help` is quick."""


class Commands(click.Group):
    """A group whose default command is `up`, and whose commands load on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, name = place.split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`ropeway DIR` and `ropeway --port 9000` mean `ropeway up ...`."""
        if not args or (args[0] not in COMMANDS and args[0] not in ("--help", "-h", "--version")):
            args = ["up", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ropeway")
def cli() -> None:
    """One notebook, any runtime, your data stays home.

    Without a command, ropeway starts the workspace in this folder and opens the browser.

    \b
    Examples:
      ropeway                                  start the workspace in this folder
      ropeway runtime                          lend this machine as a runtime
      ropeway connect 'http://gpu:8888/?token=…' --name gpu
      ropeway connect ssh://ann@gpu-box        lend a machine that SSH reaches
      ropeway run train.ipynb --on gpu         run a notebook without a page
      ropeway resume train.ipynb --on lab      go on elsewhere from what came home
      ropeway output train.ipynb               everything that a cell printed
      ropeway history train.ipynb              what it was before, and the way back
      ropeway data add sales data/sales.csv    let cells ask for rows of a file
      ropeway secrets set HF_TOKEN             for userdata.get in notebooks that may
      ropeway ledger --since 7d                what crossed, for whom and why
      ropeway doctor                           try every runtime, say what is wrong
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; exits."""
    leave_out_iri_grammar()
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        result: Any = cli.main(args, prog_name="ropeway", standalone_mode=False)
    except RopewayError as error:
        show(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        show(BadInput(f"{place}{(error.strerror or str(error)).lower()}."))
        return BadInput.exit_code
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        click.echo("interrupted", err=True)
        return 130
    return result if isinstance(result, int) else 0


def show(error: RopewayError) -> None:
    """Print an error with its hint, and what was noted for home alone."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.message, err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"  {note}", err=True)
    if error.hint:
        click.secho("hint: ", fg="cyan", bold=True, nl=False, err=True)
        click.echo(error.hint, err=True)
