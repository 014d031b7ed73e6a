"""`/ropeway/api/runtimes`: the runtimes of the workspace."""

from __future__ import annotations

import time
from typing import Any

from tornado import web

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.notebooks.needs import needed
from ropeway.tls import parse_fingerprint
from ropeway.workspace import places, sessions
from ropeway.workspace.address import HERE
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.usage import measure


def asked_runtime(handler: RopewayHandler) -> tuple[str, str, str | None, dict[str, Any], str]:
    """URL, token, name, options and class of the runtime that a body asks for.

    Raises `BadInput`.
    """
    body = handler.body()
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise BadInput("options must be an object.")
    if pinned := handler.text(body, "fingerprint"):
        options = {**options, "fingerprint": parse_fingerprint(pinned)}
    url, token, name = (handler.text(body, key) for key in ("url", "token", "name"))
    return url, token, name or None, options, handler.text(body, "runtime_class")


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
        """Connect `{"url", "token"?, "name"?, "fingerprint"?, "options"?, "runtime_class"?}`.

        Answers 201 and a `wire.Runtime`.
        """
        runtime = await self.home.registry.connect(*asked_runtime(self))
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
        """A `wire.Usage`; `?kernel=ID` lets that kernel alone answer for a plain server."""
        runtime = self.home.registry.get(name)
        found = await measure(runtime, self.get_query_argument("kernel", ""))
        self.answer(wire.to_json(found))


class PastHandler(RopewayHandler):
    """What a runtime used lately."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """`{"samples": [wire.Sample]}`, the oldest first."""
        samples = self.home.registry.get(name).past.samples(time.monotonic())
        self.answer({"samples": [wire.to_json(sample) for sample in samples]})


class ChoicesHandler(RopewayHandler):
    """Where a notebook may run that needs an accelerator."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """`{"choices": [wire.Choice]}`, the best first, for a notebook on this runtime.

        `?accelerator=` and `?gpu_type=` are what its metadata say in Colab's words; of nothing
        there are no choices.
        """
        registry = self.home.registry
        own = registry.get(name).name
        told = {key: self.get_query_argument(key, "") for key in ("accelerator", "gpu_type")}
        colab = {"gpuType": told["gpu_type"]}
        need = needed({"accelerator": told["accelerator"], "colab": colab})
        found = await places.choices(registry, need, own) if need is not None else ()
        self.answer({"choices": [wire.to_json(each) for each in found]})


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
        if local := _ours(self, name, remote_id):
            await self.kernel_manager.shutdown_kernel(local)
        else:
            await runtime.client.delete_kernel(remote_id)
        self.set_status(204)
        self.finish()


class KernelRestartHandler(RopewayHandler):
    """Restart of a kernel, which frees the memory that it holds."""

    @web.authenticated
    async def post(self, name: str, remote_id: str) -> None:
        """Answers 202 once it is back, without its variables."""
        runtime = self.home.registry.get(name)
        if local := _ours(self, name, remote_id):
            await self.kernel_manager.restart_kernel(local)
        else:
            await runtime.client.restart_kernel(remote_id)
        self.answer({}, 202)


def _ours(handler: RopewayHandler, runtime: str, remote_id: str) -> str | None:
    """This workspace's id of a kernel on a runtime, if it is one of its own."""
    local = sessions.local_id(runtime, remote_id)
    return local if local is not None and local in handler.kernel_manager else None


_NAME = r"([a-z0-9-]+)"
_ID = r"([0-9A-Za-z-]+)"

HANDLERS = [
    (r"/ropeway/api/runtimes", RuntimesHandler),
    (rf"/ropeway/api/runtimes/{_NAME}", RuntimeHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/start", StartHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/restart", RestartHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/usage", UsageHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/usage/past", PastHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/choices", ChoicesHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/kernels", KernelsHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/kernels/{_ID}", KernelHandler),
    (rf"/ropeway/api/runtimes/{_NAME}/kernels/{_ID}/restart", KernelRestartHandler),
]
