"""Ask of other servers what Colab's page needs: `python tests/support/colab_table.py`.

Prints a table for the docs: each sentence of the tests, and who keeps it. Takes a minute.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "runtime" / "colab"
MODULES = ("test_page.py", "test_tunnel.py")
SERVERS = {
    "ropeway": "Ropeway",
    "jupyter-options": "Jupyter, Colab's options",
    "jupyter": "Jupyter",
}


def sentences() -> dict[str, str]:
    """The tests' docstrings by their names."""
    found = {}
    for module in MODULES:
        for node in ast.parse((HERE / module).read_text("utf-8")).body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name[:5] == "test_"
            ):
                found[node.name] = " ".join((ast.get_docstring(node) or "").split())
    return found


def kept(server: str) -> dict[str, tuple[int, int]]:
    """How many cases of each test pass with a server, and how many there are."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "--timeout=40"]
        subprocess.run(
            [*command, *(str(HERE / module) for module in MODULES)],
            env=os.environ | {"COLAB_SERVER": server},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    counted: dict[str, tuple[int, int]] = {}
    for case in cases:
        name = case.attrib["name"].partition("[")[0]
        passed, asked = counted.get(name, (0, 0))
        failed = case.find("failure") is not None or case.find("error") is not None
        counted[name] = (passed + (not failed), asked + 1)
    return counted


def cell(count: tuple[int, int]) -> str:
    """A count as a word."""
    passed, asked = count
    return "yes" if passed == asked else "no" if not passed else f"{passed} of {asked}"


def main() -> None:
    """Print the table."""
    counts = {server: kept(server) for server in SERVERS}
    print(f"| what the page needs | {' | '.join(SERVERS.values())} |")
    print("|---|" + "---|" * len(SERVERS))
    for name, sentence in sentences().items():
        print(f"| {sentence} | {' | '.join(cell(counts[each][name]) for each in SERVERS)} |")
    sums = [tuple(map(sum, zip(*counts[each].values(), strict=True))) for each in SERVERS]
    print(f"| **cases** | {' | '.join(f'{passed} of {asked}' for passed, asked in sums)} |")


if __name__ == "__main__":
    main()
