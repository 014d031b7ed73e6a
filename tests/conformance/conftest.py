"""What is large and is made once for all cases."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENTERPRISE = Path(__file__).with_name("enterprise_gateway.txt")


@pytest.fixture(scope="session")
def enterprise_python(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment with Jupyter Enterprise Gateway, kept as well."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("enterprise-gateway")
    python, done = folder / "env" / "bin" / "python", folder / "installed.txt"
    if not done.is_file() or done.read_text() != ENTERPRISE.read_text():
        shutil.rmtree(folder / "env", ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-deps", "-r", str(ENTERPRISE)]
        for command in ([sys.executable, "-m", "venv", "--without-pip", folder / "env"], pip):
            subprocess.run(command, check=True, capture_output=True, timeout=100)
        done.write_text(ENTERPRISE.read_text())
    return python
