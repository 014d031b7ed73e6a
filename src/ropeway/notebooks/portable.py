"""Notebooks stay portable: what the page sees and what the file says about kernels.

On disk a notebook names its kernel as any Jupyter would (`python3`); which runtime it runs on is
kept under `metadata.ropeway`. In the page the kernel has the workspace's name for it
(`gpu.python3`). A notebook that never left the runtime `here` is not touched at all. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

HERE = "here"
DEFAULT_KERNEL = "python3"

Origin = Callable[[str], Mapping[str, Any] | None]
"""From the workspace's name of a kernel to `{"runtime", "kernel", "display_name", "language"}`."""

Find = Callable[[str, str], tuple[str, str] | None]
"""From a runtime and its kernel to the workspace's name for it and the name that is shown."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_QUALIFIED = re.compile(r"(?P<runtime>[a-z0-9][a-z0-9-]*)\.(?P<kernel>.+)")


def saved(metadata: dict[str, Any], origin: Origin, find: Find) -> dict[str, Any]:
    """Notebook metadata as it belongs on disk.

    A wish for a runtime that is not connected here is kept, though the notebook runs elsewhere.
    """
    spec = metadata.get("kernelspec")
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        return metadata
    known = origin(spec["name"]) or _from_name(spec)
    if known is None:
        return metadata
    plain = known["kernel"] if known["runtime"] == HERE else _plain_kernel(known)
    ours = _ours(metadata)
    wanted = wanted_kernel(metadata)
    if known["runtime"] != HERE or (wanted and find(*wanted)):
        ours = {k: v for k, v in ours.items() if k not in ("runtime", "kernel")}
    if known["runtime"] != HERE:
        ours["runtime"] = known["runtime"]
        if known["kernel"] != plain:
            ours["kernel"] = known["kernel"]
    strange = not isinstance(metadata.get("ropeway", {}), dict)
    result = {k: v for k, v in metadata.items() if k != "ropeway" or strange}
    result["kernelspec"] = {**spec, "name": plain, "display_name": known["display_name"]}
    if ours:
        result["ropeway"] = ours
    return result


def opened(metadata: dict[str, Any], find: Find) -> dict[str, Any]:
    """Notebook metadata as the page needs it, from what the file says.

    A runtime that is not connected here leaves the notebook as the file has it.
    """
    wanted = wanted_kernel(metadata)
    found = find(*wanted) if wanted else None
    if found is None:
        return metadata
    spec = metadata.get("kernelspec") or {}
    name, shown = found
    return {**metadata, "kernelspec": {**spec, "name": name, "display_name": shown}}


def wanted_kernel(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    """The runtime and its kernel that a notebook's file asks for, or None for `here`."""
    ours = _ours(metadata)
    runtime = ours.get("runtime")
    if not isinstance(runtime, str) or runtime == HERE or not _NAME.fullmatch(runtime):
        return None  # it may be anybody's notebook: what is no name goes no further
    spec = metadata.get("kernelspec")
    plain = spec.get("name") if isinstance(spec, dict) else None
    return runtime, str(ours.get("kernel") or plain or DEFAULT_KERNEL)


def _ours(metadata: Mapping[str, Any]) -> dict[str, Any]:
    ours = metadata.get("ropeway")
    return dict(ours) if isinstance(ours, dict) else {}


def _plain_kernel(known: Mapping[str, Any]) -> str:
    """What every Jupyter calls a kernel of that language; another language keeps its own name."""
    is_python = str(known["language"]).lower() == "python"
    return DEFAULT_KERNEL if is_python else str(known["kernel"])


def _from_name(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """A kernel of a runtime that is no longer connected, told from its name alone."""
    match = _QUALIFIED.fullmatch(spec["name"])
    shown = str(spec.get("display_name", ""))
    if match is None or not shown.endswith(f" · {match['runtime']}"):
        return None
    return {
        "runtime": match["runtime"],
        "kernel": match["kernel"],
        "display_name": shown.removesuffix(f" · {match['runtime']}"),
        "language": spec.get("language", "python"),
    }
