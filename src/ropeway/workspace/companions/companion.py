"""A companion: a kernel on a runtime that runs cells of another runtime's notebook.

It is a kernel as any other, with a kernel manager of its own: no page speaks to it, only home.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from ropeway.errors import HomeUnreachable, KernelGone, RopewayError
from ropeway.frames import message
from ropeway.workspace.bridge import Bridge
from ropeway.workspace.companions.record import Record
from ropeway.workspace.companions.run import Run
from ropeway.workspace.journal import KernelRow
from ropeway.workspace.specs import RuntimeSpecManager

READY_SECONDS = 120.0

LOOK_SECONDS = 1.0
"""Seconds between two looks whether a kernel that is silent still lives."""


class Companion:
    """A kernel on `runtime` with the id `number`. `open` it, `aclose` it; one event loop.

    `record` keeps what it says; its bridge's tap is that.
    """

    def __init__(self, runtime: str, kernel: str, number: str, specs: Path, record: Record) -> None:
        self.runtime = runtime
        self.number = number
        self.record = record
        self._settling: set[asyncio.Task[None]] = set()
        manager = RuntimeSpecManager(folder=str(specs))
        self._manager = AsyncKernelManager(
            kernel_name=kernel, kernel_spec_manager=manager, kernel_id=number
        )

    async def open(self, folder: Path, row: KernelRow | None = None) -> None:
        """Start it, or go on with the one in `row`, which may be busy. Raises `RopewayError`."""
        more = {} if row is None else {"ropeway_attach": row}
        await self._manager.start_kernel(cwd=str(folder), **more)
        if row is not None:
            return
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ask("kernel_info_request", {})
        except (TimeoutError, KernelGone) as error:
            await self.aclose()
            raise KernelGone(f"The kernel on {self.runtime} did not come up.") from error
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End it, unless kernels are to go on without this process."""
        for settling in self._settling:
            settling.cancel()
        with contextlib.suppress(RopewayError):
            await self._manager.shutdown_kernel(now=True)

    async def lives(self) -> bool:
        """Whether it is what it was, as far as is known."""
        return bool(await self._manager.is_alive())

    def begin(self, placement: str, code: str, *, stdin: bool = False) -> Run:
        """Run the code of a placement in its turn, once; returns at once. Raises `RopewayError`."""
        request = self._request(placement)
        try:
            run = self.record.begin(request)
        except sqlite3.Error as error:
            raise HomeUnreachable(
                f"Home cannot write its journal: {error}.", hint="Its disk may be full."
            ) from error
        self._bridge.place("execute_request", execution(code, allow_stdin=stdin), request)
        return run

    def go_on(self, placement: str, code: str, *, stdin: bool = False, after: int = 0) -> Run:
        """The run of a placement that was begun, behind the message `after`."""
        request = self._request(placement)
        run = self.record.run(request, after)
        if not run.ended:
            self._bridge.reroute(request, "")
            settling = asyncio.create_task(self._settle(run, request, code, stdin))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
        return run

    async def _settle(self, run: Run, request: str, code: str, stdin: bool) -> None:
        """A process of home that was killed may never have sent it: the kernel's answer to what
        comes behind it tells. Only an agent loses no reply, so that it surely was not run."""
        await self._bridge.ask("shell", "kernel_info_request", {}, None)
        self.record.catch_up()
        if run.ended or run.reply is not None:
            return
        if self._bridge.uplink.lossless:
            self._bridge.place("execute_request", execution(code, allow_stdin=stdin), request)
        else:
            self._bridge.end_lost(request)

    async def forget(self, placement: str) -> None:
        """Nobody hears that placement any more: what goes on of it is interrupted."""
        if self.record.let_go(self._request(placement)):
            await self.interrupt()

    async def wait(self, run: Run, patience: float) -> bool:
        """Until the run has news; False when it had none for so long. Raises `KernelGone`."""
        waited = 0.0
        while waited < patience:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.news.wait(), LOOK_SECONDS)
                return True
            waited += LOOK_SECONDS
            if not await self.lives():
                raise died(self.runtime)
        return False

    async def ask(self, expression: str) -> Any:
        """What a Python expression gives there, as text. Raises `KernelGone`.

        It is evaluated silently, in its turn; one that raises gives its `{"ename", "evalue"}`.
        """
        asked = execution("", silent=True, user_expressions={"asked": expression})
        reply = await self._ask("execute_request", asked)
        found = (reply.get("user_expressions") or {}).get("asked") or reply
        return found.get("data", {}).get("text/plain") if found.get("status") == "ok" else found

    def answer(self, run: Run, text: str | None) -> None:
        """Tell it what `input()` gives; None: nobody answers, and it is interrupted."""
        self.record.answered(run)
        if text is not None:
            session = self._bridge.uplink.session_id
            content = {"status": "ok", "value": text}
            self._bridge.uplink.send(message("stdin", "input_reply", content, session=session))

    async def interrupt(self) -> None:
        """Interrupt what runs there."""
        with contextlib.suppress(RopewayError):
            await self._manager.interrupt_kernel()

    async def _ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        asking = asyncio.create_task(self._bridge.ask("shell", kind, content, None))
        try:
            while not asking.done():
                await asyncio.wait({asking}, timeout=LOOK_SECONDS)
                if not asking.done() and not await self.lives():
                    raise died(self.runtime)
            return asking.result()
        finally:
            asking.cancel()

    def _request(self, placement: str) -> str:
        return request_id(self.number, placement)

    @property
    def _bridge(self) -> Bridge:
        bridge: Bridge | None = getattr(self._manager.provisioner, "bridge", None)
        if bridge is None:
            raise died(self.runtime)
        return bridge


def request_id(companion: str, placement: str) -> str:
    """The id of a placement's request: the same at any time, and no other's whatever a kernel
    calls its own."""
    return uuid.uuid5(uuid.UUID(companion), placement).hex


def execution(code: str, **content: Any) -> dict[str, Any]:
    """What an `execute_request` says."""
    silent = bool(content.get("silent"))
    usual = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": {}}
    return {**usual, "allow_stdin": False, "stop_on_error": False, **content}


def died(runtime: str) -> KernelGone:
    """What is said of a companion that ended before its cell."""
    return KernelGone(
        f"The companion kernel on {runtime} died while the cell ran.",
        hint=f"It may have run out of memory. The next %%on {runtime} starts "
        "another one; its variables are gone.",
    )
