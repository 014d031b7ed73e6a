"""From the command to the first executed cell, page weight and idle memory, beside JupyterLab.

`python benchmarks/start.py [--rounds 5]`. The page is loaded in Chromium with an empty cache.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
from playwright.sync_api import Browser, sync_playwright

from peers import clean_environment, cores, free_port, write_results
from support.chromium import CHROMIUM, FLAGS

PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


def command(peer: str, port: int) -> list[str]:
    """What a user types, without the browser."""
    if peer == "ropeway":
        return [sys.executable, "-m", "ropeway", "--no-browser", "--port", str(port)]
    lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    return [*lab, "--LabApp.news_url=None", "--ServerApp.port_retries=0"]


def once(peer: str, browser: Browser) -> dict[str, float]:
    """One start in a fresh home: seconds, bytes and memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / "first.ipynb")
        begun = time.perf_counter()
        process = subprocess.Popen(
            command(peer, free_port()),
            cwd=folder,
            env=clean_environment(folder / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            url, token = _address(process)
            up = time.perf_counter() - begun
            weight = _first_cell(browser, f"{url}/doc/tree/first.ipynb?token={token}")
            ran = time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
    return {"up_s": up, "first_cell_s": ran, "page_mb": weight / 1e6}


def idle_memory(peer: str) -> float:
    """MB of the command's processes a while after the start, shared pages counted once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen(
            command(peer, free_port()),
            cwd=folder,
            env=clean_environment(folder / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _address(process)
            time.sleep(12)
            family = [psutil.Process(process.pid)]
            family += family[0].children(recursive=True)
            return sum(member.memory_full_info().pss for member in family) / 1e6
        finally:
            process.terminate()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()


def _address(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"(http://127\.0\.0\.1:\d+)\S*\?token=(\w+)", line):
            return found[1], found[2]
    raise AssertionError("the server ended")


def _first_cell(browser: Browser, url: str) -> int:
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    received = [0]
    session.on(
        "Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"]))
    )
    page.goto(url)
    cell = page.locator(f"{PANEL} .jp-CodeCell").first
    cell.locator(".cm-content").click(timeout=60_000)
    page.wait_for_selector(f"{PANEL} .jp-CodeCell .cm-editor.cm-focused")
    while "42" not in cell.inner_text():
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(150)
    context.close()
    return sum(received)


def main() -> None:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"ropeway": [], "jupyter lab": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(options.rounds):
            for peer, runs in found.items():
                runs.append(once(peer, browser))
        browser.close()
    rows: list[dict[str, Any]] = []
    for peer, runs in found.items():
        medians = {key: round(statistics.median(r[key] for r in runs), 2) for key in runs[0]}
        rows.append(
            {"peer": peer, **medians, "idle_mb": round(idle_memory(peer)), "cores": cores()}
        )
        print(rows[-1])
    write_results("start", rows)


if __name__ == "__main__":
    main()
