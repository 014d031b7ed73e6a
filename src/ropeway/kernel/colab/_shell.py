"""The shell of a kernel that behaves as Colab's: `!` in bash, and Colab's magics."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.utils.text import LSString, SList

__all__ = ["ShellResult", "begin"]


@dataclass(frozen=True)
class ShellResult:
    """What `%shell` gives."""

    args: str
    returncode: int
    output: str

    def check_returncode(self) -> None:
        """Raises `CalledProcessError` where the command failed."""
        if self.returncode:
            raise subprocess.CalledProcessError(self.returncode, self.args, self.output)

    def _ipython_display_(self) -> None:
        """The cell has shown it already."""


class _Ways:
    """What Colab's shell does otherwise than IPython's; in front of the class of a shell."""

    user_ns: dict[str, Any]
    kernel: Any

    def system(self, cmd: str) -> None:
        """`!cmd`; never raises."""
        self._run(self.var_expand(cmd, depth=1), sys.stdout.write)  # type: ignore[attr-defined]

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """`x = !cmd`."""
        said: list[str] = []
        cmd = self.var_expand(cmd, depth=depth + 1)  # type: ignore[attr-defined]
        self._run(cmd, said.append, said.append)
        text = "".join(said)
        return SList(text.splitlines()) if split else LSString(text)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """A cell magic with a line runs without a body, too."""
        if line and not cell:
            cell = "\n"
        return super().run_cell_magic(magic_name, line, cell)  # type: ignore[misc]

    def _run(self, command: str, say: Any, prompted: Any = None) -> int:
        """Its exit code; `prompted` gets the prompts, which the page shows."""
        from ropeway.kernel.colab import _command, _pip

        def ask(prompt: str, hidden: bool) -> str:
            if prompted is not None:
                prompted(prompt)
            answer = None
            while not isinstance(answer, str):  # home may speak on stdin, too
                answer = (self.kernel.getpass if hidden else self.kernel.raw_input)(prompt)
            return answer

        with _pip.watched(command):
            asks = ask if self.kernel._allow_stdin else None
            code = self.user_ns["_exit_code"] = _command.run(command, say, asks)
        return code

    def _result(self, command: str) -> ShellResult:
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            sys.stdout.write(text)

        return ShellResult(command, self._run(command, say, said.append), "".join(said))


def begin(shell: Any) -> None:
    """Give this IPython shell Colab's ways. Where there are no terminals, on Windows, `!` stays
    IPython's."""
    bases = (_Ways, type(shell)) if os.name == "posix" else (type(shell),)
    gpus = any(Path("/dev").glob("nvidia[0-9]*"))
    os.environ.setdefault("COLAB_GPU", str(int(gpus)))
    body = {"__module__": "google.colab._shell"}  # notebooks look for that in `str(get_ipython())`
    shell.__class__ = types.new_class("Shell", bases, exec_body=lambda space: space.update(body))
    if os.name == "posix":
        shell.register_magic_function(_shell_magic(shell), "line_cell", "shell")
        shell.register_magic_function(_pip_magic(shell), "line", "pip")
    shell.register_magic_function(_tensorflow_version, "line", "tensorflow_version")
    if shell.find_cell_magic("bigquery") is None:
        shell.register_magic_function(_bigquery(shell), "cell", "bigquery")


def _shell_magic(shell: Any) -> Any:
    def magic(line: str, cell: str | None = None) -> ShellResult:
        """Run a command, or a cell, in bash; one that fails raises `CalledProcessError`.

        `%%shell --ignore-errors` raises nothing.
        """
        words = line.split(None, 1)
        lenient = words[:1] == ["--ignore-errors"]
        rest = (words[1] if len(words) > 1 else "") if lenient else line
        if cell is not None and cell.strip():
            if rest.strip():
                raise UsageError(f"%%shell takes no {rest.strip()!r} before a body.")
            rest = cell
        result: ShellResult = shell._result(rest)
        if not lenient:
            result.check_returncode()
        return result

    return magic


def _pip_magic(shell: Any) -> Any:
    def magic(line: str) -> None:
        """Run the pip of the kernel's own Python."""
        shell._run(f"{shlex.quote(sys.executable)} -m pip {line}", sys.stdout.write)

    return magic


def _tensorflow_version(line: str) -> None:
    """Colab has TensorFlow 2.x alone, so there is nothing to choose."""
    if line.strip().startswith("1"):
        raise ValueError(
            "TensorFlow 1 is not there: Colab has dropped it. Notebooks for it can be brought to "
            "TensorFlow 2, see https://www.tensorflow.org/guide/migrate."
        )
    print("Colab only includes TensorFlow 2.x; %tensorflow_version has no effect.")


def _bigquery(shell: Any) -> Any:
    def magic(line: str, cell: str) -> Any:
        """Run a query in BigQuery, by Google's own package."""
        for package in ("bigquery_magics", "google.cloud.bigquery"):
            try:
                shell.extension_manager.load_extension(package)
            except ImportError:
                continue
            theirs = shell.find_cell_magic("bigquery")
            if theirs is not None and theirs is not magic:
                return theirs(line, cell)
        raise UsageError("%%bigquery is Google's package bigquery-magics: %pip install it first.")

    return magic
