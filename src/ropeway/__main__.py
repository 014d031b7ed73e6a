"""`python -m ropeway` is the command `ropeway`."""

from __future__ import annotations

from ropeway.cli import main

if __name__ == "__main__":
    main()
