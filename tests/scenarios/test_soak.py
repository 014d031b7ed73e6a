"""A short run of the faults at random; the long one is `python tests/support/soak.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.soak import soak


@pytest.mark.timeout(400)
async def test_faults_at_random_lose_nothing(tmp_path: Path) -> None:
    """Pages closed, a browser reloaded and killed, a line frozen and cut, a runtime frozen, a
    workspace killed: every counter stands in the file, once and in order."""
    made = await soak(tmp_path, faults=8, seed=20261121, each=4)
    assert made.lost == []
    assert sum(made.faults.values()) == 8
