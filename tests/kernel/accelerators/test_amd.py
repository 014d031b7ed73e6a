"""AMD's GPUs, as the Linux kernel's compute driver tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import ropeway as rw
from ropeway.kernel.accelerators import amd
from ropeway.kernel.accelerators.device import Device, Driver

TOTAL, USED = 64 << 30, 4 << 30


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A CPU and two GPUs: files as in "AMDGPU KFD topology" and the kernel's `mem_info_vram_*`."""
    for node, target, minor in ((0, 0, 0), (10, 90402, 129), (2, 90010, 128)):
        folder = tmp_path / f"sys/class/kfd/kfd/topology/nodes/{node}"
        folder.mkdir(parents=True)
        (folder / "properties").write_text(
            f"cpu_cores_count 0\ngfx_target_version {target}\ndrm_render_minor {minor}\n"
            f"unique_id {node + 171}\n"
        )
    card = tmp_path / "sys/class/drm/renderD128/device"
    card.mkdir(parents=True)
    (card / "mem_info_vram_total").write_text(f"{TOTAL}\n")
    (card / "mem_info_vram_used").write_text(f"{USED}\n")
    (card / "product_name").write_text("AMD Instinct MI250X\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kfd").touch()
    (tmp_path / "opt/rocm/.info").mkdir(parents=True)
    (tmp_path / "opt/rocm/.info/version").write_text("6.4.1-83\n")
    return tmp_path


def test_gpus_are_listed_as_rocm_counts_them(machine: Path) -> None:
    """Nodes with a GPU, in the order of their numbers, with the memory that DRM tells."""
    found = amd.driver(machine)
    assert found.devices == (
        Device(0, "AMD Instinct MI250X", TOTAL, TOTAL - USED, "gfx90a", f"GPU-{173:016x}"),
        Device(1, "AMD gfx942", None, None, "gfx942", f"GPU-{181:016x}"),
    )
    assert found.speaks == "6.4.1-83"


def test_a_gpu_that_cannot_be_computed_on_is_a_problem(machine: Path) -> None:
    """A container that lacks the compute device is told which."""
    (machine / "dev/kfd").unlink()
    assert "--device /dev/kfd" in amd.driver(machine).problem
    assert amd.driver(machine / "elsewhere") == Driver()


def test_the_devices_that_hip_shows_are_seen(
    plain: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ROCR_VISIBLE_DEVICES` first, then HIP's own variable or CUDA's among what is left."""
    told = amd.driver(machine)
    monkeypatch.setattr(amd, "driver", lambda: told)
    found = rw.accelerator()
    assert (found.kind, found.count, found.version) == ("rocm", 2, "6.4.1-83")
    assert repr(found).startswith("ROCm 6.4.1-83\n  0  AMD Instinct MI250X")
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert rw.accelerator().name == "AMD gfx942"
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "-1")
    found = rw.accelerator()
    assert found.kind == "cpu"
    assert found.problem.startswith("HIP_VISIBLE_DEVICES='-1' hides")
