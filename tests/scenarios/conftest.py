"""What several scenarios need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A workspace that keeps its address when it is started again, and all that can fail there."""
    made = Stage(tmp_path)
    await asyncio.to_thread(made.start)
    yield made
    await made.kill_browser()
    await asyncio.to_thread(made.end)
