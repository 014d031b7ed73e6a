"""`rw.accelerator()`: what a framework can compute on here."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ropeway as rw
from ropeway.kernel.accelerators import nvidia, tpu
from ropeway.kernel.accelerators.device import Device
from support.gpus import GIB, Nvml, gpu

Put = Callable[..., Nvml]


def test_a_gpu_is_told_in_one_call(nvml: Put) -> None:
    """Kind, name, memory, count, versions and compute capability come from the driver."""
    library = nvml([gpu("GPU-1")])
    found = rw.accelerator()
    assert (found.kind, found.name, found.count) == ("cuda", "NVIDIA H200", 1)
    assert (found.memory_total, found.memory_free) == (140 * GIB, 100 * GIB)
    assert (found.driver, found.version, found.compute_capability) == ("570.86.15", "12.8", "9.0")
    assert found.devices[0].busy == 0.5
    assert found.problem == ""
    assert library.open == 0, "NVML is let go"


def test_it_is_readable(nvml: Put) -> None:
    """A cell shows a line a device, as text and as a table, with names as texts."""
    nvml([gpu("GPU-1"), gpu("GPU-2", name="NVIDIA <b>T4</b>")])
    found = rw.accelerator()
    assert repr(found).splitlines() == [
        "CUDA 12.8, driver 570.86.15",
        "  0  NVIDIA H200  107.4 GB of 150.3 GB free  compute capability 9.0",
        "  1  NVIDIA <b>T4</b>  107.4 GB of 150.3 GB free  compute capability 9.0",
    ]
    html = found._repr_html_()
    assert html.count("<tr>") == 3
    assert "NVIDIA &lt;b&gt;T4&lt;/b&gt;" in html


def test_what_a_device_does_not_tell_is_unknown(nvml: Put) -> None:
    """A GPU that shares the machine's memory tells none: it is there all the same. Older bindings
    give bytes for texts."""
    nvml([gpu("GPU-1", name=b"NVIDIA GB10", memory=None, load=None, able=None)])
    assert rw.accelerator().devices == (Device(0, "NVIDIA GB10", uuid="GPU-1"),)
    assert repr(rw.accelerator()).endswith("\n  0  NVIDIA GB10")


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ("1", ["GPU-bb"]),
        ("2, 0", ["GPU-cc", "GPU-aa"]),
        ("GPU-c,GPU-a", ["GPU-cc", "GPU-aa"]),
        ("0,7,1", ["GPU-aa"]),
        ("1,1", ["GPU-bb"]),
    ],
)
def test_cuda_visible_devices_is_respected(
    nvml: Put, monkeypatch: pytest.MonkeyPatch, chosen: str, seen: list[str]
) -> None:
    """As in the CUDA programming guide, "CUDA Environment Variables": numbers or beginnings of
    UUIDs, in that order; what follows one that is invalid is not seen."""
    nvml([gpu("GPU-aa"), gpu("GPU-bb"), gpu("GPU-cc")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    found = rw.accelerator().devices
    assert [each.uuid for each in found] == seen
    assert [each.index for each in found] == list(range(len(seen)))


@pytest.mark.parametrize("chosen", ["", "-1", "GPU-x"])
def test_hidden_gpus_are_named(nvml: Put, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    """Where `CUDA_VISIBLE_DEVICES` hides all, there is the CPU, and the problem says why."""
    nvml([gpu("GPU-aa")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    found = rw.accelerator()
    assert found.kind == "cpu"
    assert (
        found.problem
        == f"CUDA_VISIBLE_DEVICES={chosen!r} hides what is in this machine: NVIDIA H200."
    )


def test_of_a_divided_gpu_a_process_has_one_instance(
    nvml: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVIDIA's MIG user guide: CUDA gives a process one instance, the first or the one named."""
    parts = [gpu(f"MIG-{i}", name=f"part {i}") for i in (1, 2)]
    nvml([gpu("GPU-aa", parts=parts)])
    assert [each.uuid for each in rw.accelerator().devices] == ["MIG-1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-2")
    assert [each.name for each in rw.accelerator().devices] == ["part 2"]


def test_a_divided_gpu_without_an_instance_is_a_problem(nvml: Put) -> None:
    """Of a GPU that is set to be divided (MIG) and has no instance there is nothing to use."""
    nvml([gpu("GPU-aa", parts=[])])
    assert "(MIG)" in rw.accelerator().problem


def test_a_broken_driver_is_a_problem(nvml: Put) -> None:
    """A driver that fails is told and raises nothing; the CPU is there."""
    nvml([], broken="Driver/library version mismatch")
    found = rw.accelerator()
    assert found.kind == "cpu"
    assert found.problem == "NVIDIA's driver fails: Driver/library version mismatch"
    assert found.problem in repr(found)


def test_a_driver_without_a_gpu_is_none(nvml: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's library on a machine without a GPU fails too: that is no problem."""
    nvml([], broken="Driver Not Loaded")
    monkeypatch.setattr(nvidia, "is_here", lambda: False)
    assert rw.accelerator().problem == ""


def test_a_gpu_without_a_driver_is_a_problem(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU on the bus and no driver to ask: it says what to do."""
    monkeypatch.setattr(nvidia, "is_here", lambda: True)
    found = rw.accelerator()
    assert found.kind == "cpu"
    assert "--gpus all" in found.problem


def test_who_holds_the_memory(nvml: Put) -> None:
    """The processes that hold memory are told, the largest first, this kernel by that name."""
    code = "print(flush=True); input()"
    file = "/tmp/kernel-9f0c2b1e-0000-4000-8000-123456789abc.json"
    other = subprocess.Popen(
        [sys.executable, "-c", code, "-f", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline(), "it runs"
    try:
        nvml([gpu("GPU-1", processes={os.getpid(): 1 << 30, other.pid: 3 << 30, 2**30: None})])
        found = rw.accelerator()
    finally:
        other.communicate(b"\n")
    largest, ours, unknown = found.holders
    assert (largest.pid, largest.memory, largest.here) == (other.pid, 3 << 30, False)
    assert f"-c {code}" in largest.name
    assert largest.kernel == "9f0c2b1e-0000-4000-8000-123456789abc"
    assert ours.kernel == ""
    assert (ours.pid, ours.here) == (os.getpid(), True)
    assert (unknown.name, unknown.memory) == ("", None)
    assert "this kernel 1.1 GB" in repr(found)


def test_holders_are_those_of_visible_gpus(nvml: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds another GPU's memory does not matter; devices have the numbers that are seen."""
    nvml([gpu("GPU-a", processes={1: 5}), gpu("GPU-b", processes={2: 5})])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [(each.pid, each.device) for each in rw.accelerator().holders] == [(2, 0)]


_SMI = """#!/bin/sh
case "$1" in
--query-gpu=index*) echo '0, GPU-a, 1024, 15360, 50, 550.54, Tesla T4, rev 2'
                    echo '1, GPU-b, [N/A], [N/A], [N/A], 550.54, Odd';;
--query-gpu=compute_cap) {able};;
--query-compute*) echo 'GPU-a, 4242424, 900';;
"") echo '| NVIDIA-SMI 550.54   Driver Version: 550.54   CUDA Version: 12.4   |';;
esac
"""


@pytest.mark.parametrize(("able", "told"), [("echo 7.5; echo 8.6", "7.5"), ("exit 2", "")])
def test_without_the_bindings_the_program_tells(
    plain: Path, monkeypatch: pytest.MonkeyPatch, able: str, told: str
) -> None:
    """A kernel without `nvidia-ml-py` asks `nvidia-smi`, which comes with the driver; one that is
    too old for a question leaves that out."""
    program = plain / "nvidia-smi"
    program.write_text(_SMI.format(able=able))
    program.chmod(0o755)
    found = rw.accelerator()
    assert found.devices[0] == Device(
        0, "Tesla T4, rev 2", 15360 << 20, 14336 << 20, told, "GPU-a", 0.5
    )
    assert found.devices[1].memory_total is None
    assert (found.driver, found.version) == ("550.54", "12.4")
    assert [(each.pid, each.memory) for each in found.holders] == [(4242424, 900 << 20)]


def test_a_failing_program_is_a_problem(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `nvidia-smi` says about itself is the problem."""
    program = plain / "nvidia-smi"
    program.write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setattr(nvidia, "is_here", lambda: True)
    assert rw.accelerator().problem == "NVIDIA's driver fails: NVIDIA-SMI has failed"


def test_a_gpu_on_the_bus_is_noticed(tmp_path: Path) -> None:
    """A graphics card of NVIDIA's, and nothing else of theirs, is a GPU without its driver."""
    bus = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    assert not nvidia.is_here(tmp_path)
    _files(bus, vendor="0x10de", **{"class": "0x040300"})  # the sound of its HDMI
    assert not nvidia.is_here(tmp_path)
    _files(bus, **{"class": "0x030200"})
    assert nvidia.is_here(tmp_path)


def test_without_anything_there_is_the_cpu(plain: Path) -> None:
    """A machine without an accelerator: the CPU is the one device, with the machine's memory."""
    found = rw.accelerator()
    assert (found.kind, found.count, found.problem) == ("cpu", 1, "")
    assert found.name
    assert found.memory_total is not None
    assert found.memory_free is not None
    assert 0 < found.memory_free < found.memory_total


def test_apples_gpu_has_the_machines_memory(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Apple silicon the chip is one device with the memory that it shares."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr("ropeway.kernel.accelerators.here._processor", lambda: "Apple M2")
    monkeypatch.setattr("ropeway.kernel.usage.ram", lambda: None)
    found = rw.accelerator()
    assert (found.kind, found.name) == ("mps", "Apple M2")


@pytest.mark.parametrize(
    ("device", "subsystem", "name", "gib"),
    [("0x0063", "", "TPU v5e", 16), ("0x0027", "0x004e", "TPU v2", 16)],
)
def test_tpus_are_known_by_their_chips(
    plain: Path, monkeypatch: pytest.MonkeyPatch, device: str, subsystem: str, name: str, gib: int
) -> None:
    """Chips are known on the bus, as JAX and `tpu-info` know them; `TPU_VISIBLE_CHIPS` counts."""
    for i in range(4):
        bus = plain / f"sys/bus/pci/devices/0000:00:0{i}.0"
        _files(bus, vendor="0x1ae0", device=device, subsystem_device=subsystem)
    chips = tpu.devices({}, plain)
    assert [(each.name, each.memory_total) for each in chips] == [(name, gib * GIB)] * 4
    assert "/dev/vfio" in tpu.problem(plain)
    _files(plain / "dev/vfio", vfio="", **{"0": ""})
    assert tpu.problem(plain) == ""

    monkeypatch.setattr(tpu, "devices", lambda environ: chips)
    assert rw.accelerator().problem.startswith("A TPU is in this machine")
    monkeypatch.setattr(tpu, "problem", lambda: "")
    monkeypatch.setenv("TPU_VISIBLE_CHIPS", "1,2")
    found = rw.accelerator()
    assert (found.kind, found.name, found.count) == ("tpu", name, 2)


def test_where_the_bus_says_nothing_the_machine_names_its_tpu(plain: Path) -> None:
    """On a node that hides its bus there are as many chips as device files."""
    _files(plain / "dev", accel0="", accel1="", accelerometer="")
    named = {"TPU_ACCELERATOR_TYPE": "v4-8"}
    assert tpu.devices(named, plain) == (Device(0, "TPU v4-8"), Device(1, "TPU v4-8"))
    assert tpu.devices({}, plain) == ()


def _files(folder: Path, **texts: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text + "\n")
