"""What holds for every provider, each with a real server behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.case import Case
from conformance.cases_hub import HubServer
from conformance.cases_joined import JoinedRuntime
from conformance.cases_ssh import SshMachine
from conformance.cases_url import (
    EnterpriseGateway,
    KernelGateway,
    PinnedServer,
    PlainServer,
    end_spare,
)
from ropeway import config
from ropeway.errors import BadInput, RopewayError, Unreachable
from ropeway.workspace import headless, served_ports
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.home import Home
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.registry import Runtime
from ropeway.workspace.remembered import runtime_list

CASES = (
    PlainServer,
    KernelGateway,
    EnterpriseGateway,
    PinnedServer,
    HubServer,
    JoinedRuntime,
    SshMachine,
)
SERVES = """
import http.server, threading

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'from afar')
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(('127.0.0.1', 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port)
"""
TRUTH_SECONDS = 15
"""Both sides tell the truth about a link within this time."""


@pytest.fixture(scope="module", autouse=True)
def spare_servers() -> Iterator[None]:
    """What tests leave to one another ends with the last of them."""
    yield
    end_spare()


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """One provider's runtime, running."""
    needs = request.param.needs
    ground = request.getfixturevalue(needs) if needs else None
    made: Case = request.param(tmp_path / "case", ground)
    made.folder.mkdir()
    try:
        made.start()
        yield made
    finally:
        made.end()


@asynccontextmanager
async def connected(case: Case, tmp_path: Path) -> AsyncIterator[tuple[Home, Runtime]]:
    """A home to which the case's runtime is connected under the name `far`."""
    root = tmp_path / "home"
    root.mkdir()
    (root / "ropeway.toml").write_text("[runtimes]\nrefresh = 1.0\ntimeout = 5.0\n")
    home = Home(root, config.load(root))
    RuntimeProvisioner.serve(home)
    try:
        await home.start(with_here=False)
        if not case.joins:
            await home.registry.connect(case.text, case.token, "far", case.options)
        await until(lambda: home.registry.get("far").state == "connected")
        yield home, home.registry.get("far")
    finally:
        await home.aclose()
        RuntimeProvisioner.serve(None)


class Notebook:
    """A kernel on a runtime, and what its cells print."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.said: list[str] = []

    async def run(self, code: str) -> str:
        """Run a cell; returns what it printed, and the error it ended with."""
        said = self.said = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        outcome = await headless.run_code(self.manager, code, hear, stdin=False)
        return "".join(said) + outcome.error


@asynccontextmanager
async def a_kernel(home: Home) -> AsyncIterator[Notebook]:
    """A kernel on `far`."""
    async with AsyncExitStack() as stack:
        kernel = await choose_kernel(home.registry, "far", None)
        manager = await stack.enter_async_context(headless.running_kernel(home, kernel, home.root))
        yield Notebook(manager)


async def until(condition: Callable[[], bool], seconds: float = TRUTH_SECONDS) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def test_it_is_connected_and_offers_kernels(case: Case, tmp_path: Path) -> None:
    """A runtime that was connected says so, shows an address without a secret, and has kernels."""
    async with connected(case, tmp_path) as (_, runtime):
        model = runtime.model()
        assert (model.state, model.detail, model.kind) == ("connected", "", case.kind)
        assert any(kernel.language == "python" for kernel in model.kernels)
        assert case.token not in str(model) if case.token else True
        if not case.joins:
            assert runtime_list().read()["far"].options == case.options


async def test_cells_run_and_the_sdk_is_there(case: Case, tmp_path: Path) -> None:
    """A kernel starts, keeps its variables, and can import the SDK."""
    async with connected(case, tmp_path) as (home, _), a_kernel(home) as notebook:
        assert await notebook.run("x = 6") == ""
        assert await notebook.run("import ropeway as rw; print(x * 7, hasattr(rw, 'sql'))") == (
            "42 True\n"
        )


async def test_data_comes_by_the_best_road(case: Case, tmp_path: Path) -> None:
    """A query is answered from home: by the direct road where the provider has a door."""
    async with connected(case, tmp_path) as (home, runtime), a_kernel(home) as notebook:
        road = "direct" if runtime.provider.door else "in-band"
        said = await notebook.run(
            "import ropeway as rw; r = rw.sql('select 7 a'); print(r.summary.preview, rw.road())"
        )
        assert said == f"(('7',),) {road}\n"


async def test_its_kernels_are_listed(case: Case, tmp_path: Path) -> None:
    """The runtime lists a kernel that runs, or says that it cannot tell."""
    async with connected(case, tmp_path) as (home, runtime), a_kernel(home) as notebook:
        (provisioner,) = RuntimeProvisioner.live.values()
        assert await notebook.run("print(1)") == "1\n"
        running = await runtime.client.kernels()
        if case.lists_kernels:
            assert running is not None
            assert provisioner.remote_id in [model["id"] for model in running]
        else:
            assert running is None


async def test_an_interrupt_arrives(case: Case, tmp_path: Path) -> None:
    """An interrupt ends the cell, not the kernel."""
    async with connected(case, tmp_path) as (home, _), a_kernel(home) as notebook:
        await notebook.run("x = 1")
        code = "import time\nprint('on', flush=True)\nfor _ in range(600): time.sleep(0.1)"
        ran = asyncio.create_task(notebook.run(code))
        await until(lambda: "on\n" in notebook.said)
        await notebook.manager.interrupt_kernel()
        async with asyncio.timeout(TRUTH_SECONDS):
            assert "KeyboardInterrupt" in await ran
        assert await notebook.run("print(x)") == "1\n"


@pytest.mark.parametrize(
    "case", [JoinedRuntime, SshMachine, PlainServer], ids=lambda case: case.__name__, indirect=True
)
async def test_a_page_that_a_kernel_serves_is_reached(case: Case, tmp_path: Path) -> None:
    """Home reaches a port of the machine where Ropeway is; a plain server says what it lacks."""
    async with connected(case, tmp_path) as (home, _), a_kernel(home) as notebook:
        port = int(await notebook.run(SERVES))
        (kernel,) = RuntimeProvisioner.live
        if isinstance(case, PlainServer):
            with pytest.raises(Unreachable, match="leads to no port of its machine"):
                await served_ports.connect(kernel, port)
            return
        stream = await served_ports.connect(kernel, port)
        await stream.send(b"GET / HTTP/1.0\r\n\r\n")
        said = b""
        while data := await stream.receive():
            said += data
        assert said.endswith(b"\r\n\r\nfrom afar")
        stream.close()


async def test_a_drop_is_told_and_mended(case: Case, tmp_path: Path) -> None:
    """A connection that dies without a word is told within 15 s, and comes back by itself with
    the same kernel."""
    async with connected(case, tmp_path) as (home, runtime), a_kernel(home) as notebook:
        await notebook.run("x = 1")
        case.drop()
        try:
            await until(lambda: runtime.state != "connected")
            assert runtime.detail
        finally:
            case.restore()
        await until(lambda: runtime.state == "connected")
        async with asyncio.timeout(40):
            assert await notebook.run("print(x)") == "1\n"


async def test_a_runtime_that_vanished_is_told(case: Case, tmp_path: Path) -> None:
    """A server that is gone is told within 15 s, and starting a kernel there says so."""
    async with connected(case, tmp_path) as (home, runtime):
        case.vanish()
        await until(lambda: runtime.state != "connected")
        with pytest.raises(RopewayError, match="far"):
            await choose_kernel(home.registry, "far", None)


async def test_bad_credentials_are_refused(case: Case, tmp_path: Path) -> None:
    """Wrong credentials give a clear error, and nothing is remembered."""
    text, token, options = case.wrong()
    with pytest.raises(RopewayError) as caught:
        await check_and_remember(runtime_list(), text, token, "wrong", options=options, timeout=5)
    assert caught.value.hint
    assert case.joins or runtime_list().read() == {}


async def test_stop_ends_what_is_ours(case: Case, tmp_path: Path) -> None:
    """`stop` ends the server where the provider started it, and says so where it cannot."""
    async with connected(case, tmp_path) as (_, runtime):
        if case.stoppable:
            await runtime.provider.stop()
            await until(case.stopped)
        else:
            with pytest.raises(BadInput, match="cannot be stopped"):
                await runtime.provider.stop()


async def test_letting_go_leaves_the_runtime_alone(case: Case, tmp_path: Path) -> None:
    """A workspace that ends leaves the server with its kernels; the next one finds them."""
    if not case.lists_kernels:
        return
    root = tmp_path / "first"
    root.mkdir()
    async with connected(case, root) as (_, runtime):
        spec = next(iter((await runtime.client.kernelspecs())["kernelspecs"]))
        kernel = await runtime.client.start_kernel(spec, None)
    if not case.joins:
        runtime_list().remove("far")
    async with connected(case, tmp_path) as (_, runtime):
        running = await runtime.client.kernels()
        assert running is not None
        assert kernel in [model["id"] for model in running]
        await runtime.client.delete_kernel(kernel)
