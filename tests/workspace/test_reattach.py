"""Kernels that an earlier process of this workspace left running."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ropeway.workspace.companions import companion_id
from ropeway.workspace.home import Home
from ropeway.workspace.journal import Journal, KernelRow
from ropeway.workspace.reattach import reattach_all


class Refusing:
    """A kernel manager that cannot take a kernel up, for a reason of this machine."""

    async def start_kernel(self, **_: Any) -> None:
        """No port is free."""
        raise OSError(24, "Too many open files")


class Companions:
    """Notes which companions are taken up, and for whom."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], list[str]]] = []

    def asker(self, kernel: str, runtime: str) -> str:
        return kernel

    def hold(self) -> None:
        assert self.taken == []

    async def reattach(self, askers: list[str], rows: list[KernelRow]) -> None:
        self.taken.append((list(askers), [row.id for row in rows]))


async def test_a_kernel_that_cannot_be_taken_up_is_not_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may go on at its runtime, with what runs in it: the next start tries again. One whose
    runtime was disconnected is gone."""
    journal = Journal(tmp_path / "journal")
    for kernel, runtime in (("k", "here"), ("lost", "sold")):
        journal.kernels.keep(KernelRow(kernel, "python3", runtime, "r", "l"))
        journal.runs.begin(kernel, f"request-{kernel}", "a.ipynb", f"cell-{kernel}")
    registry = SimpleNamespace(runtimes={"here": object()})
    home = cast(Home, SimpleNamespace(registry=registry, companions=Companions()))
    await reattach_all(home, journal, Refusing())
    assert "Too many open files" in caplog.text
    assert [row.id for row in journal.kernels.all()] == ["k"]
    assert [run.request for run in journal.runs.running("k")] == ["request-k"]
    assert journal.runs.running("lost") == []
    journal.close()


async def test_companions_come_after_their_kernels(tmp_path: Path) -> None:
    """Companions are taken up by home itself, never as a notebook's kernel; a kernel that may go
    on keeps its own, one whose runtime is gone does not."""
    journal = Journal(tmp_path / "journal")
    number = companion_id("k", "gpu")
    for kernel, runtime in (("k", "here"), ("lost", "sold"), (number, "gpu")):
        journal.kernels.keep(KernelRow(kernel, "python3", runtime, "r", "l"))
    registry = SimpleNamespace(runtimes={"here": object(), "gpu": object()})
    companions = Companions()
    home = cast(Home, SimpleNamespace(registry=registry, companions=companions))
    await reattach_all(home, journal, Refusing())
    assert companions.taken == [(["k"], [number])]
    journal.close()
