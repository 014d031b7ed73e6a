"""The SDK arrives in a fresh kernel without a trace in the user's session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ropeway.workspace.sdk import bootstrap_code

_HEAVY = ("tornado", "jupyter_server", "duckdb", "pandas", "pyarrow", "polars", "httpx", "IPython")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fresh_kernel_gets_the_sdk_and_nothing_else(bare: Any) -> None:
    """After the bootstrap `import ropeway` works from the workspace's own copy, and names,
    history, `_` and the counter are as in a fresh kernel."""
    before = await bare.run("sorted(globals())")
    for _ in range(2):
        ran = await bare.run(bootstrap_code(), silent=True, store_history=False)
        assert not ran.errors
        assert not ran.text
        assert not ran.shown
    after = await bare.run("[n for n in globals() if n not in _ and n not in ('_1', '_i2', '_2')]")
    assert before.execution_count == 1
    assert after.execution_count == 2
    assert after.shown[0]["text/plain"] == "[]"
    names = await bare.run("%who")
    assert names.text.strip() == "Interactive namespace is empty."
    found = await bare.run(
        "import ropeway, sys; print(ropeway.__file__, sum('sdk-' in p for p in sys.path)); In[1]"
    )
    path, count = found.ok().text.split()
    assert "/sdk-" in path
    assert count == "1"
    assert found.shown[0]["text/plain"] == "'sorted(globals())'"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_modules_are_the_users_alone(notebook: Any) -> None:
    """A module of the SDK can be read by nobody else, nor can anybody enter its folder."""
    ran = await notebook.run(
        "import sys, os; p = next(p for p in sys.path if 'sdk-' in p)\n"
        "print(*(oct(os.stat(each).st_mode & 0o777) for each in "
        "(f'{p}/ropeway/wire.py', os.path.dirname(p))))"
    )
    assert ran.ok().text.split() == ["0o600", "0o700"]


def test_what_was_thinned_out_is_brought_again(tmp_path: Path) -> None:
    """A module that was deleted or cut is whole again for the next kernel, and all are kept
    compiled, whatever the user has Python do with his own."""
    settings = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    start, code = [sys.executable, "-"], bootstrap_code()  # too long for a command line
    subprocess.run(start, input=code, env=settings, text=True, check=True)
    (package,) = tmp_path.glob("ropeway-*/sdk-*/ropeway")
    assert list((package / "__pycache__").glob("wire.*.pyc"))
    sizes = [(package / each).stat().st_size for each in ("wire.py", "errors.py")]
    (package / "wire.py").unlink()
    os.truncate(package / "errors.py", 5)
    subprocess.run(start, input=code, env=settings, text=True, check=True)
    assert [(package / each).stat().st_size for each in ("wire.py", "errors.py")] == sizes


def test_outside_a_kernel_it_fails_silently() -> None:
    """Where there is no IPython the bootstrap changes nothing that matters and raises nothing."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=bootstrap_code() + "\nprint(sorted(globals()))",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'load'" not in done.stdout
    assert done.stderr == ""


def test_it_stays_small() -> None:
    """The whole bootstrap is under 170 kB and the same text every time."""
    code = bootstrap_code()
    print(f"bootstrap: {len(code)} characters")
    bootstrap_code.cache_clear()
    assert bootstrap_code() == code
    assert len(code) < 170_000


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    """`import ropeway` and every module of the SDK load the standard library only."""
    code = (
        "import sys, ropeway, ropeway.kernel.data, ropeway.kernel.usage, ropeway.kernel.bootstrap;"
        "import ropeway.kernel.accelerators.use;"
        "ropeway.sql;"
        f"print([n for n in {_HEAVY!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_outside_a_kernel_there_is_no_road() -> None:
    """In plain Python `rw.sql` says at once that there is no road to home."""
    code = (
        "import ropeway as rw\n"
        "try:\n    rw.sql('select 1')\nexcept rw.RopewayError as e: print(type(e).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "HomeUnreachable"
