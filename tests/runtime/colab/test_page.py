"""What Colab's page needs of a local runtime, asked by a stand-in of the page.

The sentences hold for any server; `support/colab_table.py` asks them of others as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from tornado.httpclient import HTTPClientError

from support.colab_page import ASK_THE_PAGE, PREFIX, Cells, Page

NOWHERE = f"/api/kernels/{uuid4()}"

PATHS = (
    *("/", "/tree", "/lab", "/no/such/path", "/api", "/api/kernels", "/api/contents/x"),
    *("/api/colab/build-info", f"{NOWHERE}/channels", "/files/x", "/nbextensions/x.js"),
)

REFUSED = (403, 404)


@pytest.fixture(scope="module")
def session(page: Page) -> Iterator[dict[str, Any]]:
    """A notebook of Drive's, for which the page starts a kernel."""
    body = {
        "name": "Untitled0.ipynb",
        "path": "fileId=1aB2cD",
        "type": "notebook",
        "kernel": {"name": "python3"},
    }
    made = page.ask("/api/sessions", "POST", body=body)
    assert made.status_code == 201, made.text
    yield made.json()
    page.ask(f"/api/sessions/{made.json()['id']}", "DELETE")


def about(page: Page, what: str) -> Any:
    """What `/api/colab/…` tells."""
    answer = page.ask(f"/api/colab/{what}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.text.startswith(PREFIX)
    return json.loads(answer.text.removeprefix(PREFIX))


def test_preflights(page: Page) -> None:
    """A preflight of any path and method is answered without a token, and allows the page."""
    for path in PATHS:
        answer = page.preflight(path)
        assert answer.status_code // 100 == 2, path
        assert page.can_read(answer), path
        assert "origin" in answer.headers["vary"].lower(), path
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        allowed = page.preflight("/api/contents/x", method).headers["access-control-allow-methods"]
        assert method in allowed


def test_preflights_allow_any_header(page: Page) -> None:
    """A preflight allows every header that it names."""
    allowed = page.preflight("/api/sessions", "POST").headers["access-control-allow-headers"]
    named = {each.strip().lower() for each in allowed.split(",")}
    assert {"authorization", "content-type", "x-colab-tunnel", "x-xsrftoken"} <= named


def test_private_network(page: Page) -> None:
    """A preflight of a browser that asks for leave to reach this machine is granted it."""
    granted = page.preflight("/api/kernels").headers.get("access-control-allow-private-network")
    assert granted == "true"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/kernels", "GET", 200),
        ("/api/sessions", "POST", 400),
        ("/no/such/path", "GET", 404),
        (NOWHERE, "GET", 404),
        (f"{NOWHERE}/channels", "GET", 404),
        ("/files/none.txt", "GET", 404),
        ("/api/contents/var/colab/app.log", "GET", 404),
        ("/api/kernelspecs", "DELETE", 405),
    ],
)
def test_answers_can_be_read(page: Page, path: str, method: str, status: int) -> None:
    """The page can read every answer, whatever its status."""
    answer = page.ask(path, method, body={} if method == "POST" else None)
    assert answer.status_code == status
    assert page.can_read(answer)


@pytest.mark.parametrize("path", ["/api/kernels", "/api/colab/build-info", "/files/x", "/tree"])
def test_refusals_can_be_read(page: Page, path: str) -> None:
    """The page can read that its token is wrong."""
    answer = page.ask(path, token="wrong")
    assert answer.status_code in (302, 403)
    assert page.can_read(answer)


def test_pasted_urls(page: Page) -> None:
    """Whatever page of Jupyter the pasted URL names, something is there."""
    for path in ("/", "/tree", "/lab"):
        answer = page.ask(path)
        assert answer.status_code == 200, path
        assert page.can_read(answer), path


def test_build_info(page: Page) -> None:
    """It tells which release of Colab's image it is, or that it is none."""
    assert set(about(page, "build-info")) == {"release_tag"}


def test_resources(page: Page, session: dict[str, Any]) -> None:
    """It tells memory, disk and GPUs in Colab's words, and what the page's kernel holds."""
    told = about(page, "resources")
    assert 0 < told["memory"]["freeBytes"] < told["memory"]["totalBytes"]
    (disk,) = told["disks"]
    assert 0 < disk["filesystem"]["usedBytes"] < disk["filesystem"]["totalBytes"]
    assert disk["filesystem"]["label"] == "kernel"
    assert isinstance(told["gpus"], list)
    held = {each["uuid"]: each["usedBytes"] for each in told["memory"]["kernels"]}
    assert held[session["kernel"]["id"]] > 1_000_000


def test_drive(page: Page) -> None:
    """It tells that nothing is wrong with Drive."""
    assert about(page, "drive") == {"dfs": []}


def test_sessions(page: Page, session: dict[str, Any]) -> None:
    """The page starts a kernel for a notebook of Drive's, without an `_xsrf`, and sees it."""
    assert "python3" in page.ask("/api/kernelspecs").json()["kernelspecs"]
    listed = page.ask("/api/sessions").json()
    assert (session["id"], "fileId=1aB2cD") in [(each["id"], each["path"]) for each in listed]


async def test_cells(page: Page, session: dict[str, Any]) -> None:
    """A cell runs over a WebSocket without a subprotocol, whatever metadata comes along."""
    async with page.socket(f"{channels(session)}?session_id={uuid4().hex}") as socket:
        assert socket.selected_subprotocol is None
        assert await Cells(socket).run("print(6 * 7)") == "42\n"


async def test_a_cells_files(page: Page, session: dict[str, Any]) -> None:
    """What a cell writes beside itself stands in the list's folder `content`."""
    async with page.socket(f"{channels(session)}?session_id={uuid4().hex}") as socket:
        await Cells(socket).run("open('of-cell.txt', 'w').close()")
    assert page.ask("/api/contents/content/of-cell.txt").status_code == 200


async def test_questions_to_the_page(page: Page, session: dict[str, Any]) -> None:
    """What a cell asks of the page (secrets, files, Drive) reaches it, and so does the answer."""
    async with page.socket(f"{channels(session)}?session_id={uuid4().hex}") as socket:
        assert await Cells(socket).run(ASK_THE_PAGE) == "7 from the page\n"


def test_interrupt_and_restart(page: Page, session: dict[str, Any]) -> None:
    """The page interrupts and restarts a kernel."""
    kernel = f"/api/kernels/{session['kernel']['id']}"
    for what, status in (("interrupt", 204), ("restart", 200)):
        answer = page.ask(f"{kernel}/{what}", "POST")
        assert answer.status_code == status
        assert page.can_read(answer)


def test_content(page: Page) -> None:
    """The list of files has the folder `content`, where the page looks first."""
    listed = page.ask("/api/contents").json()["content"]
    assert ("content", "directory") in [(each["name"], each["type"]) for each in listed]


def test_files(page: Page) -> None:
    """The page writes a file, reads it, renames it, fetches it and deletes it."""
    body = {"type": "file", "format": "text", "content": "a,b\n"}
    assert page.ask("/api/contents/of-page.csv", "PUT", body=body).status_code == 201
    assert page.ask("/api/contents/of-page.csv").json()["content"] == "a,b\n"
    moved = page.ask("/api/contents/of-page.csv", "PATCH", body={"path": "renamed.csv"})
    assert moved.status_code == 200
    assert page.ask("/files/renamed.csv").text == "a,b\n"
    assert page.ask("/api/contents/renamed.csv", "DELETE").status_code == 204


def test_no_file(page: Page) -> None:
    """A file that is not there, for which the page looks now and then, is a 404 that says so."""
    answer = page.ask("/api/contents/var/colab/app.log")
    assert answer.status_code == 404
    assert "app.log" in answer.text
    assert page.can_read(answer)


async def test_terminals(page: Page) -> None:
    """The page opens a terminal and types in it."""
    name = page.ask("/api/terminals", "POST").json()["name"]
    async with page.socket(f"/terminals/websocket/{name}") as socket:
        await socket.write_message(json.dumps(["stdin", "expr 40 + 2\r"]))
        said = ""
        while "42\r\n" not in said:
            kind, *rest = json.loads(await asyncio.wait_for(socket.read_message(), 20) or "")
            said += rest[0] if kind == "stdout" else ""
    assert page.ask(f"/api/terminals/{name}", "DELETE").status_code == 204


async def test_tty(page: Page) -> None:
    """Colab's other tools open a terminal at `/colab/tty`, with its own words."""
    async with page.socket("/colab/tty") as socket:
        await socket.write_message(json.dumps({"cols": 117, "rows": 33}))
        await socket.write_message(json.dumps({"data": "stty size\r"}))
        said = ""
        while "33 117" not in said:
            said += json.loads(await asyncio.wait_for(socket.read_message(), 20) or "")["data"]
        assert len(page.ask("/api/terminals").json()) == 1
    for _ in range(200):  # its end takes a moment
        if not page.ask("/api/terminals").json():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the shell goes on without its socket")


@pytest.mark.parametrize("name", ["tabbar_main.min.js", "tabbar.css"])
def test_nbextensions(page: Page, name: str) -> None:
    """The scripts and styles that `google.colab.widgets` loads are there."""
    answer = page.ask(f"/nbextensions/google.colab/{name}")
    assert answer.status_code == 200
    assert page.can_read(answer)
    assert "goog-tab" in answer.text


ELSEWHERE = ["https://colab.research.google.com.evil.example", "https://evil.example", "null"]


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_other_origins(page: Page, origin: str) -> None:
    """A page of another origin reads nothing, not even with the token."""
    other = Page(page.url, page.token, origin)
    for path in ("/api/kernels", "/no/such/path"):
        allowed = other.ask(path).headers.get_list("access-control-allow-origin")
        assert not {origin, "*"} & set(allowed)
    other.close()


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_preflights_of_other_origins(page: Page, origin: str) -> None:
    """A page of another origin is granted no preflight."""
    other = Page(page.url, page.token, origin)
    allowed = other.preflight("/api/kernels").headers.get_list("access-control-allow-origin")
    assert not {origin, "*"} & set(allowed)
    other.close()


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_sockets_of_other_origins(page: Page, session: dict[str, Any], origin: str) -> None:
    """A page of another origin opens no WebSocket, not even with the token."""
    other = Page(page.url, page.token, origin)
    with pytest.raises(HTTPClientError) as refused:
        async with other.socket(channels(session)):
            pass
    assert refused.value.code == 403
    other.close()


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_no_token(page: Page, session: dict[str, Any], token: str) -> None:
    """The page's origin alone opens nothing: no kernel, no file, no terminal, no measures."""
    for path in ("/api/kernels", "/api/contents", "/api/colab/resources", "/api/colab/build-info"):
        assert page.ask(path, token=token).status_code in REFUSED, path
    for path in ("/api/sessions", "/api/kernels", "/api/terminals"):
        assert page.ask(path, "POST", body={}, token=token).status_code in REFUSED, path
    with pytest.raises(HTTPClientError) as refused:
        async with page.socket(channels(session), token=token):
            pass
    assert refused.value.code == 403


def test_no_cookie(page: Page) -> None:
    """The cookie of a browser in which somebody opened the runtime opens nothing to the page."""
    opened = page.ask("/lab", headers={"Origin": page.url})
    cookies = "; ".join(f"{name}={value}" for name, value in opened.cookies.items())
    answer = page.ask("/api/kernels", token="", headers={"Cookie": cookies})
    assert answer.status_code in REFUSED


def channels(session: dict[str, Any]) -> str:
    """The path of the WebSocket to the session's kernel."""
    return f"/api/kernels/{session['kernel']['id']}/channels"
