"""The environment that is recorded with artefacts, and how another runtime gets it."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uv

from ropeway.kernel import environment

BEFORE: dict[str, Any] = {
    "python": "3.11.7",
    "machine": "x86_64",
    "gpus": ["NVIDIA A100"],
    "packages": {"numpy": "2.1.0", "torch": "2.4.0+cu121", "pandas": "2.2.0", "ipykernel": "6.1"},
    "used": ["ipykernel", "numpy", "ropeway", "torch"],
}


def test_what_runs_here_is_recorded() -> None:
    """Python, the packages with versions, and those of them that something was imported from."""
    found = environment.recorded()
    assert found["python"] == sys.version.split()[0]
    assert found["packages"]["numpy"] == np.__version__
    assert "numpy" in found["used"]
    assert "pytest" in found["packages"]
    assert set(found["used"]) <= set(found["packages"])
    assert isinstance(found["gpus"], list)


def test_a_first_import_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp is the same until something is imported or installed."""
    before = environment.stamp()
    assert environment.stamp() == before
    monkeypatch.setitem(sys.modules, "a_module_of_this_test", sys)
    assert environment.stamp() != before


def test_what_the_cells_used_is_wanted() -> None:
    """Of the packages those that code used and that differ; a builder's own mark of a version does
    not count, and what this kernel runs on stays."""
    now = {"packages": {"numpy": "2.0.0", "ipykernel": "7.0", "torch": "2.4.0"}, "used": []}
    assert environment.wanted(BEFORE, now) == {"numpy": "2.1.0", "ipykernel": "6.1"}
    assert environment.wanted(BEFORE, {**now, "used": ["ipykernel"]}) == {"numpy": "2.1.0"}
    assert environment.wanted(BEFORE, {"packages": {}, "used": ["ipykernel"]}) == {
        "numpy": "2.1.0",
        "torch": "2.4.0",
    }


def test_what_cannot_be_as_it_was_is_told() -> None:
    """Another Python, machine or GPU is said in a sentence each; a patch of Python is none."""
    now = {"python": "3.11.9", "machine": "x86_64", "gpus": ["NVIDIA A100"]}
    assert list(environment.told_differences(BEFORE, now)) == []
    now = {"python": "3.12.1", "machine": "aarch64", "gpus": []}
    assert list(environment.told_differences(BEFORE, now)) == [
        "Python is 3.12.1 here and was 3.11.7.",
        "The machine is aarch64 here and was x86_64.",
        "GPU: none here, was NVIDIA A100.",
    ]


def wheel(folder: Path, name: str, version: str) -> None:
    """A package with one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{name}.py", f"version = {version!r}\n")
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        made.writestr(f"{info}/METADATA", head)
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module", params=["pip", "uv"])
def fresh(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The Python of a new environment that can install two packages of the test's alone, with the
    installer that it has."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=request.param == "pip")
    (folder / "path").mkdir()
    if request.param == "uv":
        (folder / "path/uv").symlink_to(uv.find_uv_bin())
    (folder / "wheels").mkdir()
    for version in ("1.0", "2.0"):
        for name in ("sledge", "anvil"):
            wheel(folder / "wheels", name, version)
    return folder / "venv/bin/python"


def installed(python: Path, packages: dict[str, str], **more: Any) -> tuple[list[str], list[str]]:
    """What `install` in that Python told on its way and could not do."""
    source = Path(environment.__file__).parents[2]
    code = (
        f"import sys; sys.path.append({str(source)!r})\n"
        "from ropeway.kernel.environment import install\n"
        f"print('FAILED', *install({packages!r}, print, **{more!r}), sep='|')\n"
    )
    folder = python.parents[2]
    wheels = str(folder / "wheels")
    asked = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "UV_FIND_LINKS": wheels}
    done = subprocess.run(
        [python, "-c", code],
        env={"PATH": str(folder / "path"), "UV_CACHE_DIR": str(folder), "UV_OFFLINE": "1", **asked},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    told, _, failed = done.stdout.partition("FAILED")
    return told.splitlines(), failed.strip().strip("|").split("|") if failed.strip() else []


def version(python: Path, module: str) -> str:
    code = f"import {module}; print({module}.version)"
    # Both wheels may be unpacked in one second: to Python a kept `.pyc` is then as good as new.
    command = [python, "-B", "-c", code]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def test_packages_are_installed_in_their_versions(fresh: Path) -> None:
    """What is wanted is there afterwards, in that version, whatever was there before; the steps
    are told."""
    told, failed = installed(fresh, {"sledge": "1.0", "anvil": "2.0"})
    assert failed == []
    assert any(re.match(r" *(Successfully installed|Installed 2 packages)", each) for each in told)
    assert (version(fresh, "sledge"), version(fresh, "anvil")) == ("1.0", "2.0")
    assert installed(fresh, {"sledge": "2.0"})[1] == []
    assert version(fresh, "sledge") == "2.0"


def test_what_cannot_be_had_is_told_and_the_rest_is_installed(fresh: Path) -> None:
    """One version that nobody offers does not keep the others away."""
    told, failed = installed(fresh, {"sledge": "1.0", "anvil": "9.9"})
    assert version(fresh, "sledge") == "1.0"
    assert any("one by one" in line for line in told)
    assert len(failed) == 1
    assert failed[0].startswith("anvil 9.9 could not be installed: No ")


def test_what_home_runs_on_is_not_changed(fresh: Path) -> None:
    """Without `replace` a package that is there stays as it is, and that is said."""
    installed(fresh, {"sledge": "1.0"})
    _, failed = installed(fresh, {"sledge": "2.0"}, replace=False)
    assert failed == ["sledge stays at 1.0, was 2.0: what home runs on is not changed."]
    assert version(fresh, "sledge") == "1.0"
