"""The kernel's output socket: ZMQ drops what is published faster than it is fetched.

Beyond 1,000 messages in line for one listener (`SNDHWM`) the rest is dropped without a word: a
loop of 20,000 small displays loses some hundred. Without the bound they wait in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


def keep_all(shell: Any) -> None:
    """Let no output of this IPython shell's kernel be dropped, from now on.

    The bound belongs to each listener's connection and is taken from the socket as it was bound, so
    it is lifted again at each cell: for listeners that came since.
    """
    lift = _Lift(shell.kernel.iopub_thread)
    lift()
    shell.events.register("pre_execute", lift)


@dataclass(frozen=True)
class _Lift:
    """Lifts the bound, in the thread that owns the socket. Equal ones are registered once."""

    thread: Any

    def __call__(self) -> None:
        self.thread.schedule(self._lift)

    def _lift(self) -> None:
        import zmq  # a kernel has it; the SDK elsewhere needs none

        self.thread.socket.setsockopt(zmq.SNDHWM, 0)
