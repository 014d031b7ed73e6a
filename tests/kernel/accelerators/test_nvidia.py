"""NVIDIA's driver through the real `nvidia-ml-py`."""

from __future__ import annotations

from pathlib import Path

import pytest

import ropeway as rw
from ropeway.kernel.accelerators import nvidia
from support.gpus import Nvml

real = pytest.importorskip("pynvml")


def test_the_stand_in_has_the_names_of_the_real_one() -> None:
    """What the other tests ask of a stand-in, the library itself has."""
    names = [name for name in vars(Nvml) if name.startswith(("nvml", "NVML"))]
    assert len(names) > 10
    assert [name for name in names if not hasattr(real, name)] == []


def test_the_real_library_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where NVIDIA's driver is, it tells of its GPUs; else there is none and no error."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi to fall back on
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = nvidia.driver()
    try:
        real.nvmlInit()
    except real.NVMLError_LibraryNotFound:
        assert found == nvidia.Driver()
        return
    except real.NVMLError as error:
        failed = str(error)
    else:
        failed = ""
        version = real.nvmlSystemGetDriverVersion()
        real.nvmlShutdown()
    if failed:
        assert failed in found.problem
    else:
        assert found.version == version
        assert rw.accelerator().kind == "cuda"
