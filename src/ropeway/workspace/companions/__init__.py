"""The companions of notebooks: kernels on other runtimes that run their `%%on` cells.

A notebook's kernel has one companion on each runtime that it names, from the first use on; it ends
when the kernel ends or is restarted. Nobody else's kernel reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ropeway import wire
from ropeway.errors import RopewayError
from ropeway.notebooks.needs import Need
from ropeway.workspace.address import HERE
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.companions import trust
from ropeway.workspace.companions.asker import Asker
from ropeway.workspace.companions.companion import Companion, died, request_id
from ropeway.workspace.companions.placement import Placements, nested
from ropeway.workspace.companions.record import Record
from ropeway.workspace.journal import Journal, KernelRow

if TYPE_CHECKING:
    from ropeway.workspace.home import Home

__all__ = ["Asker", "Companions", "Placements", "Record", "is_companion"]

log = logging.getLogger(__name__)

_SPACE = uuid.UUID("5a1f7c1e-3f43-5d0b-9b0e-6c1f5f0c7d42")
_VERSION = 5


def companion_id(asker: str, runtime: str) -> str:
    """The id of the companion that a kernel has on a runtime: known again after a restart."""
    return str(uuid.uuid5(_SPACE, f"{asker}/{runtime}"))


def is_companion(kernel: str) -> bool:
    """Whether the id is a companion's; stock Jupyter's are of another version."""
    try:
        return uuid.UUID(kernel).version == _VERSION
    except ValueError:
        return False


class Companions:
    """The companions of one home's kernels. `aclose` it; one event loop."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._askers: dict[str, Asker] = {}
        """By companion: whose it is."""
        self._live: dict[str, Companion] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._died: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._records: dict[str, Record] = {}
        self._taken_up = asyncio.Event()
        self._taken_up.set()
        self._stack = contextlib.ExitStack()
        self._own_journal: Journal | None = None
        self.life = uuid.uuid4().hex
        """Tells this process of home from those before it."""

    @property
    def journal(self) -> Journal:
        """Home's journal. A headless run has one for its companions, which ends with it."""
        if self._home.recorder is not None:
            return self._home.recorder.journal
        if self._own_journal is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ropeway-"))
            self._own_journal = Journal(Path(folder))
            self._stack.callback(self._own_journal.close)
        return self._own_journal

    def record(self, number: str) -> Record:
        """What keeps the words of a companion: the tap of its bridge."""
        if number not in self._records:
            self._records[number] = Record(self.journal, number)
        return self._records[number]

    def asks_for(self, kernel: str) -> str:
        """The kernel in whose name that one asks: a companion's asker, else itself."""
        asker = self._askers.get(kernel)
        return asker.kernel if asker is not None else kernel

    def runtime_class(self, kernel: str, runtime: str) -> str:
        """What a policy knows a kernel as: what a companion reads, its asker gets too."""
        own = self.class_of(runtime)
        asker = self._askers.get(kernel)
        return trust.less_trusted(own, asker.runtime_class) if asker is not None else own

    def asker(self, kernel: str, runtime: str) -> Asker:
        """A kernel of this home as one that asks."""
        return Asker(kernel, runtime, self.runtime_class(kernel, runtime))

    def placements(self, kernel: str, runtime: str) -> Placements:
        """What that kernel asks of its companions."""
        return Placements(self, self.asker(kernel, runtime), self._home.data)

    def class_of(self, runtime: str) -> str:
        """What a policy knows a runtime as; one that is gone is nobody's."""
        found = self._home.registry.runtimes.get(runtime)
        return found.provider.runtime_class if found is not None else "public"

    def may_send_code(self, source: str, to: str) -> bool:
        """Whether kernels of the runtime `source` may have code run on `to`, as a pickle does."""
        trusted = self._home.settings["placement.trusted"]
        return trust.may_place(self.class_of(source), self.class_of(to), trusted)

    async def of(self, asker: Asker, runtime: str) -> tuple[Companion, str]:
        """The kernel's companion on a runtime, started if needed, and what to say of that.

        Raises `Refused`, and whatever keeps a kernel from starting there.
        """
        if is_companion(asker.kernel):
            raise nested()
        await self._taken_up.wait()
        if runtime == HERE:
            await self._home.bring_here()
        found = self._home.registry.get(runtime)
        trusted = self._home.settings["placement.trusted"]
        trust.check(asker.runtime_class, runtime, found.provider.runtime_class, trusted)
        number = companion_id(asker.kernel, runtime)
        async with self._turns.setdefault(number, asyncio.Lock()):
            companion = self._live.get(number)
            if companion is not None and not await companion.lives():
                await self._drop(number)
                self._died.add(number)
                companion = None
            if companion is not None:
                return companion, ""
            companion = await self._started(asker, runtime, number)
            died = number in self._died
            self._died.discard(number)
            return companion, _anew(runtime) if died else ""

    async def choices(self, asker: Asker, need: Need) -> tuple[wire.Choice, ...]:
        """Where a cell of the asker that needs a GPU may run, as `needs.choices` says.

        Raises `Refused`.
        """
        from ropeway.workspace.places import choices  # which knows kernels, and they their home

        if is_companion(asker.kernel):
            raise nested()
        trusted = self._home.settings["placement.trusted"]
        mine = {asker.runtime: asker.kernel}
        for number, each in self._live.items():
            if self._askers[number].kernel == asker.kernel:
                mine[each.runtime] = number
        registry, own = self._home.registry, asker.runtime
        # Where the notebook's variables are comes first: the others need no look then.
        found = await choices(registry, need, own, kernels=mine, admits=lambda runtime: False)
        if found and found[0].picked:
            return found
        if trust.may_place(asker.runtime_class, "here", trusted):
            await self._home.bring_here()
        return await choices(
            registry,
            need,
            own,
            kernels=mine,
            admits=lambda runtime: trust.may_place(
                asker.runtime_class, runtime.provider.runtime_class, trusted
            ),
        )

    def end(self, asker: str) -> None:
        """The kernel ended, or another one stands in its place; returns at once."""
        mine = [number for number, each in self._askers.items() if each.kernel == asker]
        for number in mine:
            self._died.discard(number)
            task = asyncio.ensure_future(self._end(number))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def begun(self, asker: Asker, runtime: str, placement: str) -> Companion | None:
        """The companion that has begun with that placement, in this process's time or before.

        Raises `KernelGone` where it is no more.
        """
        await self._taken_up.wait()
        number = companion_id(asker.kernel, runtime)
        if self.journal.runs.find(request_id(number, placement)) is None:
            return None
        companion = self._live.get(number)
        if companion is None:
            raise died(runtime)
        return companion

    async def over(self, asker: Asker, runtime: str, placement: str) -> None:
        """Nobody hears that placement any more: what goes on of it is interrupted, and what it
        said is dropped. That it was begun stays known for a while."""
        await self._taken_up.wait()
        number = companion_id(asker.kernel, runtime)
        run = self.journal.runs.find(request_id(number, placement))
        if run is None:
            return
        if number in self._live:
            await self._live[number].forget(placement)
        await self._drop_run(run.id)

    def hold(self) -> None:
        """Let who asks wait until `reattach` has been through."""
        self._taken_up.clear()

    async def reattach(self, askers: Iterable[Asker], rows: Iterable[KernelRow]) -> None:
        """Take up the companions in `rows`, and end those of none of the `askers`. Never raises."""
        try:
            await self._reattach(askers, rows)
        finally:
            self._taken_up.set()

    async def _reattach(self, askers: Iterable[Asker], rows: Iterable[KernelRow]) -> None:
        wanted = {
            companion_id(a.kernel, r): a for a in askers for r in self._home.registry.runtimes
        }
        for row in rows:
            number = row.id
            companion = self._companion(row.runtime, row.name, number)
            if number in wanted:
                self._askers[number] = wanted[number]
            try:
                await companion.open(self._home.root, row)
            except Exception as error:  # noqa: BLE001 (one kernel must not keep the workspace down)
                log.warning("a companion on %s cannot be taken up again: %r", row.runtime, error)
                self._askers.pop(number, None)
                continue
            self._live[number] = companion
            if number not in wanted:  # its notebook's kernel is no more
                await self._drop(number)
                await self._forget(number)

    async def aclose(self) -> None:
        """Let go of all; they end unless kernels are to go on."""
        for number in list(self._live):
            await self._drop(number)
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._own_journal = None
        self._stack.close()

    def _companion(self, runtime: str, kernel: str, number: str) -> Companion:
        return Companion(runtime, kernel, number, self._home.kernel_dir, self.record(number))

    async def _started(self, asker: Asker, runtime: str, number: str) -> Companion:
        kernel = await choose_kernel(self._home.registry, runtime, None)
        companion = self._companion(runtime, kernel.name, number)
        self._askers[number] = asker
        try:
            await companion.open(self._home.root)
        except BaseException:
            self._askers.pop(number, None)
            raise
        self._live[number] = companion
        return companion

    async def _end(self, number: str) -> None:
        async with self._turns.setdefault(number, asyncio.Lock()):
            await self._drop(number)
            await self._forget(number)

    async def _forget(self, number: str) -> None:
        """Its notebook's kernel is no more: nobody will hear what it said."""
        if any(row.id == number for row in self.journal.kernels.all()):
            return  # both go on without this process
        for run in self.journal.runs.by(number):
            await self._drop_run(run.id)

    async def _drop_run(self, run: int) -> None:
        self.journal.runs.end(run)
        self.journal.runs.settle(run)
        more = True
        while more:
            more = self.journal.messages.drop(run)
            await asyncio.sleep(0)

    async def _drop(self, number: str) -> None:
        companion = self._live.pop(number, None)
        if companion is not None:
            try:
                await companion.aclose()
            except RopewayError as error:
                log.warning("a companion on %s may go on: %s", companion.runtime, error.message)
        self._askers.pop(number, None)
        self._records.pop(number, None)


def _anew(runtime: str) -> str:
    return (
        f"The companion kernel on {runtime} had died: this is another one, and the variables of "
        "the one before are gone.\n"
    )
