"""What `google.colab` asks of Colab's page."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ropeway.errors import Refused
from ropeway.frames import Frame
from ropeway.workspace.colab import Asker, ColabRequests

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = "from google.colab._message import blocking_request, MessageError, send_request\n"


async def test_home_answers_and_refuses(notebook: Any) -> None:
    """An answer is any JSON; a refusal comes with its words, also where nobody can answer."""

    async def echo(asker: Asker, request: Any) -> Any:
        if request == "no":
            raise Refused("Not for you.", hint="Ask again.")
        return [asker.cell, request]

    notebook.answered["Echo"] = echo
    asked = ASK + "print(blocking_request('Echo', {'a': 1}, timeout_sec=None))\n"
    ran = await notebook.run(asked + "send_request('Echo', 'no')")
    assert ran.ok().text == "['c1', {'a': 1}]\n"
    refused = await notebook.run("blocking_request('Echo', 'no', timeout_sec=60)")
    assert refused.errors == ["MessageError: Not for you.\nhint: Ask again."]
    alone = await notebook.run("blocking_request('cell_javascript_eval', {}, timeout_sec=60)")
    words = "No page shows this notebook, and cell_javascript_eval needs one."
    assert alone.errors == [f"MessageError: {words}"]


async def test_threads_ask_beside_one_another(notebook: Any) -> None:
    """Each thread gets the answer to its own question, whoever reads it off the socket."""

    async def echo(asker: Asker, request: Any) -> Any:
        return request

    notebook.answered["Echo"] = echo
    many = (
        "from concurrent.futures import ThreadPoolExecutor\nask = lambda n: "
        "blocking_request('Echo', n, 60)\nwith ThreadPoolExecutor(8) as pool:\n"
        "    print(list(pool.map(ask, range(40))) == list(range(40)))"
    )
    assert (await notebook.run(ASK + many)).ok().text == "True\n"


async def test_silence_ends_in_time(notebook: Any) -> None:
    """Where nobody answers the question ends with its time."""
    notebook.colab.handle, handle = lambda metadata, content: None, notebook.colab.handle
    try:
        silent = await notebook.run(ASK + "blocking_request('Echo', 1, timeout_sec=0.2)")
    finally:
        notebook.colab.handle = handle
    assert silent.errors == ["TimeoutError: Nobody answered Echo within 0.2 s."]


async def test_a_page_is_asked_by_what_it_runs_alone() -> None:
    """Home names the page that is to answer; where none waits for the execution that a kernel
    speaks of, or what it asks is too large, the kernel is told, and no page hears of it."""
    said: list[dict[str, Any]] = []

    async def reply(content: dict[str, Any], buffers: Any) -> None:
        said.append(content["value"])

    requests = ColabRequests({}, reply, lambda: Asker("k", "here", "here", "", ""), lambda: True)

    header, parent = b'{"msg_type": "colab_request"}', b'{"msg_id": "run"}'

    def frame(number: int, size: int = 1) -> Frame:
        metadata = {"colab_request_type": "cell_javascript_eval", "colab_msg_id": number}
        return Frame("iopub", [header, parent, json.dumps(metadata).encode(), b"x" * size])

    passed = requests.pass_on(frame(1), "page")
    assert passed is not None
    assert passed.decoded(2)["ropeway_client"] == "page"
    assert requests.pass_on(frame(2), "") is None
    assert requests.pass_on(frame(3, 1_000_001), "page") is None
    await asyncio.sleep(0)
    assert [each["colab_msg_id"] for each in said] == [2, 3]
    assert said[0]["error"].startswith("No page shows this notebook")
    assert "too large" in said[1]["error"]
    assert requests.unanswered("run") == [frame(1)]
    answer = {"value": {"type": "colab_reply", "colab_msg_id": 1}}
    requests.answered(Frame("stdin", [b"{}", b"{}", b"{}", json.dumps(answer).encode()]))
    assert requests.unanswered("run") == []
