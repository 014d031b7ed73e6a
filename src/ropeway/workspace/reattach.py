"""After a restart: the kernels that ran go on under their old ids, with what they said meanwhile.

Runs before the server listens: a page that comes back must not find its session without a kernel.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ropeway.errors import RopewayError
from ropeway.workspace.companions import is_companion
from ropeway.workspace.home import Home
from ropeway.workspace.journal import Journal, KernelRow

log = logging.getLogger(__name__)


async def reattach_all(home: Home, journal: Journal, kernel_manager: Any) -> None:
    """Take up every kernel that the journal knows; never raises."""
    home.companions.hold()  # those who ask for them come first
    rows = journal.kernels.all()
    gone = [row for row in rows if row.runtime not in home.registry.runtimes]
    for row in gone:
        log.warning("kernel %s is lost: runtime %s was disconnected", row.id, row.runtime)
        journal.kernels.forget(row.id)
    rows = [row for row in rows if row not in gone]
    companions = [row for row in rows if is_companion(row.id)]
    await asyncio.gather(
        *(_reattach(journal, kernel_manager, row) for row in rows if row not in companions)
    )
    left = journal.kernels.all()  # a kernel that could not be taken up may go on, with companions
    askers = [home.companions.asker(r.id, r.runtime) for r in left if not is_companion(r.id)]
    await home.companions.reattach(askers, companions)
    known = {row.id for row in left}  # of all others nothing runs any more
    for kernel in journal.runs.kernels() - known:
        journal.runs.end_all(kernel)


async def _reattach(journal: Journal, kernel_manager: Any, row: KernelRow) -> None:
    try:
        await kernel_manager.start_kernel(
            kernel_id=row.id, kernel_name=row.name, ropeway_attach=row
        )
    except Exception as error:  # noqa: BLE001 (one kernel must not keep the workspace down)
        reason = error.message if isinstance(error, RopewayError) else repr(error)
        log.warning("kernel %s on %s cannot be taken up again: %s", row.id, row.runtime, reason)
        return  # it may go on, and the next start may find it: only its runtime knows better
    manager = kernel_manager.get_kernel(row.id)
    manager._launch_args.pop("ropeway_attach", None)  # a restart would be given it again
    manager.execution_state = "busy" if journal.runs.running(row.id) else "idle"
    if row.info:
        # Stock would ask the kernel, and wait behind the cell that runs.
        manager._kernel_info_future = asyncio.get_running_loop().create_future()
        manager._kernel_info_future.set_result(row.info)
