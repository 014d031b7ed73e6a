"""The workspace's REST interface, one module a noun."""

from __future__ import annotations

from ropeway.workspace.handlers import history, invites, runs, runtimes

HANDLERS = [*runtimes.HANDLERS, *invites.HANDLERS, *runs.HANDLERS, *history.HANDLERS]
