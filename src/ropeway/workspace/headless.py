"""Notebooks and code without a page: the same runtimes, bridge and data, driven by nbclient."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from ropeway import config, wire
from ropeway.errors import KernelGone, NotFound, RopewayError, Unreachable
from ropeway.notebooks.portable import DEFAULT_KERNEL, wanted_kernel
from ropeway.workspace.address import HERE
from ropeway.workspace.home import Home
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.registry import Runtime
from ropeway.workspace.specs import RuntimeSpecManager, local_name

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Who hears how a run goes; every call is quick."""

    cell_started: Callable[[int, str], None]
    cell_ended: Callable[[int], None]
    printed: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a notebook's run ended: `failed` is the index of the cell that raised."""

    failed: int | None = None
    error: str = ""
    interrupted: bool = False


@asynccontextmanager
async def serving_home(root: Path, *, runtime: str | None) -> AsyncIterator[Home]:
    """The home at `root` for as long as the block runs.

    A workspace that serves the same folder lends its runtime `here`; else one is started when
    `runtime` asks for it, and ended with the block.
    """
    home = Home(root, config.load(root))
    RuntimeProvisioner.serve(home)
    try:
        await home.start(with_here=runtime in (None, HERE))
        yield home
    finally:
        await home.aclose()
        RuntimeProvisioner.serve(None)


async def choose_kernel(home: Home, runtime_name: str, wanted: str | None) -> wire.Kernel:
    """The kernel of a runtime that a notebook wants, or the runtime's default one.

    Raises `UnknownRuntime`, `Unreachable` or `NotFound`.
    """
    runtime = home.registry.get(runtime_name)
    if runtime.state == "connecting":
        await home.registry.look(runtime)
    if runtime.state != "connected":
        raise Unreachable(
            f"Runtime {runtime.name} is {runtime.state}: {runtime.detail}",
            hint="`ropeway runtimes` shows how all runtimes are.",
        )
    by_name = {kernel.name: kernel for kernel in runtime.kernels}
    if wanted is None or wanted == DEFAULT_KERNEL:
        found = by_name.get(local_name(runtime.name, DEFAULT_KERNEL)) or _default(runtime)
    else:
        found = by_name.get(local_name(runtime.name, wanted))
    if found is None:
        offered = ", ".join(sorted(by_name)) or "none"
        raise NotFound(
            f"Runtime {runtime.name} offers no kernel {wanted or DEFAULT_KERNEL}.",
            hint=f"It offers: {offered}.",
        )
    return found


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
    timeout: float | None = None,
    allow_errors: bool = False,
) -> Outcome:
    """Run every cell of a notebook, in place; `saved` is called after each.

    Stops at the first cell that raises, unless `allow_errors`; an interrupt ends the cell that
    runs and then the run. Raises `KernelGone` when the kernel dies.
    """
    client = _Client(notebook, km=manager, timeout=timeout, allow_errors=allow_errors)
    client.printed = progress.printed
    client.reset_execution_trackers()
    async with _connected(manager) as client.kc, _interrupts(manager) as interrupted:
        await _note_language(client)
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
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


async def run_code(
    manager: Any, code: str, show: Callable[[dict[str, Any]], None], *, stdin: bool
) -> Outcome:
    """Run one piece of code; `show` gets every message it publishes, as it comes."""
    async with _connected(manager) as client, _interrupts(manager) as interrupted:
        try:
            reply = await client.execute_interactive(
                code, allow_stdin=stdin, output_hook=show, timeout=None
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
        return Outcome(index, f"TimeoutError: the cell took longer than {client.timeout} s")
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


def _default(runtime: Runtime) -> wire.Kernel | None:
    return next((k for k in runtime.kernels if k.name == runtime.default_kernel), None)


def _described(content: dict[str, Any]) -> str:
    return f"{content.get('ename', 'Error')}: {content.get('evalue', '')}"
