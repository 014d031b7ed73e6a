"""Ropeway as a wheel, made of the package that runs."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from ropeway.workspace.own_wheel import own_wheel, wheel_name


def test_pip_installs_it(tmp_path: Path) -> None:
    """pip takes the wheel, checks it and installs the package whole."""
    wheel = tmp_path / wheel_name()
    wheel.write_bytes(own_wheel())
    there = tmp_path / "there"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(there), str(wheel)], check=True, timeout=60)
    code = "import ropeway.runtime.detached as d; print(d.__file__)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(there)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.strip() == str(there / "ropeway/runtime/detached.py")


def test_the_front_end_stays_here() -> None:
    """The wheel is small: no built page, no caches."""
    names = zipfile.ZipFile(io.BytesIO(own_wheel())).namelist()
    assert not [name for name in names if "labextension" in name or "__pycache__" in name]
    assert len(own_wheel()) < 800_000


def test_the_same_package_gives_the_same_bytes() -> None:
    """What is installed already is recognised, since nothing in the wheel depends on the time."""
    first = own_wheel()
    own_wheel.cache_clear()
    assert own_wheel() == first
