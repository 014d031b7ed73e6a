"""What `--record` writes down, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

from tornado.httputil import HTTPHeaders

from ropeway.cli import run
from ropeway.runtime.colab.record import hidden_headers, hidden_query
from support.colab_page import COLAB, Page
from support.servers import Server


def test_what_a_page_asks_is_written_down(server: Server, page: Page) -> None:
    """Each request is a line: method, path, names of its query, headers, and what was answered."""
    path = "/api/contents/recorded"
    secret = {"Cookie": "session=hunter2", "X-Colab-New": "hunter2"}
    page.ask(path, "PUT", body={"type": "file", "content": "hunter2"}, headers=secret, token="no")
    page.ask(path, headers=secret)
    file = server.root / "asked.jsonl"
    text = file.read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    told = [line for line in lines if line["path"] == path]
    assert [(line["method"], line["status"]) for line in told] == [("PUT", 403), ("GET", 404)]
    assert told[1]["query"] == "token=…"
    assert told[1]["headers"]["Origin"] == COLAB
    assert told[1]["headers"]["X-Colab-New"] == "…"
    assert "hunter2" not in text
    assert server.token not in text


def test_only_its_owner_reads_it(server: Server) -> None:
    """The file has mode 0600."""
    assert (server.root / "asked.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_query_keeps_its_names() -> None:
    """Of a query every name is kept, and the values that are known to be harmless."""
    assert hidden_query("token=abc&content=1&session_id=x&min_version=0.0.7&new=") == (
        "token=…&content=1&session_id=…&min_version=0.0.7&new=…"
    )


def test_headers_keep_their_names() -> None:
    """Of headers every name is kept, and the values that are known to be harmless."""
    headers = HTTPHeaders(
        {"Authorization": "token abc", "Referer": "https://x/drive/1", "Host": "h"}
    )
    assert hidden_headers(headers) == {"Authorization": "…", "Referer": "…", "Host": "h"}


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A place where no file can be is told before the runtime is up."""
    assert run(["runtime", str(tmp_path), "--colab", "--record", str(tmp_path / "no" / "f")]) == 2
