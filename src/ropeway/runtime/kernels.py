"""The kernels of a runtime."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager


class FolderKernelManager(AsyncMappingKernelManager):
    """Kernels start in the runtime's folder.

    Stock Jupyter starts one for which nobody names a folder where the server's command was typed:
    a kernel that another machine asks for, which knows none of the folders here.
    """

    async def start_kernel(self, *args: Any, path: str | None = None, **kwargs: Any) -> str:
        """Start one, in the folder `path` below the runtime's."""
        started = await super().start_kernel(*args, path=path or "", **kwargs)
        return str(started)
