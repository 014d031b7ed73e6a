"""Connecting step by step: how far it is, what came of it, and giving up."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from ropeway.errors import NotFound
from ropeway.workspace.attempts import Attempts
from support.servers import Server, free_port

ATTEMPTS = "/ropeway/api/attempts"


def over(work: Server, attempt: dict[str, Any]) -> dict[str, Any]:
    """What came of it."""
    for _ in range(300):
        status, found = work.api(f"{ATTEMPTS}/{attempt['id']}")
        assert status == 200, found
        if found["state"] != "running":
            return dict(found)
        time.sleep(0.1)
    raise AssertionError("it is still running")


def names(work: Server) -> set[str]:
    """Of the runtimes."""
    return {runtime["name"] for runtime in work.api("/ropeway/api/runtimes")[1]["runtimes"]}


def test_an_attempt_ends_with_a_runtime(work: Server, gpu: Server) -> None:
    """It is told under way at once, and later holds the runtime, connected, without its token."""
    body = {"url": gpu.url, "token": gpu.token, "name": "second"}
    status, attempt = work.api(ATTEMPTS, "POST", body)
    assert (status, attempt["state"], attempt["runtime"]) == (202, "running", None)
    found = over(work, attempt)
    try:
        assert (found["state"], found["error"]) == ("connected", None)
        assert (found["runtime"]["name"], found["runtime"]["state"]) == ("second", "connected")
        assert gpu.token not in str(found)
    finally:
        work.api("/ropeway/api/runtimes/second", "DELETE")


def test_an_attempt_ends_with_an_error(work: Server) -> None:
    """What could not be connected says why, as everywhere."""
    body = {"url": f"http://127.0.0.1:{free_port()}", "name": "second"}
    found = over(work, work.api(ATTEMPTS, "POST", body)[1])
    assert (found["state"], found["runtime"]) == ("failed", None)
    assert found["error"]["code"] == "unreachable"
    assert found["error"]["hint"]
    assert "second" not in names(work)


@pytest.mark.parametrize("body", [{"url": 3}, {"url": "x", "options": 3}])
def test_what_cannot_be_begun_is_bad_input(work: Server, body: dict[str, Any]) -> None:
    """A request that makes no sense is refused at once."""
    status, answer = work.api(ATTEMPTS, "POST", body)
    assert (status, answer["error"]["code"]) == (400, "bad_input")


def test_who_gives_up_hangs_up(work: Server) -> None:
    """An attempt that is given up lets go of the other machine, is forgotten, and adds nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        attempt = work.api(ATTEMPTS, "POST", {"url": url, "name": "second"})[1]
        caller, _ = silent.accept()
        with caller:
            caller.settimeout(20)
            assert caller.recv(4096)
            path = f"{ATTEMPTS}/{attempt['id']}"
            assert work.api(path)[1]["state"] == "running"
            assert work.api(path, "DELETE")[0] == 204
            assert caller.recv(4096) == b"", "the connection stays open"
    assert work.api(path)[0] == 404
    assert work.api(path, "DELETE")[0] == 404
    assert "second" not in names(work)


async def test_steps_are_told_in_turn() -> None:
    """Each step is there once, in order, and what nobody foresaw is an error without a secret."""
    go = asyncio.Event()

    async def connect(text: str, *rest: Any, tell: Any) -> Any:
        tell("Connecting…")
        tell("Installing…")
        tell("Installing…")
        await go.wait()
        raise ValueError("a secret")

    attempts = Attempts(connect)
    attempt = attempts.begin("ssh://box", "", None, {})
    await asyncio.sleep(0)
    assert attempts.get(attempt.id).steps == ("Connecting…", "Installing…")
    go.set()
    await asyncio.sleep(0.01)
    failed = attempts.get(attempt.id)
    assert failed.state == "failed"
    assert "secret" not in str(failed)
    await attempts.aclose()


async def test_a_workspace_that_ends_gives_up() -> None:
    """Nothing runs on, and an attempt that nobody knows is not found."""
    ended = asyncio.Event()

    async def connect(text: str, *rest: Any, tell: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    attempts = Attempts(connect)
    attempt = attempts.begin("ssh://box", "", None, {})
    await asyncio.sleep(0)
    await attempts.aclose()
    assert ended.is_set()
    assert attempts.get(attempt.id).state == "cancelled"
    with pytest.raises(NotFound):
        attempts.get("1234")


def test_stop_idle_is_for_ssh(work: Server, gpu: Server) -> None:
    """Where home does not start the runtime it says whose business its end is."""
    for url, whose in ((gpu.url, "--stop-idle"), ("hub+https://hub.example?token=x", "runs it")):
        body = {"url": url, "token": "x", "name": "second", "options": {"stop_idle": "2h"}}
        status, answer = work.api("/ropeway/api/runtimes", "POST", body)
        assert (status, answer["error"]["code"]) == (400, "bad_input")
        assert whose in answer["error"]["hint"]
