"""Runtimes over SSH: a real sshd, a far home of its own, the far side's own processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from ropeway.errors import (
    BadInput,
    MissingPackage,
    RopewayError,
    Stopped,
    TokenRefused,
    Unreachable,
)
from ropeway.workspace.address import Address
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.providers import Site, provider_for, provider_type, ssh
from ropeway.workspace.providers.far_side import IDLE_SECONDS, environment_key
from ropeway.workspace.providers.ssh import Ssh
from ropeway.workspace.remembered import Record
from support.far_machine import ALIAS, FarMachine
from support.kernel_client import KernelClient
from support.servers import clean_environment, free_port


@pytest.fixture
def machine(tmp_path: Path, installed: tuple[Path, list[str]]) -> Iterator[FarMachine]:
    """A far machine on which a runtime was installed before; it does not run yet."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = FarMachine(folder, prepared=installed[0])
    made.start()
    yield made
    made.end()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[FarMachine]:
    """A far machine with nothing on it; start it yourself."""
    folder = tmp_path / "bare"
    folder.mkdir()
    made = FarMachine(folder)
    yield made
    made.end()


@asynccontextmanager
async def provider(
    machine: FarMachine,
    text: str = f"ssh://{ALIAS}",
    config: Path | None = None,
    stop_idle: str = "",
    **site: Any,
) -> AsyncIterator[Ssh]:
    """A provider for that machine; at the end it is let go of."""
    options = {"config": str(config or machine.config)}
    options |= {"stop_idle": stop_idle} if stop_idle else {}
    url, token = provider_type(text).read(text, "", options)
    made = provider_for(Record("far", url, token, options), Site(**{"timeout": 10.0, **site}))
    assert isinstance(made, Ssh)
    try:
        yield made
    finally:
        await made.aclose()


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def start_kernel(address: Address) -> str:
    """Start a kernel there; returns its id."""
    client = RuntimeClient("far", address)
    try:
        return await client.start_kernel("python3")
    finally:
        await client.aclose()


async def run(address: Address, kernel: str, code: str) -> str:
    """Run a cell; returns what it printed."""
    async with KernelClient(address.url, address.token, kernel) as page:
        return (await page.execute(code)).text


def test_it_installs_itself_once(installed: tuple[Path, list[str]]) -> None:
    """A machine with a Python only gets a private environment, in steps that are told, without
    the page's and the data's packages."""
    home, told = installed
    steps = ("Connecting", "Looking for Python", "Making a Python", "Installing Jupyter", "Start")
    assert [s for s in steps if not any(sentence.startswith(s) for sentence in told)] == []
    environment = home / ".local/share/ropeway/runtime" / environment_key()
    assert (environment / "complete").is_file()
    packages = {path.name.split("-")[0] for path in environment.glob("lib/python*/site-packages/*")}
    assert {"jupyter_server", "ipykernel", "ropeway"} <= packages
    assert packages.isdisjoint({"jupyterlab", "duckdb", "pyarrow"})


async def test_what_is_installed_is_used_at_once(machine: FarMachine) -> None:
    """A machine where the environment lies is reached without another installation."""
    told: list[str] = []
    async with provider(machine, tell=told.append) as far:
        await far.reach()
        started = time.monotonic()
        await far.reach()
        assert time.monotonic() - started < 0.5
    assert told == [f"Connecting to {ALIAS} over SSH…"]


async def test_a_half_installed_environment_counts_for_nothing(bare: FarMachine) -> None:
    """Without a package index the error says so and what to do, and nothing is left that counts;
    what an interrupted installation left does not either."""
    bare.variables = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}
    bare.start()
    half = bare.state / "runtime" / environment_key()
    half.mkdir(parents=True)
    (half / "bin").write_text("an interrupted installation")
    async with provider(bare) as far:
        with pytest.raises(Unreachable, match="does not reach a package index") as caught:
            await far.reach()
    assert "ropeway runtime" in caught.value.hint
    assert not half.exists()


def fake_uv(machine: FarMachine, seconds: float) -> None:
    """A uv that makes no environment, after a while."""
    there = machine.folder / "bin"
    there.mkdir()
    (there / "uv").write_text(f'#!/bin/sh\n[ "$1" = venv ] && sleep {seconds}\nexit 1\n')
    (there / "uv").chmod(0o755)
    machine.path = f"{there}:{machine.path}"


async def test_an_environment_that_broke_is_made_anew(bare: FarMachine) -> None:
    """An environment whose Python was taken away counts no longer."""
    fake_uv(bare, 0)
    bare.start()
    there = bare.state / "runtime" / environment_key()
    (there / "bin").mkdir(parents=True)
    (there / "complete").write_text("")
    (there / "bin/python").symlink_to("/no/such/python")
    async with provider(bare) as far:
        with pytest.raises(RopewayError, match="could not be installed"):
            await far.reach()
    assert not there.exists()


async def test_two_installations_at_once_share_the_work(bare: FarMachine) -> None:
    """Who comes while another installs waits for it, and does not disturb it."""
    fake_uv(bare, 1)
    bare.start()
    told: list[str] = []

    async def once() -> None:
        async with provider(bare, tell=told.append) as far:
            with pytest.raises(RopewayError, match="could not be installed"):
                await far.reach()

    started = time.monotonic()
    await asyncio.gather(once(), once())
    assert time.monotonic() - started >= 2, "they installed at the same time"
    assert any("another connection" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("python", "told"),
    [
        (
            "[ $1 = -V ] && echo Python 3.8.10\nexit 1",
            r"Python 3\.10 or newer.*3\.8\.10 is too old",
        ),
        ('case "$2" in *ensurepip*) exit 1 ;; esac', "cannot make environments"),
    ],
    ids=["old", "without venv"],
)
async def test_a_python_that_does_not_fit_is_told(bare: FarMachine, python: str, told: str) -> None:
    """A Python that is too old, or cannot make environments, is told as such."""
    there = bare.folder / "bin"
    there.mkdir()
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(10, 15))):
        (there / name).write_text(f"#!/bin/sh\n{python}\n")
        (there / name).chmod(0o755)
    bare.path = f"{there}:/usr/bin:/bin"
    bare.start()
    async with provider(bare) as far:
        with pytest.raises(MissingPackage, match=told):
            await far.reach()


async def test_an_unknown_host_key_is_told(machine: FarMachine) -> None:
    """A host that was never met is not trusted: the person is to look at its key."""
    config = machine.folder / "unknown"
    machine.write_client_config(config, known=False)
    async with provider(machine, config=config) as far:
        with pytest.raises(TokenRefused, match="is not known here") as caught:
            await far.reach()
    assert f"ssh {ALIAS}" in caught.value.hint


async def test_a_key_that_is_not_accepted_is_told(machine: FarMachine) -> None:
    """Who would be asked for a password is told to try it once in a terminal; ssh is gone then."""
    config = machine.folder / "wrong"
    machine.write_client_config(config, key="other_key")
    async with provider(machine, config=config) as far:
        with pytest.raises(TokenRefused, match="does not let you in") as caught:
            await far.reach()
        assert f"ssh {ALIAS}" in caught.value.hint
    assert machine.home_side() == []


async def test_nobody_there_is_told(machine: FarMachine) -> None:
    """A port without an SSH server, and a name that nobody knows, are told as such."""
    async with provider(machine, f"ssh://127.0.0.1:{free_port()}") as far:
        with pytest.raises(Unreachable, match="connection refused"):
            await far.reach()
    async with provider(machine, "ssh://no-such-host.invalid") as far:
        with pytest.raises(Unreachable, match="name is not known"):
            await far.reach()


async def test_a_folder_of_its_own(machine: FarMachine) -> None:
    """The URL's path is where kernels start; one that is not there is told."""
    scratch = machine.folder / "scratch pad"
    scratch.mkdir()
    async with provider(machine, f"ssh://{ALIAS}{machine.folder}/scratch%20pad") as far:
        address = await far.reach()
        kernel = await start_kernel(address)
        assert await run(address, kernel, "import os; print(os.getcwd())") == f"{scratch}\n"
    async with provider(machine, f"ssh://{ALIAS}/~/no-such") as far:
        with pytest.raises(BadInput, match="There is no folder"):
            await far.reach()


async def test_settings_of_the_user_do_not_get_in_the_way(machine: FarMachine) -> None:
    """Forwards, commands and terminals of the user's ssh_config are left out of ours."""
    config = machine.folder / "busy"
    machine.write_client_config(config)
    with config.open("a") as file:
        file.write(
            f"  LocalForward {machine.port} 127.0.0.1:1\n  ExitOnForwardFailure yes\n"
            "  RemoteCommand tmux\n  RequestTTY force\n  LogLevel QUIET\n  ControlMaster auto\n"
            f"  ControlPath {machine.folder}/mine\n  ControlPersist yes\n"
        )
    async with provider(machine, config=config) as far:
        await far.reach()
    assert not (machine.folder / "mine").exists()


async def test_no_token_is_on_a_command_line(machine: FarMachine) -> None:
    """Neither side's list of processes shows the token, nor does a log there."""
    async with provider(machine) as far:
        address = await far.reach()
        kernel = await start_kernel(address)
        assert await run(address, kernel, "print(1)") == "1\n"
        shown = await asyncio.to_thread(subprocess.check_output, ["ps", "axww"], text=True)
        assert address.token not in shown
        assert f" {IDLE_SECONDS}\n" in shown, "nobody would ever end the runtime"
    for log in machine.state.rglob("*.log"):
        assert address.token not in log.read_text()


async def test_a_cell_takes_no_longer(machine: FarMachine) -> None:
    """A cell through the connection takes less than 20 ms longer than without: no Nagle."""
    async with provider(machine) as far:
        through = await far.reach()
        direct = Address(machine.servers()[0]["url"].rstrip("/"), through.token)
        kernel = await start_kernel(through)
        times: dict[str, float] = {}
        for address in (direct, through):
            async with KernelClient(address.url, address.token, kernel) as page:
                found = []
                for _ in range(15):
                    began = time.monotonic()
                    await page.execute("1+1")
                    found.append(time.monotonic() - began)
                times[address.url] = statistics.median(found)
        assert times[through.url] < times[direct.url] + 0.02


async def test_the_second_finds_the_runtime_of_the_first(machine: FarMachine) -> None:
    """Two that connect at once, and one that comes later, share one runtime; it stays when they
    go, and so does no process on this side."""
    async with provider(machine) as one, provider(machine) as two:
        first, second = await asyncio.gather(one.reach(), two.reach())
        assert first.token == second.token
    assert machine.home_side() == []
    async with provider(machine) as third:
        assert (await third.reach()).token == first.token
        assert len(machine.servers()) == 1


async def test_kernels_outlive_a_connection(machine: FarMachine) -> None:
    """When the connection is cut it is made again, at the same address, with the same kernel;
    the road back has the same port too."""
    looks: list[float] = []
    async with provider(machine, door=free_port(), changed=lambda: looks.append(1)) as far:
        address = await far.reach()
        kernel, door = await start_kernel(address), far.door
        await run(address, kernel, "x = 7")
        machine.hang_up()
        await until(lambda: machine.home_side() == [])
        assert await far.reach() == address
        assert await run(address, kernel, "print(x)") == "7\n"
        assert far.door == door


async def test_a_runtime_that_ended_is_started_again(machine: FarMachine) -> None:
    """A far runtime that is gone comes back, on whatever port, at the same address here."""
    async with provider(machine) as far:
        first = await far.reach()
        psutil.Process(machine.servers()[0]["pid"]).kill()
        second = await far.reach()
        assert second.url == first.url
        assert second.token != first.token
        assert await start_kernel(second)


async def test_stop_leaves_nothing_and_stays(machine: FarMachine) -> None:
    """`stop` ends runtime and kernels for all; nobody who was connected revives it, nor does a
    look, nor the next workspace; who asks for its start does."""
    async with provider(machine) as one, provider(machine) as two:
        address = await one.reach()
        await two.reach()
        await start_kernel(address)
        await one.stop()
        await until(lambda: machine.processes(connections=False) == [])
        for far in (one, two):
            with pytest.raises(Stopped, match="was stopped"):
                await far.reach()
    for start in (False, True):
        async with provider(machine, start=start) as looking:
            with pytest.raises(Stopped, match="was stopped"):
                await looking.reach()
    await until(lambda: machine.processes(connections=False) == [])
    async with provider(machine) as anew:
        await anew.start()


async def test_one_that_ended_by_itself_starts_on_request(machine: FarMachine) -> None:
    """With `stop_idle` the far runtime ends though somebody is connected, looks do not revive it,
    and the reason is told; `start` does."""
    async with provider(machine, stop_idle="2s") as far:
        first = await far.reach()
        client = RuntimeClient("far", first)
        assert await client.stop_idle() == 2
        await client.aclose()
        await until(lambda: machine.processes(connections=False) == [])
        for _ in range(2):
            with pytest.raises(Stopped, match="ended by itself: no cell ran there for 2 s") as told:
                await far.reach()
        assert "ropeway start far" in told.value.hint
        await asyncio.sleep(1)
        assert machine.processes(connections=False) == []
        await far.start()
        assert (await far.reach()).token != first.token


async def test_another_s_start_is_found(machine: FarMachine, monkeypatch: Any) -> None:
    """A runtime that was stopped, and that somebody else starts, is found within the next look."""
    monkeypatch.setattr(ssh, "LOOK_SECONDS", 0.5)
    async with provider(machine) as one, provider(machine) as two:
        await one.reach()
        await one.stop()
        with pytest.raises(Stopped):
            await one.reach()
        await two.start()
        await asyncio.sleep(0.6)
        assert (await one.reach()).token == (await two.reach()).token


@pytest.mark.parametrize("asked", ["soon", "0s", 7200])
def test_a_time_that_is_none_is_told(asked: object) -> None:
    """`stop_idle` is a time, as a text."""
    with pytest.raises(BadInput, match=r"stop_idle"):
        Ssh.read(f"ssh://{ALIAS}", "", {"stop_idle": asked})


async def test_the_road_back(machine: FarMachine) -> None:
    """Home's services can be asked from there; where that is forbidden all else works."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhome")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with provider(machine, door=port) as far:
            address = await far.reach()
            kernel = await start_kernel(address)
            code = f"import urllib.request as u; print(u.urlopen('{far.door}').read().decode())"
            assert str(port) not in far.door
            assert await run(address, kernel, code) == "home\n"


async def test_a_forbidden_road_back_is_no_error(bare: FarMachine, installed: Any) -> None:
    """Where the SSH server forbids the road back there is none, and all else works."""
    bare.prepared = installed[0]
    bare.options = ["AllowTcpForwarding local"]
    bare.start()
    async with provider(bare, door=free_port()) as far:
        assert await start_kernel(await far.reach())
        assert far.door == ""


async def test_a_forbidden_forward_is_told(bare: FarMachine, installed: Any) -> None:
    """Where the SSH server lets no port through, that is said."""
    bare.prepared = installed[0]
    bare.options = ["AllowTcpForwarding no"]
    bare.start()
    async with provider(bare, timeout=3.0) as far:
        with pytest.raises(Unreachable, match="lets no port through"):
            await far.reach()


async def test_a_reach_that_is_given_up_leaves_no_process(machine: FarMachine) -> None:
    """A look that is cancelled, at any moment, leaves no ssh on this side."""
    for seconds in (0.05, 0.2, 0.4, 0.7):
        async with provider(machine) as far:
            task = asyncio.create_task(far.reach())
            await asyncio.sleep(seconds)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert machine.home_side() == [], seconds


async def test_letting_go_in_the_middle_leaves_nothing(machine: FarMachine) -> None:
    """A runtime that is let go of while it is being reached leaves no ssh and no open port."""

    def listening() -> set[int]:
        found = psutil.Process().net_connections(kind="tcp")
        return {c.laddr.port for c in found if c.status == psutil.CONN_LISTEN}

    before = listening()
    for seconds in (0.05, 0.3, 0.6):
        async with provider(machine) as far:
            task = asyncio.create_task(far.reach())
            await asyncio.sleep(seconds)
            await far.aclose()
            with contextlib.suppress(RopewayError):
                await task
        assert machine.home_side() == [], seconds
        assert listening() <= before, seconds


async def test_a_killed_home_leaves_no_connection(machine: FarMachine, tmp_path: Path) -> None:
    """When the process at home is killed, its ssh ends, and so does the far end."""
    code = (
        "import asyncio, sys\n"
        "from ropeway.workspace.providers import Site, provider_for\n"
        "from ropeway.workspace.remembered import Record\n"
        f"record = Record('far', 'ssh://{ALIAS}', '', {{'config': sys.argv[1]}})\n"
        "async def main():\n"
        "    await provider_for(record, Site()).reach()\n"
        "    print('reached', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(machine.config), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"reached\n"
    assert machine.home_side()
    process.kill()
    await process.wait()
    await until(lambda: machine.home_side() == [])
    await until(lambda: not {"cat", "sleep"}.intersection(p.name() for p in machine.processes()), 5)


def test_the_command_says_what_goes_on(machine: FarMachine, tmp_path: Path) -> None:
    """`ropeway connect ssh://…` tells each step on stderr, and the result on stdout; `ropeway
    runtimes` says when the runtime stops."""

    def ropeway(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ropeway", *words],
            env=clean_environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    options = ["--ssh-config", str(machine.config), "--stop-idle", "2h"]
    ran = ropeway("connect", f"ssh://{ALIAS}", "--name", "gpu", *options)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == f"Connecting to {ALIAS} over SSH…\n"
    assert f"Connected gpu ({ALIAS})." in ran.stdout
    assert "gpu: stops after 2 h idle" in ropeway("runtimes").stdout
    (asked,) = machine.state.glob("workspaces/*/detached-*.idle")
    assert float(asked.read_text()) == 7200
