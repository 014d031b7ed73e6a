"""`python -m ropeway.runtime ROOT STATE [IDLE]`: a runtime that a workspace starts.

Writes where it listens to the file STATE (mode 0600): the token is on no command line. With IDLE
it ends by itself after so many seconds without kernels and without anybody who asks.
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

    root, state = Path(sys.argv[1]), Path(sys.argv[2])
    idle = int(sys.argv[3]) if len(sys.argv) > 3 else 0

    def started(listening: Listening) -> None:
        write_private(state, state_text(listening))

    serve(root, idle=idle, started=started)


if __name__ == "__main__":
    main()
