"""The secrets of this user, and which notebooks may read them.

A value lies in the safe and nowhere else. Beside it stands which notebook may read it, by the
notebook's path at home, and up to which class of runtimes: whoever has such a machine can read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ropeway import config
from ropeway.data.safe import Safe
from ropeway.errors import BadInput, NotFound
from ropeway.wire import CLASSES

OWN = "own"
"""The farthest class to which a secret goes, unless somebody allows another."""

MOST = 65_536
"""Characters of a value."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its value; `notebooks` has the farthest class of runtimes by notebook."""

    name: str
    notebooks: Mapping[str, str] = field(default_factory=dict)

    def may_read(self, notebook: Path | None, runtime_class: str) -> bool:
        """Whether a notebook may read it on a runtime of that class."""
        farthest = self.notebooks.get(str(notebook)) if notebook is not None else None
        if farthest is None or runtime_class not in CLASSES:
            return False
        return CLASSES.index(runtime_class) <= CLASSES.index(farthest)


class Secrets:
    """All of them; several processes and threads may. Every path is a notebook's, absolute."""

    def __init__(self) -> None:
        self._folder = config.private_dir(config.state_dir() / "secrets")
        self._index = self._folder / "notebooks.json"
        self._safe = Safe("ropeway-secrets", self._folder / "values.json")

    def all(self) -> list[Secret]:
        """By name."""
        return [Secret(name, told) for name, told in sorted(self._read().items())]

    def __getitem__(self, name: str) -> Secret:
        """One of them. Raises `NotFound`."""
        known = self._read()
        if name not in known:
            raise NotFound(
                f"There is no secret {name}.", hint=f"Add it at home: ropeway secrets set {name}"
            )
        return Secret(name, known[name])

    def value(self, name: str) -> str:
        """What is kept. Raises `NotFound`."""
        found = self._safe.find(self[name].name)
        if found is None:
            raise NotFound(
                f"The value of {name} is gone from where it was kept.",
                hint=f"Set it again at home: ropeway secrets set {name}",
            )
        return found

    def set(self, name: str, value: str) -> str:
        """Keep a value, a new one or in place of another; returns where, in words.

        Whoever could read the one before can read this one. Raises `BadInput`.
        """
        if _NAME.fullmatch(name) is None:
            raise BadInput(
                f"{name!r} cannot be the name of a secret.",
                hint="Use letters, digits, _, - and . and begin with a letter: HF_TOKEN.",
            )
        if not value or len(value) > MOST:
            raise BadInput(f"A secret has from 1 to {MOST:,} characters.")
        place = self._safe.keep({name: value})
        self._change(lambda known: known.setdefault(name, {}))
        return place

    def remove(self, name: str) -> None:
        """Forget it. Raises `NotFound`."""
        self._safe.drop(self[name].name)
        self._change(lambda known: known.pop(name, None))

    def allow(self, name: str, notebook: Path, runtime_class: str = OWN) -> None:
        """Let a notebook read it, on runtimes up to that class. Raises `NotFound`, `BadInput`."""
        if runtime_class not in CLASSES:
            raise BadInput(
                f"{runtime_class!r} is no class of runtime.",
                hint=f"There are {', '.join(CLASSES)}.",
            )
        self[name]
        self._change(lambda known: known[name].update({str(notebook): runtime_class}))

    def deny(self, name: str, notebook: Path) -> None:
        """Let a notebook read it no more. Raises `NotFound`."""
        self[name]
        self._change(lambda known: known[name].pop(str(notebook), None))

    def _change(self, change: Callable[[dict[str, dict[str, str]]], object]) -> None:
        with config.one_writer(self._folder):
            known = self._read()
            change(known)
            config.write_private(self._index, json.dumps(known, indent=1))

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads(self._index.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found
