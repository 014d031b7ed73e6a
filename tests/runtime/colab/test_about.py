"""A machine's use in Colab's words."""

from __future__ import annotations

from ropeway import wire
from ropeway.runtime.colab.about import resources


def test_gpus() -> None:
    """A GPU is told with its memory in bytes, and shares from 0 to 1."""
    gpu = wire.Gpu("Tesla T4", 4 << 30, 16 << 30, 0.5)
    (told,) = resources(wire.Usage(gpus=(gpu,)))["gpus"]
    assert told == {
        "name": "Tesla T4",
        "memoryUsedBytes": 4 << 30,
        "memoryTotalBytes": 16 << 30,
        "gpuUtilization": 0.5,
        "memoryUtilization": 0.25,
        "everUsed": True,
    }


def test_what_is_not_known() -> None:
    """What cannot be measured is 0: the page wants a number."""
    told = resources(wire.Usage(gpus=(wire.Gpu("A", 0, 0),)))
    assert told["memory"] == {"totalBytes": 0, "freeBytes": 0, "kernels": []}
    assert told["gpus"][0]["gpuUtilization"] == 0.0
    assert told["gpus"][0]["memoryUtilization"] == 0.0
