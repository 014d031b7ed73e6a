"""`/ropeway/api/runtimes`: the runtimes of the workspace."""

from __future__ import annotations

from typing import Any

from tornado import web

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.tls import parse_fingerprint
from ropeway.workspace import sessions
from ropeway.workspace.address import HERE
from ropeway.workspace.handlers.base import RopewayHandler


class RuntimesHandler(RopewayHandler):
    """All runtimes."""

    @web.authenticated
    async def get(self) -> None:
        """`{"runtimes": [wire.Runtime]}`, the runtime here first."""
        runtimes = sorted(
            self.home.registry.runtimes.values(), key=lambda r: (r.name != HERE, r.name)
        )
        counts = sessions.counts()
        models = [runtime.model(counts[runtime.name]) for runtime in runtimes]
        self.answer({"runtimes": [wire.to_json(model) for model in models]})

    @web.authenticated
    async def post(self) -> None:
        """Connect `{"url", "token"?, "name"?, "fingerprint"?, "options"?}`.

        Answers 201 and a `wire.Runtime`.
        """
        body = self.body()
        options = body.get("options") or {}
        if not isinstance(options, dict):
            raise BadInput("options must be an object.")
        if pinned := self.text(body, "fingerprint"):
            options = {**options, "fingerprint": parse_fingerprint(pinned)}
        name = self.text(body, "name") or None
        runtime = await self.home.registry.connect(
            self.text(body, "url"), self.text(body, "token"), name, options
        )
        self.answer(wire.to_json(runtime.model()), 201)


class RuntimeHandler(RopewayHandler):
    """One runtime."""

    @web.authenticated
    async def delete(self, name: str) -> None:
        """Disconnect; with `?shutdown=1` this workspace's kernels there are ended first.

        With `?stop=1` what stands at the other end is stopped.
        """
        runtime = self.home.registry.get(name)
        if self.get_query_argument("shutdown", "0") == "1" and name != HERE:
            await sessions.shut_down_all(self.serverapp.kernel_manager, runtime.name)
        stop = self.get_query_argument("stop", "0") == "1"
        await self.home.registry.disconnect(name, stop=stop)
        self.set_status(204)
        self.finish()


class StartHandler(RopewayHandler):
    """Start of a runtime that was stopped."""

    @web.authenticated
    async def post(self, name: str) -> None:
        """Answers a `wire.Runtime` once it runs; what is done meanwhile is its `detail`."""
        runtime = await self.home.registry.start_runtime(name)
        self.answer(wire.to_json(runtime.model(sessions.counts()[name])))


class RestartHandler(RopewayHandler):
    """Restart of the runtime `here`."""

    @web.authenticated
    async def post(self, name: str) -> None:
        """Answers 202 once the runtime is back, with none of its kernels."""
        self.home.registry.get(name)
        if name != HERE:
            raise BadInput(
                f"Runtime {name} cannot be restarted from here.",
                hint="Restart its Jupyter server on its own machine.",
            )
        await self.home.restart_here()
        self.answer({}, 202)


class UsageHandler(RopewayHandler):
    """What a runtime uses."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """A `wire.Usage`; `?kernel=ID` lets a Python kernel there answer for a plain server."""
        runtime = self.home.registry.get(name)
        kernel = self.get_query_argument("kernel", "")
        asked = runtime.agent and runtime.state == "connected"
        usage = await runtime.client.usage() if asked else None
        self.answer(wire.to_json(usage or await sessions.measured_by_kernel(name, kernel)))


class KernelsHandler(RopewayHandler):
    """The kernels that run on a runtime."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """`{"kernels": [wire.Session]}`, this workspace's and strangers'."""
        runtime = self.home.registry.get(name)
        running = await runtime.client.kernels()
        if running is None:
            running = await sessions.own_kernels(runtime.name)
        paths = await self._paths()
        found = [sessions.describe(runtime.name, model, paths) for model in running]
        self.answer({"kernels": [wire.to_json(session) for session in found]})

    async def _paths(self) -> dict[str, str]:
        rows: list[dict[str, Any]] = await self.session_manager.list_sessions()
        return {row["kernel"]["id"]: row["path"] for row in rows if row.get("kernel")}


class KernelHandler(RopewayHandler):
    """One kernel that runs on a runtime."""

    @web.authenticated
    async def delete(self, name: str, remote_id: str) -> None:
        """Shut it down, together with this workspace's session if it has one."""
        runtime = self.home.registry.get(name)
        local = sessions.local_id(runtime.name, remote_id)
        if local is not None and local in self.kernel_manager:
            await self.kernel_manager.shutdown_kernel(local)
        else:
            await runtime.client.delete_kernel(remote_id)
        self.set_status(204)
        self.finish()


_NAME = r"([a-z0-9-]+)"
_ID = r"([0-9A-Za-z-]+)"

HANDLERS = [
    (r"/ropeway/api/runtimes", RuntimesHandler),
    (rf"/ropeway/api/runtimes/{_NAME}", RuntimeHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/start", StartHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/restart", RestartHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/usage", UsageHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/kernels", KernelsHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/kernels/{_ID}", KernelHandler),
]
