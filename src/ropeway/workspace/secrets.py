"""Secrets for cells: home answers `userdata.get`, and asks whoever sits at the page first.

That a notebook may read a secret is said to home by the page or in a shell. Who asks is home's own
knowledge, never taken from a request.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ropeway import wire
from ropeway.data import secrets
from ropeway.data.ledger import Ledger
from ropeway.errors import NotFound
from ropeway.workspace.colab import Asker

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds that a cell waits for the person at the page."""

DENIALS, DENIED = 3, 60.0
"""So many times "no" in so many seconds hold for that long: a cell cannot ask again and again."""

_THREADS = 4
"""A keyring may ask its owner first: whoever waits for that keeps nobody else waiting."""


class Secrets:
    """The answers for notebooks below `root`; `followed` says whether a page shows a kernel's.

    `changed` is called when `questions` are others than before.
    """

    def __init__(self, root: Path, ledger: Ledger, followed: Callable[[str], bool]) -> None:
        self._root = root
        self._ledger = ledger
        self._followed = followed
        self._open: dict[str, tuple[wire.SecretQuestion, asyncio.Future[bool]]] = {}
        self._denied: dict[tuple[str, str], list[float]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "secrets")
        self.changed: Callable[[], None] = lambda: None

    @property
    def kept(self) -> secrets.Secrets:
        """Where they lie. Raises `BadInput` where that cannot be."""
        return secrets.Secrets()

    def told(self, notebook: str) -> list[wire.Secret]:
        """All of them, as a notebook may have them."""
        place, found = str(self.place(notebook)), self.kept.all()
        return [wire.Secret(s.name, s.notebooks.get(place, ""), len(s.notebooks)) for s in found]

    @property
    def questions(self) -> list[wire.SecretQuestion]:
        """What nobody has answered yet, the oldest first."""
        return [question for question, _ in self._open.values()]

    def place(self, notebook: str) -> Path:
        """The notebook's path at home, from the one below the root."""
        return (self._root / notebook).resolve()

    async def get(self, asker: Asker, request: Any) -> dict[str, Any]:
        """The answer to `GetSecret`, as Colab's page gives it; the ledger has it before."""
        key = str(request.get("key", "")) if isinstance(request, dict) else ""
        try:
            secret = await self._aside(self.kept.__getitem__, key)
        except NotFound:
            await self._aside(self._note, asker, key[:200], "there is no such secret")
            return {"exists": False, "access": False}
        notebook = self.place(asker.notebook) if asker.notebook else None
        answer: dict[str, Any] = {"exists": True, "access": True}
        if not secret.may_read(notebook, asker.runtime_class):
            if notebook is not None and self._followed(asker.kernel):
                answer = await self._ask(asker, key)
            else:
                answer = {"exists": True, "access": False, "hint": _hint(asker, key)}
        value = await self._aside(self.kept.value, key) if answer["access"] else ""
        refused = "" if answer["access"] else "the notebook may not read it"
        await self._aside(self._note, asker, key, refused)
        return {**answer, "payload": value} if answer["access"] else answer

    async def settle(self, number: str, *, allowed: bool) -> None:
        """Somebody answered a question. Raises `NotFound`."""
        if number not in self._open:
            raise NotFound("Nobody waits for that answer any more.", hint="Run the cell again.")
        question, answer = self._open[number]
        if allowed:
            farthest = max(question.runtime_class, secrets.OWN, key=wire.CLASSES.index)
            place = self.place(question.notebook)
            await self._aside(self.kept.allow, question.name, place, farthest)
        if not answer.done():
            answer.set_result(allowed)

    async def _ask(self, asker: Asker, key: str) -> dict[str, Any]:
        denied = self._denied.setdefault((asker.kernel, key), [])
        denied[:] = [at for at in denied if time.monotonic() - at < DENIED]
        if len(denied) >= DENIALS:
            return {"exists": True, "access": False}
        asked = [each for each, _ in self._open.values()]
        number = uuid.uuid4().hex
        question = wire.SecretQuestion(
            number, key, asker.notebook, asker.runtime, asker.runtime_class
        )
        same = [each for each in asked if replace(each, id=number) == question]
        answer = self._open[same[0].id][1] if same else asyncio.get_running_loop().create_future()
        if not same:
            self._open[number] = question, answer
            self.changed()
        try:
            allowed = await asyncio.wait_for(asyncio.shield(answer), PATIENCE)
        except TimeoutError:
            return {"exists": True, "access": False, "unanswered": True}
        finally:
            if self._open.pop(number, None) is not None:
                self.changed()
        if not allowed:
            denied.append(time.monotonic())
        return {"exists": True, "access": allowed}

    async def _aside(self, do: Callable[..., T], *given: Any) -> T:
        """What it gives, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *given)

    def _note(self, asker: Asker, key: str, refused: str) -> None:
        entry = asker.entry("secret", "refused" if refused else "done")
        self._ledger.append(replace(entry, value=key, type="secret", reason=refused))


def _hint(asker: Asker, key: str) -> str:
    if not asker.notebook:
        return "Home knows no notebook that runs in this kernel."
    farther = asker.runtime_class not in wire.CLASSES[: wire.CLASSES.index(secrets.OWN) + 1]
    option = f" --class {asker.runtime_class}" if farther else ""
    return f"At home: ropeway secrets allow {key} {asker.notebook}{option}"
