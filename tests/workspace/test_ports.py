"""The ports that stand for a kernel on another machine."""

from __future__ import annotations

import asyncio

import pytest
import zmq

from ropeway.workspace.ports import KernelPorts


@pytest.mark.parametrize("asked_first", [False, True])
async def test_a_question_comes_after_what_was_said(asked_first: bool) -> None:
    """A client that reads its questions first sees what was said before one all the same, also
    where the two came the other way round."""
    ports = KernelPorts(b"key", lambda identities, frame: None)
    info = ports.open()
    with zmq.Context() as context:
        said, asked = context.socket(zmq.SUB), context.socket(zmq.DEALER)
        said.subscribe(b"")
        asked.setsockopt(zmq.IDENTITY, b"me")
        said.connect(f"tcp://127.0.0.1:{info['iopub_port']}")
        asked.connect(f"tcp://127.0.0.1:{info['stdin_port']}")
        await asyncio.sleep(0.3)
        if asked_first:
            ports.answer("stdin", [b"me"], [b"{}"] * 4)
        ports.publish([b"{}"] * 4)
        if not asked_first:
            ports.answer("stdin", [b"me"], [b"{}"] * 4)
        order: list[str] = []
        while len(order) < 2:
            await asyncio.sleep(0.001)
            for name, socket in (("asked", asked), ("said", said)):
                if socket.poll(0):
                    socket.recv_multipart()
                    order.append(name)
        assert order == ["said", "asked"]
        said.close()
        asked.close()
    ports.close()
