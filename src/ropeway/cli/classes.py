"""The option `--class` of the commands that bring a runtime in."""

from __future__ import annotations

import click

from ropeway.wire import GIVEN_CLASSES

runtime_class = click.option(
    "--class",
    "runtime_class",
    type=click.Choice(GIVEN_CLASSES),
    callback=lambda context, option, value: value or "",
    help="Whose machine it is, for the policy of datasets: your own, one that others administer, "
    "or anybody's. By default public for servers elsewhere, shared at a JupyterHub, else own.",
)
