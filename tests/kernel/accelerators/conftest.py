"""Machines that have what this one lacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ropeway.kernel.accelerators import nvidia
from support.gpus import Nvml


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without an accelerator or a driver; gives a folder for programs, which is PATH."""
    for name in ("CUDA", "ROCR", "HIP"):
        monkeypatch.delenv(f"{name}_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("TPU_ACCELERATOR_TYPE", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nvidia, "is_here", lambda: False)
    return tmp_path


@pytest.fixture
def nvml(plain: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Nvml]:
    """Puts GPUs into the machine: `nvml([gpu("GPU-1")])`."""

    def put(gpus: list[Any], broken: str = "") -> Nvml:
        made = Nvml(gpus, broken)
        monkeypatch.setitem(sys.modules, "pynvml", made)
        monkeypatch.setattr(nvidia, "is_here", lambda: True)
        return made

    return put


@pytest.fixture
def cpu(nvml: Callable[..., Nvml], monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the GPUs out of the machine again."""
    nvml([])
    monkeypatch.setattr(nvidia, "is_here", lambda: False)
