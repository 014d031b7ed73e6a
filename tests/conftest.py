"""Servers that many tests share: each is a real process and starts once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.far_network import FarNetwork
    from support.hub import Hub

from support.servers import Server, plain_jupyter, workspace

# What a shell starts in the background ignores Ctrl-C, and so would every server started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches the Ropeway of whoever runs it."""
    home = tmp_path_factory.mktemp("ropeway-home")
    monkeypatch.setenv("ROPEWAY_HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return home


@pytest.fixture(scope="session")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A plain Jupyter server below a base URL, as a JupyterHub runs one."""
    with plain_jupyter(tmp_path_factory.mktemp("gpu"), base_url="/user/ann/") as server:
        yield server


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A kernel gateway."""
    with plain_jupyter(tmp_path_factory.mktemp("gateway"), kind="gateway") as server:
        yield server


@pytest.fixture(scope="session")
def work(
    tmp_path_factory: pytest.TempPathFactory, gpu: Server, gateway: Server
) -> Iterator[Server]:
    """A workspace to which the runtimes `gpu` and `gateway` are connected."""
    home = tmp_path_factory.mktemp("workspace")
    with workspace(home, home / "files") as server:
        for name, runtime in (("gpu", gpu), ("gateway", gateway)):
            body = {"url": f"{runtime.url}/lab?token={runtime.token}", "name": name}
            status, answer = server.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
        yield server


@pytest.fixture(scope="session")
def proxy_folder(request: pytest.FixtureRequest) -> Path:
    """Where JupyterHub's proxy is installed; kept from one session to the next."""
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("configurable-http-proxy")


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, proxy_folder: Path) -> Iterator[Hub]:
    """A JupyterHub below a prefix, with users enough for all tests."""
    # Imported here: the tests of kernel and runtime also run where no Hub is.
    from support.hub import jupyterhub

    with jupyterhub(tmp_path_factory.mktemp("hub"), proxy_folder, "/jupyter/hub/") as made:
        yield made


@pytest.fixture
def own_gpu(tmp_path: Path, work: Server) -> Iterator[Callable[[str], Server]]:
    """Makes a plain server of the test's own, connected to `work` under the name given."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        names: list[str] = []

        def connect(name: str) -> Server:
            server = stack.enter_context(plain_jupyter(tmp_path / name))
            body = {"url": server.url, "token": server.token, "name": name}
            status, answer = work.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
            names.append(name)
            return server

        yield connect
        for name in names:
            work.api(f"/ropeway/api/runtimes/{name}", "DELETE")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The home of a far machine on which connecting installed a runtime, and what was told."""
    # Imported here: the tests of kernel and runtime also run where no workspace is.
    from ropeway.workspace.connect import check
    from ropeway.workspace.remembered import Record
    from support.far_machine import ALIAS, FarMachine

    machine = FarMachine(tmp_path_factory.mktemp("installed"))
    told: list[str] = []
    try:
        machine.start()
        record = Record("far", f"ssh://{ALIAS}", "", {"config": str(machine.config)})
        connecting = check(record, timeout=10, tell=told.append)
        with ThreadPoolExecutor(1) as apart:  # Playwright has a loop of its own in this thread
            apart.submit(asyncio.run, connecting).result()
    finally:
        machine.end()
    return machine.home, told


@pytest.fixture
def network() -> Iterator[FarNetwork]:
    """A network with a cable that can be cut."""
    from support.far_network import FarNetwork  # not needed where the kernel's side is tested

    made = FarNetwork()
    try:
        made.start()
        yield made
    finally:
        made.end()
