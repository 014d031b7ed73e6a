"""`python -m ropeway.runtime ROOT STATE`: the runtime `here`, started by a workspace.

Writes where it listens to the file STATE (mode 0600): the token is on no command line.
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

    def started(listening: Listening) -> None:
        write_private(state, state_text(listening))

    serve(root, started=started)


if __name__ == "__main__":
    main()
