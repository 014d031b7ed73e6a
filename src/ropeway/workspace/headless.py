"""Notebooks and code without a page: the same runtimes, bridge and data, driven by nbclient."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from ropeway import config, wire
from ropeway.errors import KernelGone, RopewayError
from ropeway.notebooks.portable import DEFAULT_KERNEL, wanted_kernel
from ropeway.workspace.address import HERE
from ropeway.workspace.home import Home
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.specs import RuntimeSpecManager

READY_SECONDS = 120.0

SETTLE_SECONDS = 600.0
"""Seconds that the artefacts of a run may take to come home behind its last cell."""

_FLUSH = """\
import sys
found = sys.modules.get("ropeway.kernel.checkpoint")
for each in found.all_of_them() if found is not None else ():
    each.flush()
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Who hears how a run goes; every call is quick."""

    cell_started: Callable[[int, str], None]
    cell_ended: Callable[[int], None]
    printed: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a notebook's run ended: `failed` is the index of the cell that raised.

    `busy`: its kernel is still at it. `behind`: why not all artefacts came home.
    """

    failed: int | None = None
    error: str = ""
    interrupted: bool = False
    busy: bool = False
    behind: str = ""


@asynccontextmanager
async def serving_home(
    root: Path, *, runtime: str | None, notebook: Path | None = None
) -> AsyncIterator[Home]:
    """The home at `root` for as long as the block runs; what is asked there is asked by `notebook`.

    A workspace that serves the same folder lends its runtime `here`; else one is started when
    `runtime` asks for it, and ended with the block.
    """
    home = Home(root, config.load(root))
    if notebook is not None and notebook.resolve().is_relative_to(home.root):
        home.notebook = notebook.resolve().relative_to(home.root).as_posix()
    RuntimeProvisioner.serve(home)
    try:
        await home.start(with_here=runtime in (None, HERE))
        yield home
    finally:
        await home.aclose()
        RuntimeProvisioner.serve(None)


def wanted_by(notebook: Any, on: str | None) -> tuple[str, str | None]:
    """The runtime and kernel that a notebook asks for; `on` overrules its runtime."""
    spec = notebook.metadata.get("kernelspec") or {}
    runtime, kernel = wanted_kernel(notebook.metadata) or (HERE, spec.get("name"))
    if on is not None and on != runtime:
        return on, DEFAULT_KERNEL if spec.get("language", "python") == "python" else kernel
    return runtime, kernel


@asynccontextmanager
async def running_kernel(home: Home, kernel: wire.Kernel, folder: Path) -> AsyncIterator[Any]:
    """A kernel manager with a started kernel; the kernel ends with the block."""
    specs = RuntimeSpecManager(folder=str(home.kernel_dir))
    manager = AsyncKernelManager(kernel_name=kernel.name, kernel_spec_manager=specs)
    await manager.start_kernel(cwd=str(folder))
    try:
        yield manager
    finally:
        with contextlib.suppress(RopewayError):
            await manager.shutdown_kernel(now=True)


async def run_notebook(
    manager: Any,
    notebook: Any,
    progress: Progress,
    saved: Callable[[], None],
    *,
    first: int = 0,
    timeout: float | None = None,
    allow_errors: bool = False,
) -> Outcome:
    """Run the cells of a notebook from the index `first` on, in place; `saved` is called after
    each.

    Stops at the first cell that raises, unless `allow_errors`; an interrupt ends the cell that
    runs and then the run. Returns once the artefacts that the cells wrote are at home. Raises
    `KernelGone` when the kernel dies.
    """
    client = _Client(notebook, km=manager, timeout=timeout, allow_errors=allow_errors)
    client.printed = progress.printed
    client.reset_execution_trackers()
    async with _connected(manager) as client.kc, _interrupts(manager) as interrupted:
        await _note_language(client)
        outcome = await _run_cells(client, progress, saved, interrupted, first)
        python = client.nb.metadata.get("language_info", {}).get("name") == "python"
        if outcome.busy or not python:
            return outcome
        return replace(outcome, behind=await _settle(client.kc))


async def _run_cells(
    client: _Client,
    progress: Progress,
    saved: Callable[[], None],
    interrupted: asyncio.Event,
    first: int,
) -> Outcome:
    for index, cell in enumerate(client.nb.cells):
        if cell.cell_type != "code" or index < first:
            continue
        progress.cell_started(index, cell.source)
        outcome = await _run_cell(client, cell, index)
        progress.cell_ended(index)
        client.set_widgets_metadata()
        saved()
        if interrupted.is_set():
            return Outcome(index, "interrupted", interrupted=True)
        if outcome is not None:
            return outcome
    return Outcome()


async def _settle(client: Any) -> str:
    """Let what the cells wrote come home, since the kernel ends with the run; why it did not."""
    try:
        reply = await client.execute_interactive(
            _FLUSH,
            silent=True,
            store_history=False,
            allow_stdin=False,
            output_hook=lambda message: None,
            timeout=SETTLE_SECONDS,
        )
    except (RuntimeError, TimeoutError):
        return "the kernel did not answer"
    return "" if reply["content"]["status"] == "ok" else _described(reply["content"])


async def run_code(
    manager: Any,
    code: str,
    show: Callable[[dict[str, Any]], None],
    *,
    stdin: bool = False,
    history: bool = True,
) -> Outcome:
    """Run one piece of code; `show` gets every message it publishes, as it comes.

    Without `history` it leaves no number: the first cell behind it is still the first.
    """
    async with _connected(manager) as client, _interrupts(manager) as interrupted:
        try:
            reply = await client.execute_interactive(
                code, allow_stdin=stdin, output_hook=show, timeout=None, store_history=history
            )
        except RuntimeError as error:
            raise KernelGone("The kernel died while the code ran.") from error
    content = reply["content"]
    if content["status"] == "ok":
        return Outcome()
    return Outcome(0, _described(content), interrupted=interrupted.is_set())


class _Client(NotebookClient):
    """nbclient, telling what is printed as it comes."""

    printed: Callable[[str], None]

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Put a message into the cell's outputs."""
        if msg["msg_type"] == "stream":
            self.printed(msg["content"]["text"])
        return super().process_message(msg, cell, cell_index)


async def _run_cell(client: _Client, cell: Any, index: int) -> Outcome | None:
    """Run one cell; None when all is well."""
    try:
        await client.async_execute_cell(cell, index)
    except CellExecutionError as error:
        return Outcome(index, f"{error.ename}: {error.evalue}")
    except CellTimeoutError:
        why = f"TimeoutError: the cell took longer than {client.timeout} s"
        return Outcome(index, why, busy=True)
    except DeadKernelError as error:
        raise KernelGone(
            "The kernel died while the notebook ran.",
            hint="It may have run out of memory. Outputs up to that cell are saved.",
        ) from error
    return None


async def _note_language(client: _Client) -> None:
    msg_id = client.kc.kernel_info()
    reply = await client.async_wait_for_reply(msg_id)
    if reply is not None and "language_info" in reply["content"]:
        client.nb.metadata["language_info"] = reply["content"]["language_info"]


@asynccontextmanager
async def _connected(manager: Any) -> AsyncIterator[Any]:
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=READY_SECONDS)
        yield client
    except RuntimeError as error:
        if "Kernel died" in str(error) or "Kernel didn't respond" in str(error):
            raise KernelGone(f"The kernel did not come up: {error}.") from error
        raise
    finally:
        client.stop_channels()


@asynccontextmanager
async def _interrupts(manager: Any) -> AsyncIterator[asyncio.Event]:
    """The first Ctrl-C interrupts the kernel, the second gives up on it."""
    happened = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    pending: set[asyncio.Task[Any]] = set()

    def interrupt() -> None:
        if happened.is_set() and task is not None:
            task.cancel()
        happened.set()
        asked = asyncio.ensure_future(manager.interrupt_kernel())
        pending.add(asked)
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield happened
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _described(content: dict[str, Any]) -> str:
    return f"{content.get('ename', 'Error')}: {content.get('evalue', '')}"
