"""`python -m ropeway.runtime ROOT STATE [IDLE]`: a runtime that a workspace starts.

Writes where it listens to the file STATE (mode 0600): the token is on no command line. With IDLE
it ends by itself after so many seconds without kernels and without anybody who asks, and after as
many without a running cell as `detached` wrote beside STATE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ropeway.config import write_private
from ropeway.startup import leave_out_iri_grammar


def main() -> None:
    """Serve until SIGTERM."""
    leave_out_iri_grammar()
    from ropeway.runtime.app import Listening, serve, state_text
    from ropeway.runtime.auto_stop import AutoStop

    root, state = Path(sys.argv[1]), Path(sys.argv[2])
    idle = int(sys.argv[3]) if len(sys.argv) > 3 else 0

    def started(listening: Listening) -> None:
        write_private(state, state_text(listening))

    auto_stop = AutoStop(state)
    serve(
        root,
        idle=idle,
        stop_idle=auto_stop.seconds if idle else None,
        ended_idle=auto_stop.ended,
        started=started,
    )


if __name__ == "__main__":
    main()
