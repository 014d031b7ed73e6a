"""The workspace's REST interface: every endpoint has its guard, every error its shape."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from ropeway.workspace.handlers import HANDLERS
from support.servers import Server, free_port

METHODS = ("get", "post", "put", "patch", "delete")
EXAMPLES = {
    r"([0-9A-Za-z_-]+)": "request",
    r"([a-z0-9-]+)": "here",
    r"([0-9A-Za-z-]+)": "1234",
    r"([0-9]{1,18})": "7",
    r"([0-9]{1,5})": "80",
    r"([a-z0-9_]+)": "sales",
    r"([0-9a-f]+)": "12ab",
    r"([A-Za-z0-9_.-]+)": "HF_TOKEN",
}


def endpoints() -> list[tuple[str, str]]:
    """Every method of every handler, with an example of its path."""
    found = []
    for pattern, handler in HANDLERS:
        path = pattern
        for group, example in EXAMPLES.items():
            path = path.replace(group, example)
        assert not re.search(r"[()\\\[]", path), f"add an example for {pattern}"
        found += [(m.upper(), path) for m in METHODS if m in vars(handler)]
    return found


@pytest.mark.parametrize(("method", "path"), endpoints())
@pytest.mark.parametrize("token", [None, "wrong"])
def test_every_endpoint_wants_the_token(
    work: Server, method: str, path: str, token: str | None
) -> None:
    """Without the workspace's token no endpoint does anything."""
    headers = {"Authorization": f"token {token}"} if token else {}
    request = urllib.request.Request(work.url + path, method=method, data=b"{}", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    with caught.value as answer:
        assert answer.code in (401, 403)


def test_runtimes_are_listed_without_their_tokens(work: Server, gpu: Server) -> None:
    """The list has state, address and kernels of each runtime, and no token."""
    status, answer = work.api("/ropeway/api/runtimes")
    assert status == 200
    by_name = {runtime["name"]: runtime for runtime in answer["runtimes"]}
    assert answer["runtimes"][0]["name"] == "here"
    assert by_name["here"]["kind"] == "here"
    assert by_name["gpu"]["state"] == "connected"
    assert by_name["gpu"]["address"] == gpu.url.removeprefix("http://")
    assert by_name["gpu"]["default_kernel"] == "gpu.python3"
    assert by_name["gpu"]["kernels"][0]["display_name"] == "Python 3 · gpu"
    assert gpu.token not in str(answer)


def test_kernels_of_every_runtime_have_their_logos(work: Server) -> None:
    """Stock's kernel list offers every runtime's kernels, each with a logo that loads."""
    specs = work.api("/api/kernelspecs")[1]
    assert specs["default"] == "python3"
    assert {"python3", "gpu.python3", "gateway.python3"} <= set(specs["kernelspecs"])
    logo = specs["kernelspecs"]["gpu.python3"]["resources"]["logo-64x64"]
    request = urllib.request.Request(
        work.url + logo, headers={"Authorization": f"token {work.token}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.read().startswith(b"\x89PNG")


def test_every_environment_of_a_runtime_is_offered(work: Server, gpu: Server) -> None:
    """A kernel that is installed on a runtime while all runs is offered, and gone when removed."""
    folder = gpu.root.parent / "home/jupyter-data/kernels/torch-env"
    folder.mkdir(parents=True)
    spec = {"argv": ["python", "-m", "x", "-f", "{connection_file}"], "language": "python"}
    (folder / "kernel.json").write_text(json.dumps({**spec, "display_name": "Torch"}))
    offered = _wait_for_kernel(work, "gpu.torch-env", there=True)
    assert offered["gpu.torch-env"]["spec"]["display_name"] == "Torch · gpu"
    shutil.rmtree(folder)
    _wait_for_kernel(work, "gpu.torch-env", there=False)


def _wait_for_kernel(work: Server, name: str, *, there: bool) -> dict[str, Any]:
    for _ in range(300):  # what is on offer is asked for at every third look
        found: dict[str, Any] = work.api("/api/kernelspecs")[1]["kernelspecs"]
        if (name in found) == there:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{name} in the list: {not there}")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": ""}, 400, "bad_input"),
        ({"url": 3}, 400, "bad_input"),
        ({"url": "ftp://x"}, 400, "bad_input"),
        ({"url": "GPU", "name": "Not A Name"}, 400, "bad_input"),
        ({"url": "GPU", "name": "here"}, 409, "name_taken"),
        ({"url": "GPU", "name": "gpu"}, 409, "name_taken"),
        ({"url": "GPU", "token": "wrong", "name": "other"}, 502, "token_refused"),
        ({"url": "FREE", "name": "other"}, 503, "unreachable"),
    ],
)
def test_a_runtime_that_cannot_be_added_says_why(
    work: Server, gpu: Server, body: dict[str, object], status: int, code: str
) -> None:
    """Each kind of bad input has its status, its code, a message and a hint."""
    places = {"GPU": gpu.url, "FREE": f"http://127.0.0.1:{free_port()}"}
    body = {**body, "url": places.get(str(body["url"]), body["url"])}
    got, answer = work.api("/ropeway/api/runtimes", "POST", body)
    assert (got, answer["error"]["code"]) == (status, code), answer
    assert answer["message"] == answer["error"]["message"]
    assert "wrong" not in str(answer)
    names = {runtime["name"] for runtime in work.api("/ropeway/api/runtimes")[1]["runtimes"]}
    assert "other" not in names


def test_a_body_that_is_no_json_is_told(work: Server) -> None:
    """A request that cannot be read is bad input."""
    request = urllib.request.Request(
        work.url + "/ropeway/api/runtimes",
        method="POST",
        data=b"{",
        headers={"Authorization": f"token {work.token}"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    with caught.value as answer:
        assert answer.code == 400


def test_unknown_names_are_not_found(work: Server) -> None:
    """A runtime that is not there answers 404 everywhere."""
    for method, path in (
        ("DELETE", "/ropeway/api/runtimes/nobody"),
        ("GET", "/ropeway/api/runtimes/nobody/usage"),
        ("GET", "/ropeway/api/runtimes/nobody/usage/past"),
        ("GET", "/ropeway/api/runtimes/nobody/choices"),
        ("GET", "/ropeway/api/runtimes/nobody/kernels"),
        ("POST", "/ropeway/api/runtimes/nobody/start"),
        ("POST", "/ropeway/api/runtimes/nobody/restart"),
        ("DELETE", "/ropeway/api/runtimes/nobody/kernels/1"),
        ("POST", "/ropeway/api/runtimes/nobody/kernels/1/restart"),
    ):
        assert work.api(path, method)[0] == 404, path


def test_a_runtime_of_somebody_else_is_looked_at_but_not_stopped(work: Server) -> None:
    """A server at a URL cannot be stopped, and stays connected; starting it looks at it."""
    path = "/ropeway/api/runtimes/gpu"
    status, answer = work.api(f"{path}?stop=1", "DELETE")
    assert (status, answer["error"]["code"]) == (400, "bad_input")
    status, runtime = work.api(f"{path}/start", "POST")
    assert (status, runtime["state"], runtime["stoppable"]) == (200, "connected", False)


@pytest.mark.parametrize("options", [3, ["x"], {"profile": "a100"}])
def test_options_that_cannot_be_are_bad_input(work: Server, gpu: Server, options: object) -> None:
    """Options are an object, and none of a Hub's for a plain server."""
    body = {"url": gpu.url, "token": gpu.token, "name": "other", "options": options}
    status, answer = work.api("/ropeway/api/runtimes", "POST", body)
    assert (status, answer["error"]["code"]) == (400, "bad_input")


def test_the_runtime_here_cannot_be_removed(work: Server) -> None:
    """The runtime of this machine is always there."""
    status, answer = work.api("/ropeway/api/runtimes/here", "DELETE")
    assert (status, answer["error"]["code"]) == (400, "bad_input")


def test_usage_comes_from_the_runtime_itself(work: Server) -> None:
    """RAM and disk of the runtime here are measured by its agent."""
    status, usage = work.api("/ropeway/api/runtimes/here/usage")
    assert status == 200
    assert 0 < usage["ram"]["used"] < usage["ram"]["total"]
    assert 0 < usage["disk"]["used"] < usage["disk"]["total"]


def test_usage_of_a_plain_server_comes_from_its_kernel(
    work: Server, own_gpu: Callable[[str], Server]
) -> None:
    """A server without the agent is measured through a kernel that runs on it, and only so."""
    own_gpu("bare")
    status, answer = work.api("/ropeway/api/runtimes/bare/usage")
    assert (status, answer["error"]["code"]) == (503, "unreachable")
    kernel = work.api("/api/kernels", "POST", {"name": "bare.python3"})[1]["id"]
    try:
        for _ in range(5):  # the SDK that answers arrives while the kernel starts
            status, usage = work.api(f"/ropeway/api/runtimes/bare/usage?kernel={kernel}")
            if status == 200:
                break
        assert status == 200, usage
        assert 0 < usage["ram"]["used"] < usage["ram"]["total"]
    finally:
        work.api(f"/api/kernels/{kernel}", "DELETE")


def test_each_kernel_of_a_plain_server_tells_its_own_memory(
    work: Server, own_gpu: Callable[[str], Server]
) -> None:
    """Without the agent every Python kernel of ours there is asked, in one go."""
    own_gpu("lone")
    made = [work.api("/api/kernels", "POST", {"name": "lone.python3"}) for _ in "ab"]
    assert [status for status, _ in made] == [201, 201], made
    kernels = [kernel["id"] for _, kernel in made]
    try:
        sessions = work.api("/ropeway/api/runtimes/lone/kernels")[1]["kernels"]
        remote = {session["remote_id"] for session in sessions if session["id"] in kernels}
        held: dict[str, int] = {}
        for _ in range(5):  # the SDK that answers arrives while the kernel starts
            _, usage = work.api("/ropeway/api/runtimes/lone/usage")
            held = {each["id"]: each["ram"] for each in usage.get("kernels", ())}
            if set(held) == remote:
                break
        assert set(held) == remote
        assert len(held) == 2
        assert min(held.values()) > 1_000_000
    finally:
        for kernel in kernels:
            work.api(f"/api/kernels/{kernel}", "DELETE")


def test_a_runtime_has_a_past(work: Server) -> None:
    """A runtime with the agent is sampled while a kernel runs there; a plain one is left alone."""
    names = ("python3", "gpu.python3")
    kernels = [work.api("/api/kernels", "POST", {"name": name})[1]["id"] for name in names]
    try:
        before = len(_past(work, "here"))
        alone = len(_past(work, "gpu"))
        for _ in range(300):
            if len(samples := _past(work, "here")) > before:
                break
            time.sleep(0.1)
        assert len(samples) > before, "nobody asked, and it was measured"
        assert len(_past(work, "gpu")) == alone
        assert 0 < samples[-1]["usage"]["ram"]["used"] < samples[-1]["usage"]["ram"]["total"]
        ages = [sample["ago"] for sample in samples]
        assert ages == sorted(ages, reverse=True)
    finally:
        for kernel in kernels:
            work.api(f"/api/kernels/{kernel}", "DELETE")


def _past(work: Server, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = work.api(f"/ropeway/api/runtimes/{name}/usage/past")[1]["samples"]
    return found


def test_what_a_page_measures_belongs_to_the_past(work: Server) -> None:
    """What was asked for is remembered too, once in two seconds at most."""
    for _ in range(3):
        assert work.api("/ropeway/api/runtimes/here/usage")[0] == 200
    ages = [sample["ago"] for sample in _past(work, "here")]
    assert ages[-1] < 10
    assert all(older - newer > 1.8 for older, newer in itertools.pairwise(ages))


@pytest.mark.parametrize("runtime", ["here", "gpu"])
def test_a_kernel_is_restarted(work: Server, gpu: Server, runtime: str) -> None:
    """A restarted kernel keeps its id, a stranger's too; one that is gone cannot be restarted."""
    name = "python3" if runtime == "here" else "gpu.python3"
    local = work.api("/api/kernels", "POST", {"name": name})[1]["id"]
    stranger = gpu.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
    try:
        sessions = work.api(f"/ropeway/api/runtimes/{runtime}/kernels")[1]["kernels"]
        ids = [each["remote_id"] for each in sessions if each["id"] == local]
        ids += [stranger] if runtime == "gpu" else []
        for remote in ids:
            path = f"/ropeway/api/runtimes/{runtime}/kernels/{remote}/restart"
            assert work.api(path, "POST", {})[0] == 202
        after = work.api(f"/ropeway/api/runtimes/{runtime}/kernels")[1]["kernels"]
        assert set(ids) <= {each["remote_id"] for each in after}
        status, answer = work.api(f"/ropeway/api/runtimes/{runtime}/kernels/1/restart", "POST", {})
        assert (status, answer["error"]["code"]) == (410, "kernel_gone")
    finally:
        work.api(f"/api/kernels/{local}", "DELETE")
        gpu.api(f"/api/kernels/{stranger}", "DELETE")


def test_sessions_of_a_runtime_are_listed_and_ended(work: Server, gpu: Server) -> None:
    """The list tells this workspace's kernels from a stranger's; either can be shut down."""
    stranger = gpu.api("/api/kernels", "POST", {"name": "python3"})[1]["id"]
    session = work.api(
        "/api/sessions",
        "POST",
        {"path": "x.ipynb", "type": "notebook", "name": "", "kernel": {"name": "gpu.python3"}},
    )[1]
    kernels = work.api("/ropeway/api/runtimes/gpu/kernels")[1]["kernels"]
    ours = next(kernel for kernel in kernels if kernel["id"] == session["kernel"]["id"])
    theirs = next(kernel for kernel in kernels if kernel["remote_id"] == stranger)
    assert ours["path"] == "x.ipynb"
    assert theirs["id"] is None
    for kernel in (ours, theirs):
        path = f"/ropeway/api/runtimes/gpu/kernels/{kernel['remote_id']}"
        assert work.api(path, "DELETE")[0] == 204
    left = {model["id"] for model in gpu.api("/api/kernels")[1]}
    assert not left & {stranger, ours["remote_id"]}


def test_a_gateway_lists_our_own_kernels(work: Server) -> None:
    """A server that does not list its kernels still shows those of this workspace."""
    kernel = work.api("/api/kernels", "POST", {"name": "gateway.python3"})[1]["id"]
    try:
        kernels = work.api("/ropeway/api/runtimes/gateway/kernels")[1]["kernels"]
        assert [session["id"] for session in kernels] == [kernel]
    finally:
        work.api(f"/api/kernels/{kernel}", "DELETE")
