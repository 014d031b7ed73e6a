"""A runtime that dials home, as `ropeway runtime --join` starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.servers import clean_environment


class joining:
    """A runtime process that joins; `process.stderr` says how it goes."""

    def __init__(
        self, folder: Path, url: str, invitation: str, *options: str, prefix: tuple[str, ...] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        environment = clean_environment(folder / "home") | {"ROPEWAY_JOIN_TOKEN": invitation}
        command = [*prefix, sys.executable, "-m", "ropeway", "runtime", str(folder), "--join", url]
        with (folder / "runtime.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *options], env=environment, stdout=log, stderr=log
            )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
