"""Random queries, from the pieces of the grammar: what passes tells nothing of what is hidden.

More of them: `python tests/support/fuzz.py --examples 100000`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.fuzz import HOLES

SCRIPT = Path(__file__).parents[2] / "support" / "fuzz.py"
EXAMPLES = {"rows": 250, "aggregates": 150}


@pytest.fixture(autouse=True)
def house() -> None:
    """The fuzzer builds two houses of its own."""


@pytest.fixture(autouse=True)
def nothing_was_written() -> None:
    """The fuzzer looks at its files itself."""


def fuzzer(*options: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, whose memory is bounded."""
    command = [sys.executable, SCRIPT, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", EXAMPLES)
def test_hidden_data_have_no_influence(mode: str) -> None:
    """Two houses that differ in hidden columns, values and rows alone answer alike, errors
    included; nothing is written, and no setting moves."""
    found = fuzzer("--mode", mode, "--examples", str(EXAMPLES[mode]))
    assert found.returncode == 0, found.stdout + found.stderr
    told = json.loads(found.stdout)
    assert told["ran"] > EXAMPLES[mode] // 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hole", HOLES)
def test_the_fuzzer_would_notice(hole: str) -> None:
    """With a hole in the policy, a hidden column, value or row that shows, it finds a query."""
    found = fuzzer("--mode", "rows", "--hole", hole, "--examples", "3000")
    assert found.returncode == 1
    assert "AssertionError" in found.stderr
    assert "Failing test case" in found.stderr
