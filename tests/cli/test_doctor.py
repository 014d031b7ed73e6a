"""`ropeway doctor` as a user calls it, with runtimes that are well and runtimes that are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ropeway.workspace import doctor
from ropeway.workspace.doctor import Health, examine
from ropeway.workspace.headless import serving_home
from ropeway.workspace.home import Home
from support.servers import Server, clean_environment, plain_jupyter


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        cwd=folder,
        env=clean_environment(folder.parent / "home") | {"COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_all_is_well(place: Path, gpu: Server) -> None:
    """Every runtime is tried: how it is served, its versions, its road and how fast that is; the
    exit code is 0 and nothing is left running there."""
    call(place, "connect", gpu.url, "--token", gpu.token, "--name", "gpu")
    ran = call(place, "doctor", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads(ran.stdout)
    assert told["well"] is True
    here, far = told["runtimes"]
    assert [here["name"], far["name"]] == ["here", "gpu"]
    assert [here["road"], far["road"]] == ["direct", "in-band"]
    assert [here["agent"], far["agent"]] == [True, False]
    version = ".".join(map(str, sys.version_info[:3]))
    for each in (here, far):
        assert each["websocket"] is True
        assert each["problems"] == []
        assert (each["state"], each["python"]) == ("connected", version)
        assert each["ipykernel"]
        assert each["sdk"]
        assert 0 < each["round_trip_ms"] < 1000
        assert each["mb_per_s"] > 0.5
        assert abs(each["clock_s"]) < 2
    assert gpu.api("/api/kernels")[1] == []
    assert gpu.token not in ran.stdout


def test_a_runtime_that_is_away(place: Path, tmp_path: Path) -> None:
    """One that cannot be reached is told with what to do, and the exit code is 3; the others are
    tried all the same."""
    with plain_jupyter(tmp_path / "far") as far:
        call(place, "connect", far.url, "--token", far.token, "--name", "far")
    ran = call(place, "doctor")
    assert ran.returncode == 3
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["RUNTIME", "STATE", "SERVER", "KERNEL", "DATA"]
    assert any(line.startswith("here") and "connected" in line for line in lines)
    assert any(line.startswith("far") and "unreachable" in line for line in lines)
    problem = next(i for i, line in enumerate(lines) if line.startswith("far: "))
    assert "cannot be reached: connection refused" in lines[problem]
    assert lines[problem + 1].startswith("hint: Is its Jupyter server running")
    assert "All is well" not in ran.stdout


def test_one_runtime_alone(place: Path, gpu: Server) -> None:
    """With `--on` only that runtime is tried; an unknown one ends with 2."""
    call(place, "connect", gpu.url, "--token", gpu.token, "--name", "gpu")
    ran = call(place, "doctor", "--on", "gpu", "--json")
    assert [each["name"] for each in json.loads(ran.stdout)["runtimes"]] == ["gpu"]
    ran = call(place, "doctor", "--on", "nope")
    assert ran.returncode == 2
    assert "nope" in ran.stderr


@pytest.fixture
async def home(place: Path) -> AsyncIterator[Home]:
    async with serving_home(place, runtime="here") as found:
        yield found


def said(health: Health) -> str:
    return " ".join(f"{p.message} {p.hint}" for p in health.problems)


async def test_a_tunnel_that_leads_nowhere(home: Home) -> None:
    """A door that was offered and does not answer is a problem; data still comes, in-band."""
    runtime = home.registry.get("here")
    runtime.provider.door = "http://127.0.0.1:9"
    health = await examine(home, runtime)
    assert health.road == "in-band"
    assert health.mb_per_s
    assert "does not lead here" in said(health)
    assert "connect it again" in said(health)


async def test_home_that_cannot_answer(home: Home) -> None:
    """What is wrong at home itself is told in home's words."""
    (home.root / "ropeway.toml").write_text("[data\n")
    health = await examine(home, home.registry.get("here"))
    assert health.websocket is True
    assert health.python
    assert "Data at home cannot be asked for" in said(health)


async def test_a_clock_that_is_wrong(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime whose clock differs is told so, and by how much."""
    monkeypatch.setattr(doctor, "_TRIAL", doctor._TRIAL.replace("time.time()", "time.time() - 60"))
    health = await examine(home, home.registry.get("here"))
    assert health.clock_s is not None
    assert -61 < health.clock_s < -59
    assert "60 s behind" in said(health)


async def test_a_proxy_that_blocks_websockets(home: Home, gpu: Server) -> None:
    """REST passes and the kernel's WebSocket does not: the doctor says which."""
    async with blocking(gpu) as url:
        runtime = await home.registry.connect(url, gpu.token, "boxed")
        health = await examine(home, runtime)
    assert (health.state, health.websocket) == ("connected", False)
    assert "refuses the WebSocket" in said(health)
    assert "proxy blocks WebSockets" in said(health)


async def test_a_kernel_that_never_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that takes too long is given up."""
    monkeypatch.setattr(doctor, "_TRIAL", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "PATIENCE", 4.0)
    health = await examine(home, home.registry.get("here"))
    assert "did not end the trial" in said(health)


@contextlib.asynccontextmanager
async def blocking(server: Server) -> AsyncIterator[str]:
    """A proxy before a server that lets no WebSocket through."""
    tasks: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/channels" in head:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        host, port = server.url.split("/")[2].split(":")
        there, back = await asyncio.open_connection(host, int(port))
        back.write(head)
        for one in (pump(reader, back), pump(there, writer)):
            tasks.add(asyncio.create_task(one))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        path = server.url.split("/", 3)[3]
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/{path}"
    finally:
        proxy.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
