"""A short run of the faults at random; the long one is `python tests/support/soak.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.soak import soak


@pytest.mark.timeout(300)
async def test_faults_at_random_lose_nothing(tmp_path: Path) -> None:
    """Pages closed, a line frozen and cut, a workspace killed: every counter stands in the file,
    once and in order."""
    faults = await soak(tmp_path, faults=8, seed=20261121)
    assert sum(faults.values()) == 8
