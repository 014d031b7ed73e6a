"""The options that our servers have in common: TLS, or the word to do without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--tls`, `--certfile`, `--keyfile` and `--insecure-http` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--tls",
        type=click.Choice(["off", "self-signed"]),
        help="self-signed: serve https with a certificate of Ropeway's own, to be pinned.",
    ),
    click.option("--certfile", metavar="FILE", help="Serve https with this certificate (PEM)."),
    click.option("--keyfile", metavar="FILE", help="Its key, if it is not in the same file."),
    click.option(
        "--insecure-http",
        is_flag=True,
        help="Let --host open plain HTTP to others: behind a proxy, on a network you trust.",
    ),
)
