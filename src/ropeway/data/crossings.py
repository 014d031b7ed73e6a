"""Values on their way from one kernel to another: home passes their bytes on, and writes down that
it did.

A crossing is begun by home, which says who may send and who may receive. What comes of the one is
handed to the other as fast as it takes it; no more than a few pieces are ever held.
"""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace

from ropeway.errors import BadInput, HomeUnreachable, NotFound, RopewayError
from ropeway.wire import Crossing, LedgerEntry

PATIENCE = 60.0
"""Seconds that one side waits for the other to come, or to go on."""

MOST = 256
"""Crossings under way at a time."""

LONGEST_TYPE = 200
"""Characters of a type's name that the ledger keeps."""

_AHEAD, _PIECES = 4 << 20, 64
"""Bytes and pieces that are held for a slow receiver."""

_TOOK_NOTHING = "The value's receiver took nothing for a minute."

Written = Callable[[LedgerEntry], object]


class Crossings:
    """Those of one home; `written` puts an entry into the ledger, and may take its time."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._open: dict[str, _Passage] = {}

    def begin(self, crossing: Crossing) -> None:
        """From now on its two kernels may send and receive. Raises `BadInput`."""
        if crossing.id in self._open or len(self._open) >= MOST:
            raise BadInput("That crossing is under way already, or too many are.")
        self._open[crossing.id] = _Passage(crossing)

    def forget(self, number: str) -> None:
        """It has ended: whoever still sends or waits is told."""
        passage = self._open.pop(number, None)
        if passage is not None:
            passage.break_off(HomeUnreachable("The value's other end went away."))

    async def send(self, number: str, kernel: str, kind: str, stream: AsyncIterator[bytes]) -> int:
        """Pass a value of the type `kind` on; its bytes, once the receiver has taken them all.

        Raises `NotFound` unless that kernel sends it, and what broke it.
        """
        passage = self._find(number)
        if passage.crossing.sender != kernel or passage.sending:
            raise NotFound(f"There is no crossing {number} for this kernel to send.")
        passage.sending = True
        await passage.begun()
        entry = _entry(passage.crossing, kind)
        await asyncio.to_thread(self._written, entry)
        began = time.monotonic()
        try:
            await passage.feed(stream)
        except BaseException as error:
            passage.break_off(HomeUnreachable("The value did not come whole."))
            await self._ended(entry, passage, began, error)
            raise
        await self._ended(entry, passage, began, None)
        return passage.passed

    def receive(self, number: str, kernel: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a value as they come. Raises as `send`."""
        passage = self._find(number)
        if passage.crossing.receiver != kernel or passage.receiving:
            raise NotFound(f"There is no crossing {number} for this kernel to receive.")
        return passage.receive()

    def _find(self, number: str) -> _Passage:
        try:
            return self._open[number]
        except KeyError:
            raise NotFound(f"There is no crossing {number} at home.") from None

    async def _ended(
        self, entry: LedgerEntry, passage: _Passage, began: float, error: BaseException | None
    ) -> None:
        state = "done" if error is None else "failed"
        if isinstance(error, asyncio.CancelledError):
            state = "cancelled"
        reason = error.message if isinstance(error, RopewayError) else ""
        told = replace(
            entry,
            state=state,
            bytes_crossed=passage.passed,
            seconds=round(time.monotonic() - began, 3),
            reason=reason,
        )
        await asyncio.shield(asyncio.to_thread(self._written, told))


class _Passage:
    """One crossing's pieces between the two."""

    def __init__(self, crossing: Crossing) -> None:
        self.crossing = crossing
        self.sending = self.receiving = False
        self.passed = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._whole = self._taken = False
        self._broken: RopewayError | None = None
        self._stirred = asyncio.Event()

    def break_off(self, error: RopewayError) -> None:
        """Nothing more passes."""
        self._broken = self._broken or error
        self._stirred.set()

    async def begun(self) -> None:
        """Returns once the receiver is there."""
        await self._until(lambda: self.receiving, "Nobody received the value.")

    async def feed(self, stream: AsyncIterator[bytes]) -> None:
        """Hand the pieces over; returns once all were taken."""
        async for piece in stream:
            await self._until(self._has_room, _TOOK_NOTHING)
            if piece:
                self._pieces.append(piece)
                self._held += len(piece)
                self._stirred.set()
                self.passed += len(piece)
        self._whole = True
        self._stirred.set()
        await self._until(lambda: self._taken, _TOOK_NOTHING)

    def _has_room(self) -> bool:
        return self._held < _AHEAD and len(self._pieces) < _PIECES

    def receive(self) -> AsyncGenerator[bytes, None]:
        """What is fed, to the end. Leaving it early breaks the crossing off."""
        self.receiving = True
        self._stirred.set()
        return self._received()

    async def _received(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                # No limit here: the sender is watched over where it comes in.
                await self._until(lambda: bool(self._pieces) or self._whole)
                if not self._pieces:
                    break
                pieces, self._pieces, self._held = self._pieces, [], 0
                self._stirred.set()
                yield b"".join(pieces)  # they come small, and each that goes on costs
            self._taken = True
            self._stirred.set()
        finally:
            if not self._taken:
                self.break_off(HomeUnreachable("The value's receiver went away."))

    async def _until(self, so: Callable[[], bool], otherwise: str = "") -> None:
        """Raises what broke the crossing and, where there is something to say `otherwise`,
        `HomeUnreachable` when it takes too long."""
        if so():
            return
        try:
            async with asyncio.timeout(PATIENCE if otherwise else None):
                while not so():
                    if self._broken is not None:
                        raise self._broken
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            raise HomeUnreachable(otherwise, hint="Run the cell again.") from None


def _entry(crossing: Crossing, kind: str) -> LedgerEntry:
    return LedgerEntry(
        crossing.what,
        "began",
        id=crossing.id,
        user=getpass.getuser(),
        notebook=crossing.notebook,
        cell=crossing.cell,
        source=crossing.source,
        runtime=crossing.runtime,
        runtime_class=crossing.runtime_class,
        kernel=crossing.receiver,
        value=crossing.name,
        type=kind[:LONGEST_TYPE],
    )
