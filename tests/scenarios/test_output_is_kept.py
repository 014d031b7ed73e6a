"""What a kernel says while the line to its runtime is dead, with real workspaces and runtimes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from support.forwarder import Forwarder, forwarder
from support.joining import joining
from support.kernel_client import KernelClient, Run
from support.servers import Server, free_port, lent, plain_jupyter, workspace

LONGER_THAN_PINGS = 24.0
"""Seconds: the workspace pings every 10 s and waits 10 s for the answer."""

COUNTING = """
import time
for number in range({count}):
    print(number, flush=True)
    time.sleep(0.1)
"""


def kernel_on(team: Server) -> str:
    """A kernel on `far`, started through the workspace."""
    for _ in range(100):
        status, model = team.api("/api/kernels", "POST", {"name": "far.python3"})
        if status == 201:
            return str(model["id"])
        time.sleep(0.2)
    raise AssertionError(model)


def connect(team: Server, port: int, runtime: Server) -> None:
    """Connect the workspace to that runtime, by that port."""
    body = {"url": f"http://127.0.0.1:{port}", "token": runtime.token, "name": "far"}
    status, answer = team.api("/ropeway/api/runtimes", "POST", body)
    assert status == 201, answer


def counted(team: Server, kernel: str, seconds: float, trouble: Callable[[], None]) -> Run:
    """A cell that counts for so long, while there is trouble on the line."""

    async def talk() -> Run:
        async with KernelClient(team.url, team.token, kernel) as page:
            await page.execute("print('ready')")
            cell = asyncio.ensure_future(
                page.execute(COUNTING.format(count=int(seconds * 10)), timeout=100)
            )
            await asyncio.sleep(1)
            await asyncio.to_thread(trouble)
            return await cell

    return asyncio.run(talk())


def is_whole(run: Run, seconds: float) -> None:
    """Every number was shown once and in order, and the cell ended well."""
    assert run.text.split() == [str(number) for number in range(int(seconds * 10))]
    assert run.reply["status"] == "ok"


def frozen(line: Forwarder, seconds: float) -> Callable[[], None]:
    """Nothing passes for so long, and nobody is told."""

    def trouble() -> None:
        line.freeze()
        time.sleep(seconds)
        line.thaw()

    return trouble


def test_a_frozen_line_loses_nothing(tmp_path: Path) -> None:
    """The line is silent for longer than pings wait, without FIN or RST: pages see every number
    once and in order, whether a cell still runs when the line is back or has ended."""
    with ExitStack() as stack:
        runtime = stack.enter_context(lent(tmp_path))
        target = int(runtime.url.rsplit(":", 1)[1])
        line = stack.enter_context(forwarder(free_port(), target))
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        connect(team, line.port, runtime)
        long, short = LONGER_THAN_PINGS + 8, 5.0
        others = stack.enter_context(ThreadPoolExecutor())
        ended = others.submit(counted, team, kernel_on(team), short, lambda: None)
        run = counted(team, kernel_on(team), long, frozen(line, LONGER_THAN_PINGS))
        is_whole(run, long)
        is_whole(ended.result(), short)


def test_a_plain_server_is_never_said_to_have_kept_everything(tmp_path: Path) -> None:
    """A cell on a plain Jupyter server ends while the line is frozen: the page is told what may be
    missing, the cell does not run for ever, and the next one runs."""
    with ExitStack() as stack:
        runtime = stack.enter_context(plain_jupyter(tmp_path / "plain"))
        target = int(runtime.url.rsplit(":", 1)[1])
        line = stack.enter_context(forwarder(free_port(), target))
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        connect(team, line.port, runtime)
        kernel = kernel_on(team)
        run = counted(team, kernel, 5, frozen(line, LONGER_THAN_PINGS))
        assert run.reply["status"] == "aborted"
        assert "Output of this cell may be missing" in run.stream("stderr")
        assert "the cell has ended" in run.stream("stderr")
        is_whole(counted(team, kernel, 1, lambda: None), 1)


def test_a_cut_line_loses_nothing(tmp_path: Path) -> None:
    """The line is cut twice, and once it takes a while until there is another."""
    with ExitStack() as stack:
        runtime = stack.enter_context(lent(tmp_path))
        target, port = int(runtime.url.rsplit(":", 1)[1]), free_port()
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        lines = [stack.enter_context(forwarder(port, target))]
        connect(team, port, runtime)

        def trouble() -> None:
            for pause in (0.0, 3.0):
                lines[-1].stop()
                time.sleep(pause)
                lines.append(stack.enter_context(forwarder(port, target)))
                time.sleep(2.0)

        is_whole(counted(team, kernel_on(team), 10, trouble), 10)


def test_a_frozen_link_of_a_joined_runtime_loses_nothing(tmp_path: Path) -> None:
    """The same with a runtime that dialled home itself."""
    with ExitStack() as stack:
        team = stack.enter_context(workspace(tmp_path / "home", tmp_path / "files"))
        target = int(team.url.rsplit(":", 1)[1])
        line = stack.enter_context(forwarder(free_port(), target))
        token = team.api("/ropeway/api/invites", "POST", {"name": "far"})[1]["token"]
        stack.enter_context(joining(tmp_path / "there", f"http://127.0.0.1:{line.port}", token))
        is_whole(counted(team, kernel_on(team), 18, frozen(line, 14)), 18)
