"""`/api/colab/…`: what the page wants to know of the machine, and a page for people.

The shapes are those of Google's own server extension. The answers begin with a line that makes
them no JavaScript, as theirs do.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from ropeway import wire
from ropeway.kernel.usage import usage
from ropeway.runtime.agent import UsageHandler

PREFIX = ")]}'\n"


class BuildInfoHandler(APIHandler):
    """`GET /api/colab/build-info`: the release of Colab's image, of which this is none."""

    auth_resource = "server"

    @web.authenticated
    def get(self) -> None:
        """No release."""
        self.finish(PREFIX + json.dumps({"release_tag": None}))


class DriveHandler(APIHandler):
    """`GET /api/colab/drive`: what is wrong with the mounted Drive, of which there is none."""

    auth_resource = "server"

    @web.authenticated
    def get(self) -> None:
        """Nothing is wrong."""
        self.finish(PREFIX + json.dumps({"dfs": []}))


class ResourcesHandler(UsageHandler):
    """`GET /api/colab/resources`: what the agent measures, in Colab's words."""

    @web.authenticated
    async def get(self) -> None:
        """Measure the machine and what its kernels hold."""
        found = await asyncio.to_thread(usage, self.folder, self._kernels())
        self.finish(PREFIX + json.dumps(resources(found)))


def resources(found: wire.Usage) -> dict[str, Any]:
    """A `wire.Usage` as Colab's page and its other clients read it; 0 where nothing is known."""
    ram, disk = found.ram or wire.Amount(0, 0), found.disk or wire.Amount(0, 0)
    kernels = [{"uuid": each.id, "usedBytes": each.ram} for each in found.kernels]
    filesystem = {"label": "kernel", "totalBytes": disk.total, "usedBytes": disk.used}
    return {
        "memory": {
            "totalBytes": ram.total,
            "freeBytes": ram.total - ram.used,
            "kernels": kernels,
        },
        "disks": [{"filesystem": filesystem}],
        "gpus": [_gpu(gpu) for gpu in found.gpus],
    }


def _gpu(gpu: wire.Gpu) -> dict[str, Any]:
    return {
        "name": gpu.name,
        "memoryUsedBytes": gpu.used,
        "memoryTotalBytes": gpu.total,
        "gpuUtilization": gpu.busy or 0.0,
        "memoryUtilization": gpu.used / gpu.total if gpu.total else 0.0,
        "everUsed": gpu.used > 0,
    }


class PeopleHandler(JupyterHandler):
    """`/`, `/tree` and `/lab`: what somebody sees who opens the URL instead of pasting it."""

    @web.authenticated
    def get(self) -> None:
        """Say where the URL belongs."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            "<!doctype html><title>Ropeway</title><h1>This runtime is up</h1>"
            "<p>Copy the address of this page. In Colab open the menu beside <b>Connect</b>, "
            "choose <b>Connect to a local runtime</b> and paste it there.</p>"
        )
