"""The runtime for a notebook that runs without a page: picked by what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from ropeway import wire
from ropeway.errors import BadInput, NoAccelerator
from ropeway.kernel.words import bytes_of, bytes_text
from ropeway.notebooks.needs import Need, needed
from ropeway.notebooks.portable import wanted_kernel
from ropeway.workspace import places
from ropeway.workspace.home import Home


@dataclass(frozen=True, slots=True)
class Wish:
    """What a notebook is to run on; `demanded`: or not at all."""

    need: Need
    demanded: bool


def wish(metadata: Any, on: str | None, gpu: str | None) -> Wish | None:
    """What `--gpu` demands, else what the notebook's file asks for where nobody named a runtime.

    Raises `BadInput`.
    """
    if gpu is not None:
        size = 0 if gpu == "any" else bytes_of(gpu)
        if size is None:
            raise BadInput(f"--gpu {gpu!r} is no amount of memory.", hint="--gpu 16GB, --gpu any")
        if on is not None:
            raise BadInput("--on names the runtime that --gpu would pick.", hint="Say one of them.")
        return Wish(Need(size), demanded=True)
    if on is not None or wanted_kernel(metadata) or not _is_python(metadata):
        return None
    need = needed(metadata)
    return None if need is None else Wish(need, demanded=False)


async def pick(home: Home, wish: Wish, own: str) -> str:
    """The runtime to run on, `own` where none has what is wished for; what is found is told.

    Raises `NoAccelerator` for what is demanded.
    """
    need = wish.need
    found = await places.choices(home.registry, need, own)
    if found and found[0].picked:
        first = found[0]
        if not first.own:
            there = f"{first.runtime} ({first.told})"
            click.echo(f"The notebook needs {need}: it runs on {there}.", err=True)
        return first.runtime
    if wish.demanded:
        raise _nowhere(need, found)
    missing = f"The notebook needs {need}, and none is known that may be picked"
    click.echo(f"{missing}: it runs on the CPU of {own}.", err=True)
    return own


def _nowhere(need: Need, found: tuple[wire.Choice, ...]) -> NoAccelerator:
    free = f" with {bytes_text(need.memory)} free" if need.memory else ""
    listed = ", ".join(f"{each.runtime} ({each.told})" for each in found)
    names = " or ".join(f"--on {each.runtime}" for each in found)
    return NoAccelerator(
        f"No runtime is known to have {need}{free} that may be picked. There is {listed}.",
        hint=f"{names} runs the notebook there all the same.",
    )


def _is_python(metadata: Any) -> bool:
    """Colab's files do not always tell a language."""
    spec, told = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    language = spec.get("language") or told.get("name") or spec.get("name") or "python"
    return str(language).lower().startswith("python")
