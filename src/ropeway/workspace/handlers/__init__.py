"""The workspace's REST interface, one module a noun."""

from __future__ import annotations

from ropeway.workspace.handlers import (
    attempts,
    data,
    files,
    history,
    invites,
    runs,
    runtimes,
    secrets,
    served_ports,
)

HANDLERS = [
    *runtimes.HANDLERS,
    *attempts.HANDLERS,
    *invites.HANDLERS,
    *runs.HANDLERS,
    *history.HANDLERS,
    *data.HANDLERS,
    *served_ports.HANDLERS,
    *secrets.HANDLERS,
    *files.HANDLERS,
]
