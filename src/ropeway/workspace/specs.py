"""The kernels of every runtime as kernelspec folders on disk, where stock Jupyter finds them.

A kernel of the runtime `here` keeps its name (`python3`); one of another runtime is
`gpu.python3`, shown as "Python 3 · gpu". The folder's `kernel.json` names our provisioner and what
to start where; it also serves as the memory of what a runtime offers while it is away.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from traitlets import Unicode, default

from ropeway import config, wire
from ropeway.errors import RopewayError
from ropeway.workspace.address import HERE
from ropeway.workspace.client import RuntimeClient

PROVISIONER = "ropeway"
_LOGO = re.compile(r"logo-\d{1,3}x\d{1,3}\.png")

log = logging.getLogger(__name__)

Offer = tuple[tuple[wire.Kernel, ...], str | None]
"""A runtime's kernels and the name of its default one."""


def local_name(runtime: str, remote_kernel: str) -> str:
    """The name under which the workspace knows a runtime's kernel."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", remote_kernel)
    return safe if runtime == HERE else f"{runtime}.{safe}"


def shown_name(runtime: str, display_name: str) -> str:
    """`Python 3 (ipykernel)` on gpu is shown as `Python 3 · gpu`."""
    return f"{display_name.removesuffix(' (ipykernel)')} · {runtime}"


class RuntimeSpecManager(KernelSpecManager):
    """The stock manager, looking into our folder alone: every kernel is a runtime's."""

    folder = Unicode(help="The folder that a `SpecCache` keeps.", config=True)

    @default("kernel_dirs")
    def _only_ours(self) -> list[str]:
        return [self.folder]

    @default("ensure_native_kernel")
    def _no_kernel_of_this_process(self) -> bool:
        return False


class SpecCache:
    """A folder of kernelspecs, one folder a kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def update(self, runtime: str, client: RuntimeClient, found: dict[str, Any]) -> Offer:
        """Make the folder say what the runtime's `GET /api/kernelspecs` answered."""
        specs: dict[str, Any] = found["kernelspecs"]
        keep = {local_name(runtime, name) for name in specs}
        for folder in self._folders(runtime):
            if folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)
        default = found.get("default")
        for name, model in specs.items():
            folder = self.folder / local_name(runtime, name)
            text = json.dumps(_kernel_json(runtime, name, model["spec"], name == default), indent=1)
            if _read(folder / "kernel.json") != text:
                folder.mkdir(exist_ok=True)
                await _fetch_logos(client, model["resources"], folder)
                config.write_private(folder / "kernel.json", text)
        return self.cached(runtime)

    def cached(self, runtime: str) -> Offer:
        """What the runtime offered when it was last seen."""
        kernels: list[wire.Kernel] = []
        default: str | None = None
        for folder in self._folders(runtime):
            spec = _spec(folder)
            assert spec is not None  # `_folders` read it
            kernels.append(
                wire.Kernel(folder.name, spec["display_name"], spec["language"], runtime)
            )
            if spec["metadata"]["ropeway"]["default"]:
                default = folder.name
        kernels.sort(key=lambda kernel: (kernel.name != default, kernel.name))
        return tuple(kernels), default or (kernels[0].name if kernels else None)

    def origin(self, name: str) -> dict[str, Any] | None:
        """Where the kernel `name` comes from, or None when it is not ours.

        `{"runtime", "kernel", "display_name", "language"}` in the runtime's own words.
        """
        spec = _spec(self.folder / name) if _plain(name) else None
        return spec and {**spec["metadata"]["ropeway"], "language": spec["language"]}

    def find(self, runtime: str, remote_kernel: str) -> tuple[str, str] | None:
        """The local and the shown name of a runtime's kernel, or None when it offers no such."""
        name = local_name(runtime, remote_kernel)
        spec = _spec(self.folder / name) if _plain(name) else None
        return None if spec is None else (name, str(spec["display_name"]))

    def remove(self, runtime: str) -> None:
        """Forget what a runtime offered."""
        for folder in self._folders(runtime):
            shutil.rmtree(folder, ignore_errors=True)

    def keep_only(self, runtimes: set[str]) -> None:
        """Forget what all other runtimes offered."""
        for path in self.folder.glob("*/kernel.json"):
            origin = self.origin(path.parent.name)
            if origin is None or origin["runtime"] not in runtimes:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _folders(self, runtime: str) -> list[Path]:
        return [
            path.parent
            for path in sorted(self.folder.glob("*/kernel.json"))
            if (origin := self.origin(path.parent.name)) and origin["runtime"] == runtime
        ]


def _kernel_json(runtime: str, name: str, spec: dict[str, Any], default: bool) -> dict[str, Any]:
    shown = spec["display_name"]
    metadata: dict[str, Any] = {}
    if spec["metadata"].get("debugger") is True:
        metadata["debugger"] = True
    metadata["kernel_provisioner"] = {
        "provisioner_name": PROVISIONER,
        "config": {"runtime": runtime, "remote_kernel": name},
    }
    metadata["ropeway"] = {
        "runtime": runtime,
        "kernel": name,
        "display_name": shown,
        "default": default,
    }
    return {
        "argv": [],
        "display_name": shown_name(runtime, shown),
        "language": spec["language"],
        "interrupt_mode": "signal",  # reaches the provisioner, which asks the runtime over REST
        "metadata": metadata,
    }


async def _fetch_logos(client: RuntimeClient, resources: dict[str, str], folder: Path) -> None:
    """Only small PNGs: an SVG of a stranger could carry a script into our origin."""
    for path in resources.values():
        name = str(path).rsplit("/", 1)[-1]
        if not _LOGO.fullmatch(name) or not str(path).startswith("/"):
            continue
        try:
            picture = await client.picture(str(path))
        except RopewayError as error:
            log.debug("no logo from %s: %s", client.name, error)
            continue
        (folder / name).write_bytes(picture)


def _plain(name: str) -> bool:
    """Whether `name` may be a folder of ours: it may come from any notebook."""
    return bool(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", name))


def _spec(folder: Path) -> dict[str, Any] | None:
    """What we wrote into a kernel's folder, or None where that is missing or broken."""
    try:
        spec = json.loads((folder / "kernel.json").read_text("utf-8"))
        whole = spec["metadata"]["ropeway"]["runtime"] and spec["display_name"] is not None
        return {**spec, "language": spec["language"]} if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
