"""What a runtime tells of itself, checked before anybody here believes it. Pure.

A runtime may be a stranger's server, or broken: what is odd in its answers is left out, so that it
cannot break the list of all kernels, fill the disk or the page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ropeway import wire

MOST_KERNELS = 100
MOST_GPUS = 64
MOST_MEASURED = 1000
LONGEST = 200
LONGEST_SECONDS = 10 * 365 * 86400

T = TypeVar("T")


def offered_kernels(body: Any) -> dict[str, Any] | None:
    """The answer to `GET /api/kernelspecs`, or None when it is none.

    `{"default": name | None, "kernelspecs": {name: {"spec": {"display_name", "language",
    "metadata"}, "resources": {key: path}}}}`, with at most `MOST_KERNELS` kernels. The kernels
    that another workspace lends from its own runtimes are left out: two workspaces that are
    runtimes of each other would lend them to and fro without an end.
    """
    found = body.get("kernelspecs") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        return None
    kept: dict[str, Any] = {}
    for name, model in found.items():
        checked = _kernel(name, model)
        if checked is not None and len(kept) < MOST_KERNELS:
            kept[name] = checked
    default = body.get("default")
    return {"default": default if default in kept else None, "kernelspecs": kept}


def checked_usage(body: Any) -> wire.Usage | None:
    """A `wire.Usage` from JSON; what does not fit is left out, None when nothing fits."""
    if not isinstance(body, dict):
        return None
    return wire.Usage(
        _amount(body.get("ram")),
        _amount(body.get("disk")),
        _each(body.get("gpus"), _gpu, MOST_GPUS),
        _each(body.get("kernels"), _kernel_usage, MOST_MEASURED),
    )


def checked_seconds(body: Any) -> float:
    """The length of time in `{"seconds"}`; 0 for what is none."""
    value = body.get("seconds") if isinstance(body, dict) else None
    if not isinstance(value, (int, float)) or not 0 < value < LONGEST_SECONDS:
        return 0.0
    return float(value)


def _kernel(name: Any, model: Any) -> dict[str, Any] | None:
    spec = model.get("spec") if isinstance(model, dict) else None
    if not isinstance(spec, dict) or not isinstance(name, str) or not 0 < len(name) < 150:
        return None
    metadata = spec.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if "ropeway" in metadata:
        return None
    resources = model.get("resources")
    resources = resources if isinstance(resources, dict) else {}
    return {
        "spec": {
            "display_name": _text(spec.get("display_name")) or name,
            "language": _text(spec.get("language")),
            "metadata": {"debugger": True} if metadata.get("debugger") is True else {},
        },
        "resources": {str(k): v for k, v in resources.items() if isinstance(v, str)},
    }


def _text(value: Any) -> str:
    """A text of one line that can be written to a file."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode("utf-8").split())[:LONGEST]


def _amount(value: Any) -> wire.Amount | None:
    if not isinstance(value, dict):
        return None
    used, total = _size(value.get("used")), _size(value.get("total"))
    return None if used is None or total is None else wire.Amount(used, total)


def _gpu(value: Any) -> wire.Gpu | None:
    amount = _amount(value)
    if amount is None:
        return None
    busy = value.get("busy")
    known = isinstance(busy, (int, float)) and not isinstance(busy, bool) and 0 <= busy <= 1
    return wire.Gpu(
        _text(value.get("name")), amount.used, amount.total, float(busy) if known else None
    )


def _kernel_usage(value: Any) -> wire.KernelUsage | None:
    ram = _size(value.get("ram")) if isinstance(value, dict) else None
    return (
        None
        if ram is None
        else wire.KernelUsage(_text(value.get("id")), ram, _size(value.get("gpu")))
    )


def _each(listed: Any, check: Callable[[Any], T | None], most: int) -> tuple[T, ...]:
    """What fits of a list."""
    found = map(check, listed[:most] if isinstance(listed, list) else ())
    return tuple(each for each in found if each is not None)


def _size(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if fits else None
