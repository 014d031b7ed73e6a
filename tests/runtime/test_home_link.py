"""One home's hold on one kernel: how long it lasts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from jupyter_client.multikernelmanager import AsyncMultiKernelManager

from ropeway.runtime import home_link
from ropeway.runtime.home_link import HomeLink


async def test_a_home_that_never_comes_back_is_forgotten_once_it_has_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After its term a link is over where home has all that was said, and not before; with the
    kernel it is over at once."""
    kernels = AsyncMultiKernelManager(connection_dir=str(tmp_path))
    kernel_id = await kernels.start_kernel(kernel_name="python3")
    link = HomeLink(kernels, kernel_id, 0)
    try:
        await link.prepare(30)
        link._say("restarting")
        link._spool.release(1)
        assert not link.over
        monkeypatch.setattr(home_link, "AWAY_SECONDS", 0.0)
        await asyncio.sleep(0.5)
        link._say("restarting")
        assert not link.over
        link._spool.release(1000)
        assert link.over
        monkeypatch.undo()
        assert not link.over
    finally:
        await kernels.shutdown_kernel(kernel_id, now=True)
    assert link.over
    link.close()
