"""`%%on --gpu 16GB`: home knows which runtime has that; where none has it, the person chooses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput, NoAccelerator
from ropeway.kernel.answer import ignore
from ropeway.kernel.inband import Talk
from ropeway.kernel.words import bytes_of, bytes_text

FALLBACKS = ("ask", "cpu", "error")


@dataclass(frozen=True, slots=True)
class Need:
    """A GPU with `memory` bytes free, 0 for any; `fallback` is empty where the line says none."""

    memory: int = 0
    fallback: str = ""

    @classmethod
    def parse(cls, amount: str, fallback: str = "") -> Need:
        """What stands behind `--gpu` and `--fallback`. Raises `BadInput`."""
        size = bytes_of(amount)
        if amount and size is None:
            raise BadInput(
                f"%%on --gpu {amount}: that is no amount of memory.",
                hint="%%on --gpu 16GB, %%on --gpu for any GPU, or %%on NAME for a runtime.",
            )
        if fallback and fallback not in FALLBACKS:
            raise BadInput(
                f"%%on has no --fallback {fallback}.", hint="Say --fallback cpu, ask or error."
            )
        return cls(size or 0, fallback)

    def __str__(self) -> str:
        return f"a GPU with {bytes_text(self.memory)} free" if self.memory else "a GPU"


class Picker:
    """Finds where the cells of a notebook run that need a GPU; what was answered once holds on."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._said: dict[int, str] = {}
        self._answers: dict[int, str] = {}

    def runtime(self, need: Need) -> str:
        """The runtime for a cell, which is told when it is another one than before.

        Where none has what is needed it asks, takes the notebook's own, or raises `NoAccelerator`.
        """
        choices = _choices(need.memory)
        if choices and choices[0].picked:
            return self._take(need, choices[0])
        missing = _missing(need, choices)
        own = next((each for each in choices if each.own), None)
        if need.fallback == "cpu" and own is not None:
            return self._take(need, own, missing)
        answer = self._answers.get(need.memory)
        chosen = next((each for each in choices if each.runtime == answer), None)
        if chosen is None:
            if need.fallback == "error" or not self._shell.kernel._allow_stdin:
                raise _nowhere(missing, choices)
            chosen = self._ask(missing, choices)
            self._answers[need.memory] = chosen.runtime
        return self._take(need, chosen)

    def _take(self, need: Need, choice: wire.Choice, why: str = "") -> str:
        before = self._said.get(need.memory)
        if before != choice.runtime:
            self._said[need.memory] = choice.runtime
            left = f", no longer on {before} with the variables there" if before else ""
            this = f"{why}: this" if why else "This"
            print(f"{this} cell runs on {choice.runtime} ({choice.told}){left}.", file=sys.stderr)
        return choice.runtime

    def _ask(self, missing: str, choices: Sequence[wire.Choice]) -> wire.Choice:
        """What the person chooses. Raises `NoAccelerator` for nothing."""
        print(f"{missing}. Where is this cell to run?", file=sys.stderr)
        for number, each in enumerate(choices, 1):
            print(f"  {number}  {each.runtime}: {each.told}", file=sys.stderr)
        last = len(choices) + 1
        print(f"  {last}  nowhere", file=sys.stderr)
        while True:
            answer = self._shell.kernel.raw_input(f"Which one (1 to {last})? ").strip()
            if answer == str(last):
                raise NoAccelerator(f"{missing}; the cell was not run.")
            for number, each in enumerate(choices, 1):
                if answer in (str(number), each.runtime):
                    return each


def _choices(memory: int) -> list[wire.Choice]:
    """What home offers, whichever home answers in the end."""
    while True:
        talk = Talk("pick", patient=True, memory=memory)
        try:
            reply, _ = talk.hear(ignore)
        finally:
            talk.close()
        if reply.kind == "end":
            return [wire.from_json(wire.Choice, each) for each in reply.body["choices"]]


def _missing(need: Need, choices: Sequence[wire.Choice]) -> str:
    if any(each.fits for each in choices):
        return f"Only a public runtime has {need}, and none of those is picked by itself"
    return f"No runtime is known to have {need}"


def _nowhere(missing: str, choices: Sequence[wire.Choice]) -> NoAccelerator:
    listed = ", ".join(f"{each.runtime} ({each.told})" for each in choices)
    names = " or ".join(f"%%on {each.runtime}" for each in choices if not each.own)
    named = f"{names} names a runtime that may do; " if names else ""
    return NoAccelerator(
        f"{missing}. There is {listed}." if listed else f"{missing}.",
        hint=f"{named}--fallback cpu behind --gpu runs the cell on the notebook's own.",
        choices=[wire.to_json(each) for each in choices],
    )
