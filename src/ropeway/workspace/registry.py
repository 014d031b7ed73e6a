"""The runtimes of a workspace: which there are, how they are, what kernels they offer.

Each runtime is looked at by a task of its own, so that one that hangs never slows the others. A
change of the remembered list, from the shell or from another workspace, is noticed within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput, RopewayError, Stopped, TokenRefused, Unreachable
from ropeway.workspace.address import HERE
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.past import Past
from ropeway.workspace.providers import Provider, Site, provider_for
from ropeway.workspace.remembered import Record, RuntimeList, unknown_runtime
from ropeway.workspace.specs import SpecCache

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0

SPECS_EVERY = 3
"""Looks from one question for what rarely changes to the next: its kernels, when it stops."""


def state_after(error: RopewayError) -> str:
    """The state of a runtime that could not be looked at."""
    if isinstance(error, TokenRefused):
        return "refused"
    return "stopped" if isinstance(error, Stopped) else "unreachable"


class Runtime:
    """One runtime of this workspace, live."""

    def __init__(self, name: str, make: Callable[[Site], Provider], site: Site) -> None:
        self.name = name
        self.state = "connecting"
        self.detail = ""
        self.wake = asyncio.Event()
        """Set to be looked at now."""
        self.provider = make(replace(site, tell=self._told, changed=self.wake.set))
        self.client = RuntimeClient(name, None, site.timeout, self.provider.ping_seconds)
        self.turn = asyncio.Lock()
        self.agent = False
        self.stop_idle = 0.0
        self.default_kernel: str | None = None
        self.kernels: tuple[wire.Kernel, ...] = ()
        self.offered: dict[str, Any] | None = None
        """What the runtime itself said of its kernels at the last look."""
        self.running: dict[str, dict[str, Any]] | None = None
        """The kernels that ran there at the last look, by remote id; None: not known."""
        self.past = Past()
        """What it used lately."""
        self.looks = 0
        """How often it was looked at since it connected."""
        self.looked_at = 0.0
        """When that look began (`time.monotonic`)."""

    def model(self, sessions: int = 0) -> wire.Runtime:
        """The runtime as the page and the shell see it."""
        return wire.Runtime(
            self.name,
            self.provider.shown,
            self.provider.kind,
            self.state,
            self.detail,
            self.agent,
            self.kernels,
            self.default_kernel,
            sessions,
            self.provider.stoppable,
            self.stop_idle or self.provider.stop_idle,
            self.provider.runtime_class,
        )

    def _told(self, sentence: str) -> None:
        self.detail = sentence

    async def aclose(self) -> None:
        """Let go of it."""
        await self.client.aclose()
        await self.provider.aclose()


class Registry:
    """The runtimes of one workspace. `start` it, `aclose` it; one event loop."""

    def __init__(
        self,
        remembered: RuntimeList,
        specs: SpecCache,
        *,
        refresh: float = 5.0,
        site: Site | None = None,
    ) -> None:
        self.runtimes: dict[str, Runtime] = {}
        self.specs = specs
        self.site = site or Site()
        """What runtimes that are taken in from now on are given."""
        self.on_removed: Callable[[Runtime], None] = lambda runtime: None
        self.on_reached: Callable[[Runtime], None] = lambda runtime: None
        self._remembered = remembered
        self._refresh = refresh
        self._stamp = (-1, 0, 0)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Future[None]] = set()

    async def start(self) -> None:
        """Take up the remembered runtimes and keep looking at them."""
        self._reload()
        self.specs.keep_only({HERE, *self.runtimes})
        self._watcher = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        """Let go of every runtime; nothing is shut down there."""
        tasks = [*self._tasks.values(), *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        for runtime in self.runtimes.values():
            await runtime.aclose()

    def get(self, name: str) -> Runtime:
        """The runtime of that name. Raises `UnknownRuntime`."""
        try:
            return self.runtimes[name]
        except KeyError:
            raise unknown_runtime(name, self.runtimes) from None

    async def connect(
        self,
        text: str,
        token: str = "",
        name: str | None = None,
        options: dict[str, Any] | None = None,
        runtime_class: str = "",
        *,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> Runtime:
        """Check what was pasted, remember it and take it in (`check_and_remember`)."""
        record = await check_and_remember(
            self._remembered,
            text,
            token,
            name,
            options=options,
            runtime_class=runtime_class,
            timeout=self.site.timeout,
            tell=tell,
        )
        runtime = self._runtime(record)
        await self.adopt(runtime)
        return runtime

    def _runtime(self, record: Record) -> Runtime:
        return Runtime(record.name, lambda site: provider_for(record, site), self.site)

    async def adopt(self, runtime: Runtime) -> None:
        """Take a runtime in, look at it once, and keep looking."""
        self.runtimes[runtime.name] = runtime
        await self.look(runtime)
        if self.runtimes.get(runtime.name) is runtime:
            self._tasks[runtime.name] = asyncio.create_task(self._keep_looking(runtime))

    async def replace(self, runtime: Runtime) -> None:
        """Take a runtime in where an older one of that name stood."""
        if runtime.name in self.runtimes:
            self._drop(runtime.name, forget=False)
        await self.adopt(runtime)

    async def start_runtime(self, name: str) -> Runtime:
        """Start a runtime that was stopped, and look at it. Raises `RopewayError`."""
        runtime = self.get(name)
        try:
            async with runtime.turn:
                runtime.state, runtime.detail = "connecting", ""
                await runtime.provider.start()
        except RopewayError as error:
            self._lost(runtime, error)
            raise
        await self.look(runtime)
        return runtime

    async def disconnect(self, name: str, *, stop: bool = False) -> None:
        """Forget a runtime; its kernels are left running unless it is to `stop` first.

        Raises `UnknownRuntime`, `BadInput`, or why it cannot be stopped; then it stays.
        """
        if name == HERE:
            raise BadInput(
                "The runtime here belongs to this machine and cannot be disconnected.",
                hint="Switch the notebook to another runtime, or shut its kernel down.",
            )
        if stop:
            runtime = self.get(name)
            async with runtime.turn:
                await runtime.provider.stop()
        self._remembered.remove(name)
        if name in self.runtimes:  # or its watcher was quicker
            self._drop(name)

    async def look(self, runtime: Runtime) -> None:
        """Reach a runtime, ask how it is and what kernels it offers. Never raises."""
        try:
            async with runtime.turn:
                await self._look(runtime)
        except RopewayError as error:
            self._lost(runtime, error)
        except Exception:
            log.exception("could not look at runtime %s", runtime.name)
            self._lost(runtime, Unreachable("It could not be looked at; the log says why."))

    async def _look(self, runtime: Runtime) -> None:
        begun = time.monotonic()
        client = runtime.client
        client.address = await runtime.provider.reach()
        fresh = runtime.state != "connected"
        runtime.looks = 0 if fresh else runtime.looks + 1
        specs = runtime.offered
        if specs is None or runtime.looks % SPECS_EVERY == 0:
            specs = await client.kernelspecs()
        running = await client.kernels()
        if fresh:
            runtime.agent = await client.has_agent()
        if runtime.agent and runtime.looks % SPECS_EVERY == 0:
            runtime.stop_idle = await client.stop_idle()
        if self.runtimes.get(runtime.name) is not runtime:
            return  # disconnected meanwhile
        if specs != runtime.offered:  # the files need no look when nothing is new
            found = await self.specs.update(runtime.name, client, specs)
            runtime.kernels, runtime.default_kernel = found
            runtime.offered = specs
        runtime.looked_at = begun
        runtime.running = None if running is None else {str(m["id"]): m for m in running}
        runtime.state, runtime.detail = "connected", ""
        self.on_reached(runtime)

    def _lost(self, runtime: Runtime, error: RopewayError) -> None:
        runtime.state, runtime.detail = state_after(error), error.message
        runtime.running = None
        if not runtime.kernels:
            runtime.kernels, runtime.default_kernel = self.specs.cached(runtime.name)

    async def _keep_looking(self, runtime: Runtime, *, at_once: bool = False) -> None:
        if at_once:
            await self.look(runtime)
        while True:
            with contextlib.suppress(TimeoutError):
                # Not all at the same moment, when there are many.
                pause = self._refresh * random.uniform(0.8, 1.2)  # noqa: S311
                # Python 3.11's wait_for would swallow a cancellation that comes with the waking.
                async with asyncio.timeout(pause):
                    await runtime.wake.wait()
            runtime.wake.clear()
            await self.look(runtime)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if self._remembered.stamp() != self._stamp:
                    self._reload()
            except (RopewayError, OSError) as error:
                log.error("the list of runtimes cannot be read: %s", error)

    def _reload(self) -> None:
        self._stamp = self._remembered.stamp()
        records = self._remembered.read()
        for name, runtime in list(self.runtimes.items()):
            record = records.get(name)
            if name != HERE and (record is None or not runtime.provider.reaches(record)):
                self._drop(name)
        for name, record in records.items():
            if name not in self.runtimes:
                runtime = self._runtime(record)
                runtime.kernels, runtime.default_kernel = self.specs.cached(name)
                self.runtimes[name] = runtime
                self._tasks[name] = asyncio.create_task(self._keep_looking(runtime, at_once=True))

    def _drop(self, name: str, *, forget: bool = True) -> None:
        runtime = self.runtimes.pop(name)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        if forget:
            self.specs.remove(name)
        self.on_removed(runtime)
        closing = asyncio.ensure_future(runtime.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
