"""`ropeway doctor URL`: what stands between Colab's page and a server."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ropeway.cli import run
from ropeway.runtime.colab.doctor import BROWSER, examine
from support.colab_page import COLAB
from support.servers import Server
from support.tls import Authority


def said(url: str, token: str = "x", origin: str = COLAB) -> str:
    """What is found, in words; empty when nothing is."""
    found = examine(url, token, origin)
    return f"{found.message} {found.hint}" if found else ""


@contextmanager
def serving(
    context: ssl.SSLContext | None = None, lacks: str = "-", **headers: str
) -> Iterator[str]:
    """A server with the headers of its answers; with any it says that it is Jupyter's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"version": "2"}' if headers else b"hello"
            self.send_response(404 if self.path.startswith(lacks) else 200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_OPTIONS = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_is_well(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A runtime that lets the page in is well, and what the browser may ask is told."""
    assert run(["doctor", f"{server.url}/?token={server.token}"]) == 0
    told = capsys.readouterr().out
    assert "Colab's page can connect" in told
    assert BROWSER in told
    assert server.token not in told


def test_a_token_that_is_missing_or_old(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL without a token, and one of an earlier start, are told apart; the exit code is 3."""
    assert run(["doctor", f"{server.url}/"]) == 3
    assert "has no token" in capsys.readouterr().out
    assert "copy the URL that the server printed last" in said(server.url, "0" * 48)


def test_a_wrong_origin(server: Server) -> None:
    """Of a page that is not let in it says which ones are, and how to let it in."""
    told = said(server.url, server.token, "https://colab.example")
    assert "https://colab.research.google.com" in told
    assert "--colab-origin" in told


def test_nothing_listens() -> None:
    """A port at which nobody listens is told with the command that starts a runtime there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = said(f"http://127.0.0.1:{port}")
    assert "Nothing listens" in told
    assert f"ropeway runtime --colab --port {port}" in told


def test_another_program_has_the_port() -> None:
    """A server that is no Jupyter is told as such."""
    with serving() as url:
        assert "another program has that port" in said(url)


def test_another_origin_is_let_in() -> None:
    """A server that lets another page in is told with that page."""
    with serving(Access_Control_Allow_Origin="https://other.example") as url:
        assert "lets pages of https://other.example in" in said(url)


def test_tls(tmp_path: Path) -> None:
    """A certificate that browsers do not trust, and https where there is none, are told."""
    files = Authority(tmp_path).issue("box")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certfile, files.keyfile)
    with serving(context) as url:
        assert "is not trusted" in said(url)
    with serving() as url:
        assert "does not speak TLS" in said(url.replace("http://", "https://"))


def test_another_machine() -> None:
    """Plain http on another machine is told without asking it, with a way out."""
    told = said("http://192.0.2.7:8888")
    assert "is another machine" in told
    assert "ssh -L 8888:localhost:8888 192.0.2.7" in told


def test_plain_jupyter() -> None:
    """A Jupyter server that knows nothing of the page is told, and what to start instead."""
    with serving(lacks="/http_over_websocket", X_Served_By="jupyter") as url:
        told = said(url)
    assert "does not let pages of https://colab.research.google.com in" in told
    assert "ropeway runtime --colab" in told


def test_the_old_extension() -> None:
    """A Jupyter server with the extension of older front ends is told as one."""
    with serving(X_Served_By="jupyter") as url:
        assert "jupyter_http_over_ws" in said(url)


def test_allowed_but_not_asked_what_it_knows() -> None:
    """A Jupyter server with the options of Google's instructions lacks what the page asks first."""
    allowed = {"Access_Control_Allow_Origin": COLAB, "Access_Control_Allow_Credentials": "true"}
    with serving(**allowed) as url:
        assert "/api/colab/build-info" in said(url)


def test_json(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` the same comes as one object; `--on` does not go with a URL."""
    assert run(["doctor", "--json", f"{server.url}/"]) == 3
    assert '"well": false' in capsys.readouterr().out
    assert run(["doctor", "--on", "gpu", server.url]) == 2
