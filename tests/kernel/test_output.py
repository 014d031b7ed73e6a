"""A Python kernel with the SDK drops no output."""

from __future__ import annotations

from typing import Any

import pytest

from ropeway.workspace.sdk import bootstrap_code

BOUND = (
    "import zmq, threading\n"
    "thread, found, read = get_ipython().kernel.iopub_thread, [], threading.Event()\n"
    "def look():\n"
    "    found.append(thread.socket.getsockopt(zmq.SNDHWM))\n"
    "    read.set()\n"
    "thread.schedule(look)\n"
    "assert read.wait(10)\n"
    "lifts = [c for c in get_ipython().events.callbacks['pre_execute'] if 'Lift' in repr(c)]\n"
    "print(found[0], len(lifts))"
)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_bound_on_output_is_lifted_once(bare: Any) -> None:
    """A fresh kernel drops what comes too fast; with the SDK, brought twice, it has no bound and
    one hook that keeps it so."""
    assert (await bare.run(BOUND)).ok().text.split() == ["1000", "0"]
    for _ in range(2):
        await bare.run(bootstrap_code(), silent=True, store_history=False)
    assert (await bare.run(BOUND)).ok().text.split() == ["0", "1"]
