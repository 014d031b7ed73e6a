"""Kernels of any runtime for stock Jupyter: a kernel provisioner.

jupyter_client's official extension point. The workspace's kernel managers, and with them
sessions, culling, nbclient and everything else that is written for local kernels, stay stock:
to them a kernel of a runtime is a local one whose ports a `Bridge` serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.provisioning import KernelProvisionerBase
from jupyter_server._tz import utcnow
from traitlets import Unicode

from ropeway.errors import KernelGone, RopewayError, Unreachable
from ropeway.workspace.address import HERE
from ropeway.workspace.bridge import LINK_SECONDS, Bridge, Event
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.companions import Record, is_companion
from ropeway.workspace.home import Home
from ropeway.workspace.journal import KernelRow
from ropeway.workspace.kernel_sdk import KernelSdk
from ropeway.workspace.recorder import Tap
from ropeway.workspace.registry import Runtime
from ropeway.workspace.stand_in import StandIn

LOOK_SECONDS = 3.0
"""So long a start waits to see whether a runtime that was away is back."""

OUT_OF_REACH = ("unreachable", "refused", "stopped")


class RuntimeProvisioner(KernelProvisionerBase):
    """Starts, watches and ends one kernel on a runtime."""

    runtime = Unicode(help="Name of the runtime.", config=True)
    remote_kernel = Unicode(help="The runtime's own name of the kernel.", config=True)

    home: ClassVar[Home | None] = None
    """The home that this process serves; set once, before the first kernel."""

    live: ClassVar[dict[str, RuntimeProvisioner]] = {}
    """Every provisioner with a kernel, by the workspace's kernel id."""

    place = ""
    """As `runtime`, of a kernel that was started: a trait is slow, and lists read a thousand."""

    left: ClassVar[frozenset[str]] = frozenset()
    """The runtimes whose kernels are to go on when this process ends."""

    remote_id: str | None = None
    bridge: Bridge | None = None
    linked = False
    _client: RuntimeClient | None = None
    _sdk: KernelSdk | None = None
    _tap: Tap | Record | None = None
    _stand_in: StandIn | None = None
    _dead = False
    _gone = False
    _reattaching: asyncio.Future[None] | None = None
    _launched_at = 0.0

    # --- jupyter_client's interface -------------------------------------------------------------

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel to speak of."""
        return self.bridge is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare the start; our environment variables are never sent to a runtime."""
        ready: dict[str, Any] = await super().pre_launch(cmd=[], **kwargs)
        return ready

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Start the kernel on its runtime, or restart it; returns the local connection info.

        Raises one of our errors, with what to do, when that cannot be.
        """
        await self._stop_reattaching()
        row = kwargs.get("ropeway_attach")
        if row is not None and self.bridge is None:
            self._attach(self._home().registry.get(self.runtime), row)
        elif self.bridge is None:
            await self._start(await self._reached(), kwargs.get("cwd"))
        else:
            await self._restart(await self._reached(), kwargs.get("cwd"))
        self._dead = self._gone = False
        assert self._sdk is not None
        self._sdk.serve()
        info: dict[str, Any] = self.connection_info
        return info

    async def post_launch(self, **kwargs: Any) -> None:
        """Hang the manager's control connection up: 60 kB a kernel, made anew when it is needed.

        Nothing but a shutdown uses it, and that we ask of the runtime.
        """
        self.parent._close_control_socket()

    async def poll(self) -> int | None:
        """None while the kernel may live. Not to be heard of is not death.

        A kernel that vanished is not replaced by itself, which would hide that its variables are
        lost: the page is told that it is dead, and stock's restarter that all is well.
        """
        running = self._known_running()
        if running is not None and self.remote_id not in running and not self._gone:
            self._on_event("gone")
        self._keep_from_culling(running)
        gone_unwatched = self._gone and self._restarter is None
        return 1 if self._dead or gone_unwatched else None

    def _keep_from_culling(self, running: dict[str, Any] | None) -> None:
        """Stock's culling knows what came here last, not what runs or waits behind a dead link."""
        model = (running or {}).get(str(self.remote_id)) or {}
        if not self._gone and (not self.linked or model.get("execution_state") == "busy"):
            self.parent.last_activity = utcnow()

    async def wait(self) -> int | None:
        """The kernel's end was asked of its runtime; there is nothing to wait for."""
        return 0

    async def send_signal(self, signum: int) -> None:
        """SIGINT interrupts the kernel; other signals have no meaning for a runtime."""
        if signum != signal.SIGINT or self._client is None or self.remote_id is None:
            return
        if self.place in self.left:
            return
        if self.parent.shutting_down and self._away():
            return  # a shutdown interrupts first: it must not wait for who does not answer
        try:
            await self._client.interrupt_kernel(self.remote_id)
        except KernelGone:
            self._on_event("gone")
        except RopewayError:
            # Out of reach is no reason not to shut down.
            if not self.parent.shutting_down:
                raise

    async def shutdown_requested(self, restart: bool = False) -> None:
        """`cleanup` or `launch_kernel` will ask the runtime."""
        self._dead = True

    async def kill(self, restart: bool = False) -> None:
        """As `shutdown_requested`."""
        self._dead = True

    async def terminate(self, restart: bool = False) -> None:
        """As `shutdown_requested`."""
        self._dead = True

    async def cleanup(self, restart: bool = False) -> None:
        """Shut the kernel down at its runtime and free the local ports."""
        if restart:
            return
        self.live.pop(self.kernel_id, None)
        bridge, self.bridge = self.bridge, None
        await self._stop_reattaching()
        if self._sdk is not None:
            self._sdk.end()
        if bridge is not None:
            await bridge.aclose()
        if self.place in self.left:
            return
        self._forget()
        if self._client is not None and self.remote_id is not None:
            await self._delete(self._client, self.remote_id)

    def _away(self) -> Runtime | None:
        """The runtime, where it did not answer at the last look."""
        runtime = self._home().registry.runtimes.get(self.runtime)
        away = runtime is not None and runtime.state in OUT_OF_REACH
        return runtime if away else None

    async def _delete(self, client: RuntimeClient, remote_id: str) -> None:
        if runtime := self._away():
            self.log.warning("kernel %s may go on: %s", self.kernel_id, runtime.detail)
            return
        try:
            await client.delete_kernel(remote_id)
        except RopewayError as error:
            self.log.warning("kernel %s may go on: %s", self.kernel_id, error.message)

    # --- starting -------------------------------------------------------------------------------

    async def _start(self, runtime: Runtime, cwd: Any) -> None:
        remote_id = await runtime.client.start_kernel(self.remote_kernel, self._folder(cwd))
        self._open(runtime, remote_id)
        try:
            await self._up()
        except BaseException:
            await self.cleanup()
            raise

    def _attach(self, runtime: Runtime, row: KernelRow) -> None:
        """Go on with a kernel that an earlier process of this workspace started."""
        self._open(runtime, row.remote_id, row)
        self._launched_at = time.monotonic()

    def _open(self, runtime: Runtime, remote_id: str, row: KernelRow | None = None) -> None:
        self._client, self.remote_id = runtime.client, remote_id
        manager, recorder, widgets = self.parent, self._home().recorder, self._home().widgets
        manager.cache_ports = False
        journal = recorder.journal if recorder is not None else None
        self._tap = recorder.tap(self.kernel_id) if recorder is not None else None
        if is_companion(self.kernel_id):  # no page looks at it
            self._tap, journal = self._home().companions.record(self.kernel_id), None
        self._stand_in = StandIn(self.kernel_id, widgets) if widgets is not None else None
        if row is None and self._stand_in is not None:
            self._stand_in.begin()
        number = row.number if row is not None else 0
        self.bridge = Bridge(
            runtime.client,
            remote_id,
            key=manager.session.key,
            on_event=self._on_event,
            swallow_shutdown_of=manager.session.session,
            tap=self._tap,
            journal=journal,
            session_id=row.link if row is not None else "",
            after=number,
            stand_in=self._stand_in,
        )
        python = str(self.kernel_spec.language).lower() == "python"
        self._sdk = KernelSdk(
            self._home(), self.runtime, self.kernel_id, self.bridge, python=python
        )
        if self._tap is not None:
            self._tap.began = self._sdk.began
        self.place = self.runtime
        self.live[self.kernel_id] = self
        self.connection_info = self.bridge.open()
        self._remember(number)

    def _remember(self, number: int = 0) -> None:
        """So that the next process of this workspace finds the kernel again."""
        recorder = self._home().recorder
        if recorder is not None and self.bridge is not None and self.remote_id is not None:
            link = self.bridge.uplink.session_id
            name, runtime, remote_id = self.parent.kernel_name, self.runtime, self.remote_id
            recorder.journal.kernels.keep(
                KernelRow(self.kernel_id, name, runtime, remote_id, link, number)
            )

    def _forget(self) -> None:
        recorder = self._home().recorder
        if recorder is not None:
            recorder.journal.kernels.forget(self.kernel_id)
        self._tell_ended()
        if self._stand_in is not None:
            self._stand_in.end()

    def _tell_ended(self) -> None:
        """What ran in the kernel runs no more."""
        if self._tap is not None:
            self._tap.ended()
        if self._stand_in is not None:
            self._stand_in.begin()

    async def _restart(self, runtime: Runtime, cwd: Any) -> None:
        assert self.bridge is not None
        if self.remote_id is not None and runtime.client is self._client:
            try:
                await runtime.client.restart_kernel(self.remote_id)
            except KernelGone:
                self.remote_id = None
            except RopewayError:
                self._dead = False  # it goes on as it was
                raise
            else:
                self._tell_ended()
                await self._redial(self.bridge)
                return
        self._tell_ended()
        # The runtime itself was restarted, or replaced: a fresh kernel behind the same ports.
        self._client = runtime.client
        self.remote_id = await runtime.client.start_kernel(self.remote_kernel, self._folder(cwd))
        await self.bridge.follow(runtime.client, self.remote_id)
        self._remember()
        await self._up()

    async def _redial(self, bridge: Bridge) -> None:
        """As JupyterLab does: the server's old sockets may lead to the old kernel."""
        try:
            await bridge.uplink.redial(LINK_SECONDS)
        except TimeoutError:
            raise Unreachable(
                f"Runtime {self.runtime} restarted the kernel but does not answer.",
                hint="Restart it once more when the runtime is back.",
            ) from None

    async def _stop_reattaching(self) -> None:
        task, self._reattaching = self._reattaching, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _up(self) -> None:
        assert self.bridge is not None
        await self.bridge.wait_up(LINK_SECONDS)
        self._launched_at = time.monotonic()

    def _folder(self, cwd: Any) -> str | None:
        """The notebook's folder, which the runtime `here` shares with the workspace."""
        if self.runtime != HERE or cwd is None:
            return None
        # As it was named first: a linked folder inside the root resolves to one outside.
        for path in (Path(os.path.abspath(cwd)), Path(cwd).resolve()):  # noqa: PTH100
            if path.is_relative_to(self._home().root):
                return path.relative_to(self._home().root).as_posix()
        return None

    async def remote_model(self) -> dict[str, Any] | None:
        """The runtime's own description of the kernel, or None when it has none."""
        if self._client is None or self.remote_id is None:
            return None
        try:
            return await self._client.kernel(self.remote_id)
        except RopewayError:
            return None

    @classmethod
    def leave_running(cls) -> None:
        """The workspace is about to end, and what runs is to go on."""
        cls.left = frozenset(provisioner.place for provisioner in cls.live.values())

    @classmethod
    def serve(cls, home: Home | None) -> None:
        """Make kernels for that home, and follow what becomes of its runtimes."""
        cls.home = home
        if home is not None:
            home.registry.on_removed = cls._each(RuntimeProvisioner.runtime_removed)
            home.registry.on_reached = cls._each(RuntimeProvisioner.runtime_reached)

    @classmethod
    def _each(
        cls, tell: Callable[[RuntimeProvisioner, Runtime], None]
    ) -> Callable[[Runtime], None]:
        def told(runtime: Runtime) -> None:
            for provisioner in list(cls.live.values()):
                tell(provisioner, runtime)

        return told

    def runtime_reached(self, runtime: Runtime) -> None:
        """The runtime was reached, perhaps by another way: the kernel hears of its new door."""
        if runtime.client is self._client and self.bridge is not None and self._sdk is not None:
            self._sdk.follow(runtime.provider.door)

    def runtime_removed(self, runtime: Runtime) -> None:
        """The runtime was disconnected: the kernel is left running there, out of our reach."""
        if runtime.client is self._client and self.bridge is not None:
            self.remote_id = None
            self._on_event("gone")

    # --- watching -------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        self.log.info("kernel %s on runtime %s: %s", self.kernel_id, self.runtime, event)
        if event in ("up", "down"):
            self.linked = event == "up"
        elif event == "restarting":
            self._restarted_there()
        elif not self._gone:
            self._gone = True
            self._forget()
            if self.bridge is not None and self._sdk is not None:
                self._sdk.forget()
                self.bridge.mark_dead()

    def _restarted_there(self) -> None:
        """The kernel died and its server restarts it: say so, and bring the SDK again."""
        self._tell_ended()
        if self._restarter is None:
            self._dead = True  # a headless run must not go on with an empty kernel
            return
        self._restarter._fire_callbacks("restart")
        if self._sdk is not None:
            self._sdk.forget()
        if self._reattaching is None or self._reattaching.done():
            self._reattaching = asyncio.ensure_future(self._reattach())

    async def _reattach(self) -> None:
        if self.bridge is None or self._sdk is None:
            return
        if await self.bridge.reattach(before_clients=self._sdk.bring):
            self.log.info("kernel %s on runtime %s is back", self.kernel_id, self.runtime)
        else:
            self._on_event("gone")

    @property
    def _restarter(self) -> Any:
        return getattr(self.parent, "_restarter", None)

    def _known_running(self) -> dict[str, Any] | None:
        home = self.home
        runtime = home.registry.runtimes.get(self.runtime) if home else None
        if runtime is None or runtime.client is not self._client or self.remote_id is None:
            return None
        return runtime.running if runtime.looked_at > self._launched_at else None

    def _home(self) -> Home:
        if self.home is None:
            raise RopewayError("This process serves no workspace.", hint="Start one: `ropeway`.")
        return self.home

    async def _reached(self) -> Runtime:
        """The runtime. One that was away when it was looked at last may be back."""
        registry = self._home().registry
        runtime = registry.get(self.runtime)
        if runtime.state in OUT_OF_REACH:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(registry.look(runtime), LOOK_SECONDS)
        if runtime.state in OUT_OF_REACH:
            raise Unreachable(
                f"Runtime {self.runtime} is {runtime.state}: {runtime.detail}",
                hint="Bring it back, or choose another runtime under Connect.",
            )
        return runtime
