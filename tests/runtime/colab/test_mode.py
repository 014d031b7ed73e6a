"""What `ropeway runtime --colab` says and refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ropeway.cli import run
from ropeway.errors import PortInUse
from ropeway.runtime.port import check_port
from support.colab_page import COLAB, Page
from support.servers import Server


def test_one_url_to_paste(server: Server) -> None:
    """It prints one URL, on this machine, and where it belongs."""
    said = server.state["said"]
    assert said.count(f"http://localhost:{server.url.rsplit(':', 1)[1]}/?token=") == 1
    assert "Connect to a local" in said
    assert "run code here" in said


def test_both_addresses(page: Page) -> None:
    """It listens at 127.0.0.1, and at ::1 where the machine has that."""
    port = page.url.rsplit(":", 1)[1]
    for address in ("127.0.0.1", "[::1]") if has_ipv6() else ("127.0.0.1",):
        there = Page(f"http://{address}:{port}", page.token)
        assert there.ask("/api/kernelspecs").status_code == 200
        there.close()


def has_ipv6() -> bool:
    """Whether this machine can speak to itself by IPv6, and calls that localhost."""
    try:
        found = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return "::1" in [entry[4][0] for entry in found]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken(address: str) -> None:
    """A port that somebody has at either address is told, and no other one is taken instead."""
    if address == "::1" and not has_ipv6():
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as taken:
        taken.bind((address, 0))
        taken.listen()
        with pytest.raises(PortInUse, match="cannot be used"):
            check_port("localhost", taken.getsockname()[1])


def test_another_name_for_this_machine(page: Page) -> None:
    """A name that somebody else gave this machine's address opens nothing: no rebinding."""
    answer = page.ask("/api/kernels", headers={"Host": "evil.example"})
    assert answer.status_code == 403


def test_what_stock_tells_everybody(page: Page) -> None:
    """Of a page even Jupyter's version, login form and static files want the token."""
    for path in ("/api", "/login", "/static/style/style.min.css", "/no/such/path"):
        answer = page.ask(path, token="")
        assert answer.status_code == 403, path
        assert "paste the URL" in answer.json()["hint"], path
        assert page.can_read(answer), path
    by_header = {"Authorization": f"token {page.token}"}
    assert page.ask("/api", token="", headers=by_header).status_code == 200


def test_the_refusal_says_what_to_do(page: Page) -> None:
    """Who asks from another page learns which pages may, and how to let another one in."""
    other = Page(page.url, page.token, "https://evil.example")
    answer = other.ask("/api/kernels")
    other.close()
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert COLAB in answer.json()["message"]
    assert "--colab-origin" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--colab", "--host", "0.0.0.0"], "on this machine alone"),
        (["--colab", "--tls", "self-signed"], "without TLS"),
        (["--colab", "--join", "http://home:8888"], "--join lends"),
        (["--record", "asked.jsonl"], "belong to --colab"),
        (["--colab-origin", "https://colab.example"], "belong to --colab"),
        (["--colab", "--colab-origin", "*"], "is not the origin of a page"),
        (["--colab", "--colab-origin", "https://colab.example/path"], "is not the origin"),
    ],
)
def test_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """Options that contradict each other end with 2, before anything is made."""
    assert run(["runtime", str(tmp_path), *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
