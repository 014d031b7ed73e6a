"""Stock's kernel manager, whose refusals say why, and which ends all that it began."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.services.kernels.handlers import KernelActionHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web

from ropeway.errors import RopewayError
from ropeway.workspace.colab import Asker


class NotStarted(web.HTTPError):
    """One of our errors for stock's handlers, which would answer "Unhandled error"."""

    def __init__(self, error: RopewayError) -> None:
        super().__init__(error.http_status, str(error))

    def __str__(self) -> str:
        return self.get_message() or ""


class RuntimeKernelManager(AsyncMappingKernelManager):
    """The stock manager; what keeps a kernel from starting reaches who asked for it."""

    async def start_kernel(self, **kwargs: Any) -> str:
        """Start a kernel; returns its id. Raises `NotStarted`, with what was found and to do."""
        try:
            kernel_id: str = await super().start_kernel(**kwargs)
        except RopewayError as error:
            raise NotStarted(error) from error
        finally:
            self._forget_failed()
        return kernel_id

    async def unassign(self, asker: Asker, request: Any) -> bool:
        """End the kernel that asks, once its cell has had time to end."""
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, lambda: loop.create_task(self._end(asker.kernel)))
        return True

    async def _end(self, kernel: str) -> None:
        if kernel in self:
            await self.shutdown_kernel(kernel)

    async def shutdown_all(self, now: bool = False) -> None:
        """End every kernel, also those that start just now. Never raises: one that cannot be ended
        is no reason to leave others, or what they run on, behind."""
        starting = list(self._pending_kernels.values())
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        kernels = self.list_kernel_ids()
        endings = (self.shutdown_kernel(kernel, now=now) for kernel in kernels)
        for kernel, end in zip(
            kernels, await asyncio.gather(*endings, return_exceptions=True), strict=True
        ):
            if isinstance(end, Exception):
                self.log.warning("Kernel %s could not be ended: %r", kernel, end)

    def _forget_failed(self) -> None:
        """Stock keeps a kernel that failed to start among those that start, for ever."""
        for kernel, task in list(self._pending_kernels.items()):
            if task.done():
                del self._pending_kernels[kernel]


class RestartHandler(KernelActionHandler):
    """Stock's restart of a kernel, which says no more than that it failed."""

    @web.authenticated
    async def post(self, kernel_id: str) -> None:
        """Restart it; answers its model, or what kept it from starting."""
        try:
            await super().post(kernel_id, "restart")
        except web.HTTPError as error:
            if isinstance(error.__cause__, RopewayError):
                raise NotStarted(error.__cause__) from error
            raise


RESTART = r"/api/kernels/(\w+-\w+-\w+-\w+-\w+)/restart"
