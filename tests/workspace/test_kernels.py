"""Kernels of every kind of runtime, used through the workspace as a page uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from ropeway.errors import Unreachable
from support.kernel_client import KernelClient
from support.servers import Server, plain_jupyter

RUNTIMES = {"here": "python3", "gpu": "gpu.python3", "gateway": "gateway.python3"}


@contextmanager
def started(work: Server, kernel: str) -> Iterator[str]:
    """A running kernel of the workspace; its id."""
    status, model = work.api("/api/kernels", "POST", {"name": kernel})
    assert status == 201, model
    try:
        yield model["id"]
    finally:
        work.api(f"/api/kernels/{model['id']}", "DELETE")


@asynccontextmanager
async def opened(work: Server, kernel: str) -> AsyncIterator[KernelClient]:
    """A running kernel and a page that looks at it."""
    with started(work, kernel) as kernel_id:
        async with KernelClient(work.url, work.token, kernel_id) as client:
            client.kernel_id = kernel_id  # type: ignore[attr-defined]
            yield client


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def shared(request: pytest.FixtureRequest, work: Server) -> Iterator[tuple[Server, str]]:
    """One kernel on each kind of runtime, for the tests that leave it as it is."""
    with started(work, RUNTIMES[request.param]) as kernel_id:
        yield work, kernel_id


async def run(shared: tuple[Server, str], code: str, **options: Any) -> Any:
    """Execute code in the shared kernel."""
    work, kernel_id = shared
    async with KernelClient(work.url, work.token, kernel_id) as client:
        return await client.execute(code, **options)


async def test_a_cell_runs_and_prints(shared: tuple[Server, str]) -> None:
    """A cell's output, its result and its reply arrive, and idle comes last."""
    ran = await run(shared, "print('out'); import sys; print('err', file=sys.stderr); 6 * 7")
    assert (ran.text, ran.stream("stderr")) == ("out\n", "err\n")
    assert ran.of("execute_result")[0]["data"]["text/plain"] == "42"
    assert ran.reply["status"] == "ok"
    assert ran.messages[-1] == ("status", {"execution_state": "idle"})


async def test_an_error_keeps_its_traceback(shared: tuple[Server, str]) -> None:
    """An exception arrives as in a local kernel."""
    ran = await run(shared, "def f():\n    return 1 / 0\nf()")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert any("f()" in line for line in ran.of("error")[0]["traceback"])


async def test_input_is_asked_and_answered(shared: tuple[Server, str]) -> None:
    """input() reaches the page that runs the cell, and the answer reaches the kernel."""
    ran = await run(shared, "print(input('name? ') + input())", answers=["Ann", "!"])
    assert ran.text == "Ann!\n"


async def test_completion_answers(shared: tuple[Server, str]) -> None:
    """Tab completion and inspection work."""
    work, kernel_id = shared
    async with KernelClient(work.url, work.token, kernel_id) as client:
        await client.execute("a_long_name = 1")
        reply = await client.request(
            "shell", "complete_request", {"code": "a_long_n", "cursor_pos": 8}
        )
        assert "a_long_name" in reply["matches"]


async def test_binary_comms_go_both_ways(shared: tuple[Server, str]) -> None:
    """Comm messages carry binary buffers unchanged to the kernel and back, as widgets need."""
    payload = bytes(range(256)) * 40
    echo = (
        "from comm import get_comm_manager\n"
        "def opened(comm, message):\n"
        "    comm.on_msg(lambda m: comm.send({'n': len(m['buffers'])},"
        " buffers=[bytes(b)[::-1] for b in m['buffers']]))\n"
        "get_comm_manager().register_target('echo', opened)"
    )
    work, kernel_id = shared
    async with KernelClient(work.url, work.token, kernel_id) as client:
        await client.execute(echo)
        client.send("shell", "comm_open", {"comm_id": "c", "target_name": "echo", "data": {}})
        client.send("shell", "comm_msg", {"comm_id": "c", "data": {}}, buffers=[payload, b""])
        async with asyncio.timeout(30):
            while True:
                _, message = await client.receive()
                if message["header"]["msg_type"] == "comm_msg":
                    break
        assert message["content"]["data"] == {"n": 2}
        assert [bytes(b) for b in message["buffers"]] == [payload[::-1], b""]


async def test_thirty_megabytes_in_one_message(shared: tuple[Server, str]) -> None:
    """One message of 30 MB arrives whole.

    As a display: stock servers limit what is *printed* to 1 MB/s, and say so in the cell.
    """
    ran = await run(shared, "display({'text/plain': 'x' * 30_000_000}, raw=True)")
    assert len(ran.of("display_data")[0]["data"]["text/plain"]) == 30_000_000


async def test_fifty_megabytes_printed_where_the_agent_is(work: Server) -> None:
    """Where our runtime serves the kernel, a print of 50 MB arrives whole."""
    async with opened(work, "python3") as client:
        ran = await client.execute("print('x' * 50_000_000)")
        assert len(ran.text) == 50_000_001


async def test_many_small_messages_all_arrive(shared: tuple[Server, str]) -> None:
    """Nothing is dropped between runtime and page when output comes fast."""
    ran = await run(shared, "for i in range(900): display(i)")
    shown = [content["data"]["text/plain"] for content in ran.of("display_data")]
    assert shown == [str(i) for i in range(900)]


async def test_two_pages_see_one_kernel(shared: tuple[Server, str]) -> None:
    """What one page runs, the other sees, and each gets its own replies only."""
    work, kernel_id = shared
    async with (
        KernelClient(work.url, work.token, kernel_id) as one,
        KernelClient(work.url, work.token, kernel_id) as two,
    ):
        await one.execute("print('from one')")
        ran = await two.execute("print('from two')")
        assert ran.text == "from two\n"
        seen = [c["text"] for kind, c in two.unclaimed if kind == "stream"]
        assert "from one\n" in "".join(seen)


async def test_interrupt_stops_the_cell(shared: tuple[Server, str]) -> None:
    """Interrupting from the page raises KeyboardInterrupt in the cell."""
    work, kernel_id = shared
    async with KernelClient(work.url, work.token, kernel_id) as client:
        code = "import time\nprint('on')\ntime.sleep(60)"
        task = asyncio.create_task(client.execute(code))
        await asyncio.sleep(0.7)
        status, _ = await asyncio.to_thread(work.api, f"/api/kernels/{kernel_id}/interrupt", "POST")
        assert status == 204
        ran = await asyncio.wait_for(task, 20)
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert ran.text == "on\n"


async def test_the_state_in_the_list_is_the_kernels(shared: tuple[Server, str]) -> None:
    """The kernel list says busy while a cell runs, and idle after."""
    work, kernel_id = shared
    async with KernelClient(work.url, work.token, kernel_id) as client:
        task = asyncio.create_task(client.execute("import time; time.sleep(1.5)"))
        await asyncio.sleep(0.7)
        _, model = await asyncio.to_thread(work.api, f"/api/kernels/{kernel_id}")
        assert model["execution_state"] == "busy"
        await task
    _, model = await asyncio.to_thread(work.api, f"/api/kernels/{kernel_id}")
    assert model["execution_state"] == "idle"


async def test_the_environment_of_home_stays_home(shared: tuple[Server, str]) -> None:
    """The workspace's environment variables are not sent to a kernel."""
    ran = await run(shared, "import os; print(os.environ.get('SECRET_OF_HOME'))")
    work, kernel_id = shared
    _, model = await asyncio.to_thread(work.api, f"/api/kernels/{kernel_id}")
    at_home = model["name"] == "python3"  # the runtime here is a child of the workspace
    assert ran.text == ("x\n" if at_home else "None\n")


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
async def test_restart_gives_a_fresh_kernel(work: Server, runtime: str) -> None:
    """After a restart the variables are gone, and the same page goes on."""
    async with opened(work, RUNTIMES[runtime]) as client:
        await client.execute("x = 1")
        status, _ = await asyncio.to_thread(
            work.api,
            f"/api/kernels/{client.kernel_id}/restart",
            "POST",  # type: ignore[attr-defined]
        )
        assert status == 200
        assert (await client.execute("x")).reply["ename"] == "NameError"
        assert (await client.execute("print(1)")).text == "1\n"


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
async def test_a_kernel_that_dies_is_restarted_and_told(work: Server, runtime: str) -> None:
    """When the kernel's process dies, the page hears of it, and the next cell runs."""
    async with opened(work, RUNTIMES[runtime]) as client:
        await client.execute("1")  # the page is connected once a reply came
        client.send(
            "shell",
            "execute_request",
            {"code": "import os; os._exit(1)", "silent": False, "store_history": True},
        )
        async with asyncio.timeout(40):
            while True:
                _, message = await client.receive()
                if message["content"].get("execution_state") == "restarting":
                    break
        assert (await client.execute("print('again')", timeout=30)).text == "again\n"
        ran = await client.execute("import ropeway as rw; print(callable(rw.sql))", timeout=30)
        assert ran.text == "True\n"


async def test_shutdown_ends_the_kernel_at_its_runtime(work: Server, gpu: Server) -> None:
    """Shutting a kernel down leaves none on the runtime."""
    before = {model["id"] for model in gpu.api("/api/kernels")[1]}
    with started(work, "gpu.python3"):
        assert len({model["id"] for model in gpu.api("/api/kernels")[1]} - before) == 1
    assert {model["id"] for model in gpu.api("/api/kernels")[1]} == before


async def test_a_kernel_that_vanishes_is_dead_not_silently_new(work: Server, gpu: Server) -> None:
    """A kernel that is ended behind our back is reported dead; a restart brings a fresh one."""
    before = {model["id"] for model in gpu.api("/api/kernels")[1]}
    async with opened(work, "gpu.python3") as client:
        (remote,) = {model["id"] for model in gpu.api("/api/kernels")[1]} - before
        await client.execute("1")
        gpu.api(f"/api/kernels/{remote}", "DELETE")
        await _until_dead(client)
        path = f"/api/kernels/{client.kernel_id}"  # type: ignore[attr-defined]
        async with asyncio.timeout(10):  # the list hears it beside the page
            while (  # noqa: ASYNC110
                await asyncio.to_thread(work.api, path)
            )[1]["execution_state"] != "dead":
                await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(work.api, path + "/restart", "POST"))[0] == 200
        assert (await client.execute("print('fresh')")).text == "fresh\n"


async def test_a_page_that_comes_late_hears_that_the_kernel_is_dead(
    work: Server, gpu: Server
) -> None:
    """A page that opens after the kernel vanished connects and is told so at once."""
    before = {model["id"] for model in gpu.api("/api/kernels")[1]}
    with started(work, "gpu.python3") as kernel_id:
        (remote,) = {model["id"] for model in gpu.api("/api/kernels")[1]} - before
        async with KernelClient(work.url, work.token, kernel_id) as first:
            await first.execute("1")
            gpu.api(f"/api/kernels/{remote}", "DELETE")
            await _until_dead(first)
        async with KernelClient(work.url, work.token, kernel_id) as late:
            late.send("shell", "kernel_info_request", {})
            async with asyncio.timeout(10):
                await _until_dead(late)


async def _until_dead(client: KernelClient) -> None:
    async with asyncio.timeout(40):
        while True:
            _, message = await client.receive()
            if message["content"].get("execution_state") == "dead":
                return


async def test_a_restarted_runtime_is_usable_again(
    work: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """When a runtime's server restarts, its old kernel is dead and a restart brings a new one, or
    says why there is none."""
    folder = tmp_path_factory.mktemp("back")
    with plain_jupyter(folder) as first:
        body = {"url": first.url, "token": first.token, "name": "back"}
        assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
        try:
            async with opened(work, "back.python3") as client:
                assert (await client.execute("x = 1; print(x)")).text == "1\n"
                port, token = int(first.url.rsplit(":", 1)[1]), first.token
                await asyncio.to_thread(first.kill)
                with plain_jupyter(folder, port=port, token=token):
                    await _until_dead(client)
                    path = f"/api/kernels/{client.kernel_id}/restart"  # type: ignore[attr-defined]
                    status, answer = await asyncio.to_thread(work.api, path, "POST")
                    assert status == 200, answer
                    assert (await client.execute("x")).reply["ename"] == "NameError"
                status, answer = await asyncio.to_thread(work.api, path, "POST")
                assert status == Unreachable.http_status
                assert "cannot be reached" in answer["message"]
        finally:
            work.api("/ropeway/api/runtimes/back", "DELETE")


async def test_a_hung_runtime_slows_nobody(work: Server, own_gpu: Callable[[str], Server]) -> None:
    """While one runtime hangs, lists answer at once and other runtimes' cells run."""
    hung = own_gpu("hung")
    async with opened(work, "hung.python3"), opened(work, "gpu.python3") as other:
        hung.freeze()
        try:
            clock = asyncio.get_running_loop().time
            begun = clock()
            for path in ("/api/kernels", "/api/kernelspecs", "/api/sessions"):
                assert (await asyncio.to_thread(work.api, path))[0] == 200
            assert (await asyncio.to_thread(work.api, "/ropeway/api/runtimes"))[0] == 200
            assert (await other.execute("print(1)")).text == "1\n"
            assert clock() - begun < 2
        finally:
            hung.thaw()


async def test_output_survives_a_short_freeze(
    work: Server, own_gpu: Callable[[str], Server]
) -> None:
    """A runtime that hangs for a moment loses no line of a running cell."""
    server = own_gpu("frozen")
    async with opened(work, "frozen.python3") as client:
        code = "import time\nfor i in range(30): print(i, flush=True); time.sleep(0.1)"
        task = asyncio.create_task(client.execute(code))
        await asyncio.sleep(1)
        server.freeze()
        await asyncio.sleep(1.5)
        server.thaw()
        ran = await task
    assert ran.text.split() == [str(i) for i in range(30)]


async def test_a_runtime_is_removed_while_its_kernel_runs(
    work: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Disconnecting a runtime leaves its kernel running there; the page hears that it is gone."""
    with plain_jupyter(tmp_path_factory.mktemp("away")) as away:
        body = {"url": away.url, "token": away.token, "name": "away"}
        assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
        async with opened(work, "away.python3") as client:
            await client.execute("x = 1")
            assert work.api("/ropeway/api/runtimes/away", "DELETE")[0] == 204
            await _until_dead(client)
        assert len(away.api("/api/kernels")[1]) == 1


async def test_disconnecting_with_shutdown_ends_its_kernels(
    work: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Disconnecting with ?shutdown=1 ends this workspace's kernels there, and only those."""
    with plain_jupyter(tmp_path_factory.mktemp("away2")) as away:
        stranger = away.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
        body = {"url": away.url, "token": away.token, "name": "away2"}
        assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
        status, _ = work.api("/api/kernels", "POST", {"name": "away2.python3"})
        assert status == 201
        assert work.api("/ropeway/api/runtimes/away2?shutdown=1", "DELETE")[0] == 204
        assert [kernel["id"] for kernel in away.api("/api/kernels")[1]] == [stranger]


async def test_starting_on_a_dead_runtime_says_why(
    work: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A kernel that cannot be started answers with what was found and what to do."""
    with plain_jupyter(tmp_path_factory.mktemp("gone")) as gone:
        body = {"url": gone.url, "token": gone.token, "name": "gone"}
        assert work.api("/ropeway/api/runtimes", "POST", body)[0] == 201
    try:
        status, answer = work.api(
            "/api/sessions",
            "POST",
            {"path": "a.ipynb", "type": "notebook", "name": "", "kernel": {"name": "gone.python3"}},
        )
        assert status == 500
        assert "cannot be reached" in answer["message"]
        assert "hint" in answer["message"]
        status, answer = work.api("/api/kernels", "POST", {"name": "gone.python3"})
        assert status == Unreachable.http_status
        assert "cannot be reached" in answer["message"]
    finally:
        work.api("/ropeway/api/runtimes/gone", "DELETE")


async def test_kernels_of_a_runtime_that_is_away_can_be_given_up(
    work: Server, own_gpu: Callable[[str], Server]
) -> None:
    """Disconnecting with ?shutdown=1 works for a runtime that no longer answers."""
    lost = own_gpu("lost")
    kernel = work.api("/api/kernels", "POST", {"name": "lost.python3"})[1]["id"]
    lost.kill()
    status, answer = work.api("/ropeway/api/runtimes/lost?shutdown=1", "DELETE")
    assert status == 204, answer
    assert kernel not in [model["id"] for model in work.api("/api/kernels")[1]]


async def test_colab_runtime_unassign_ends_the_kernel(work: Server) -> None:
    """The cell ends in order, its kernel behind it; a kernel on a runtime knows that its notebook's
    folder is elsewhere, and one on `here` stands in it."""
    module = "ropeway.kernel.colab"
    where = f"import {module}.presence as p, {module}.runtime as r; print(p.away)\n"
    with started(work, "python3") as kernel_id:
        assert (await run((work, kernel_id), where)).text == "False\n"
    with started(work, "gpu.python3") as kernel_id:
        ran = await run((work, kernel_id), where + "r.unassign()")
        assert ran.text.startswith("True\nRopeway ends this notebook's kernel.")
        assert ran.reply["status"] == "ok"
        async with asyncio.timeout(60):
            while work.api(f"/api/kernels/{kernel_id}")[0] != 404:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
