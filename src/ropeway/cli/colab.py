"""What `ropeway connect colab` wants before Google's program is asked for a VM."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from ropeway.errors import BadInput, MissingPackage
from ropeway.workspace.providers import colab_terms
from ropeway.workspace.providers.colab import GPUS, TPUS, WORDS, Colab
from ropeway.workspace.providers.colab_failure import not_signed_in
from ropeway.workspace.providers.colab_install import install
from ropeway.workspace.providers.colab_program import Program

_OPTIONS = (
    click.option("--gpu", metavar="KIND", help=f"For colab: {', '.join(GPUS)}; else a CPU."),
    click.option("--tpu", metavar="KIND", help=f"For colab: {' or '.join(TPUS)}."),
    click.option("--high-mem", is_flag=True, help="For colab: a VM with more memory."),
    click.option("--install", is_flag=True, help="For colab: install Google's program, unasked."),
    click.option("--sign-in", is_flag=True, help="For colab: sign in to Google anew, and no more."),
    click.option(
        "--accept-terms", is_flag=True, help="For colab: Google's terms were read and hold."
    ),
)
_WISHES = ("gpu", "tpu", "high_mem")


def colab_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command, which gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def is_colab(url: str) -> bool:
    """Whether a VM of Colab is asked for."""
    return url.strip() in ("colab", "colab://")


def wishes(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the runtime, of those that were given. Raises `BadInput`."""
    if not is_colab(url) and (strange := [key for key, value in given.items() if value]):
        names = ", ".join("--" + key.replace("_", "-") for key in strange)
        raise BadInput(f"{names}: only for a Colab VM.", hint="As in `ropeway connect colab`.")
    return {key: given[key] for key in _WISHES if given[key]}


def prepare(given: Mapping[str, Any], options: dict[str, Any], token: str) -> bool:
    """Terms, program and sign-in, asked for where there is a person; False: that was all.

    Raises `RopewayError`.
    """
    Colab.read("colab", token, options)
    program = Program()
    _confirm(accepted=given["accept_terms"])
    _provide(program, asked=given["install"])
    if given["sign_in"] or (not program.signed_in and _asking()):
        click.echo("Signing in to Google, which happens in Google's own program:", err=True)
        program.sign_in()
    elif not program.signed_in:
        raise not_signed_in()
    return not given["sign_in"]


def _confirm(*, accepted: bool) -> None:
    if colab_terms.confirmed():
        return
    click.echo(colab_terms.TEXT, err=True)
    if accepted or (_asking() and click.confirm("Go on under these terms?", err=True)):
        colab_terms.confirm()
        return
    raise BadInput(
        "Google's terms were not confirmed.", hint="--accept-terms does so without a question."
    )


def _provide(program: Program, *, asked: bool) -> None:
    if not asked:
        try:
            program.find()
        except MissingPackage as error:
            question = f"{error.message} Install it, into an environment of its own?"
            if not _asking() or not click.confirm(question, err=True):
                raise
        else:
            return
    install(program, lambda sentence: click.echo(sentence, err=True))


def _asking() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def heard(said: list[str], tell: Callable[[str], None]) -> Callable[[str], None]:
    """`tell`, which keeps what it says in `said`."""

    def told(sentence: str) -> None:
        said.append(sentence)
        tell(sentence)

    return told


def show_costs(said: list[str]) -> None:
    """What Google's program said of costs, in a terminal that showed each sentence for a moment."""
    if sys.stderr.isatty():
        for sentence in said:
            if sentence.startswith(WORDS):
                click.echo(sentence, err=True)
