"""`google.colab.output` in a kernel."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORT = "from google.colab import output\n"


def updates(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Kind, display id and plain text of each message that displays something."""
    return [
        (
            message["msg_type"],
            message["content"]["transient"].get("display_id", ""),
            message["content"]["data"].get("text/plain", ""),
        )
        for message in messages
        if "data" in message["content"]
    ]


async def said(notebook: Any, code: str, **more: Any) -> list[dict[str, Any]]:
    """Every message of a cell on iopub."""
    heard: list[dict[str, Any]] = []
    note = notebook._note

    def listen(ran: Any, kind: str, content: dict[str, Any]) -> None:
        heard.append({"msg_type": kind, "content": content})
        note(ran, kind, content)

    notebook._note = listen
    try:
        (await notebook.run(IMPORT + code, **more)).ok()
    finally:
        notebook._note = note
    return heard


async def test_what_has_a_tag_is_cleared_and_the_rest_stays(notebook: Any) -> None:
    """Printed lines under tags are one display that grows; clearing by a tag empties it and every
    display that has it, and nothing else."""
    heard = await said(
        notebook,
        "print('stays')\n"
        "with output.use_tags('a'):\n"
        "    print('one')\n    print('two')\n"
        "    with output.use_tags(['b']):\n        display('both')\n"
        "with output.use_tags('b'):\n    display('only b')\n"
        "output.clear(output_tags=['a'])\n",
    )
    assert [m["content"]["text"] for m in heard if m["msg_type"] == "stream"] == ["stays\n"]
    shown = updates(heard)
    text, both = shown[0][1], shown[2][1]
    assert shown[:3] == [
        ("display_data", text, "one"),
        ("update_display_data", text, "one\ntwo"),
        ("display_data", both, "'both'"),
    ]
    assert shown[4:] == [("update_display_data", text, ""), ("update_display_data", both, "")]
    assert not [m for m in heard if m["msg_type"] == "clear_output"]


async def test_temporary_output_goes_at_its_end(notebook: Any) -> None:
    """Also where the block raises; `clear` without tags is Jupyter's own."""
    heard = await said(
        notebook,
        "try:\n    with output.temporary():\n        print('50 %\\r100 %')\n        1 / 0\n"
        "except ZeroDivisionError:\n    print('over')\noutput.clear(wait=True)",
    )
    display = updates(heard)[0][1]
    assert updates(heard) == [
        ("display_data", display, "100 %"),
        ("update_display_data", display, ""),
    ]
    cleared = [m["content"] for m in heard if m["msg_type"] == "clear_output"]
    assert cleared == [{"wait": True}]


async def test_a_callback_is_called_with_json(notebook: Any) -> None:
    """The page evaluates an expression; its result goes back in all its forms."""
    call = "output._js._invoke_function('sum', '[1, 2]', '{\"more\": [3]}')"
    code = (
        "output.register_callback('sum', lambda *each, more: sum(each) + sum(more))\n"
        f"print({call})\noutput.unregister_callback('sum')\n"
        "for gone in (lambda: output.unregister_callback('sum'), lambda: " + call + "):\n"
        "    try:\n        gone()\n    except ValueError as error:\n        print(error)"
    )
    ran = await notebook.run(IMPORT + code)
    assert ran.ok().text == "6\nFunction not found: sum\nFunction not found: sum\n"


async def test_without_a_page_a_script_is_refused_at_once(notebook: Any) -> None:
    """Whoever needs no value goes on."""
    ran = await notebook.run(
        IMPORT + "output.eval_js('1', ignore_result=True)\noutput.eval_js('1')"
    )
    words = "No page shows this notebook, and cell_javascript_eval needs one."
    assert ran.errors == [f"MessageError: {words}"]


async def test_a_port_is_shown_by_a_script_that_names_no_server(notebook: Any) -> None:
    """The page asks for the address when it draws, so a saved notebook holds none."""
    ran = await notebook.run(IMPORT + "output.serve_kernel_port_as_iframe(8123, path='a?b')")
    (shown,) = ran.ok().shown
    assert "google.colab.kernel.proxyPort(port)" in shown["application/javascript"]
    assert '(element, 8123, "/a?b")' in shown["application/javascript"]
    wrong = await notebook.run(IMPORT + "output.enable_custom_widget_manager('9')")
    assert wrong.errors == ["ValueError: Unknown widget manager version: 9"]


async def test_scripts_are_written_as_python(notebook: Any) -> None:
    """Calls and assignments run in order; a value comes when it is asked for."""
    scripts: list[str] = []

    async def evaluate(asker: Any, request: Any) -> Any:
        return 42

    def listen(metadata: dict[str, Any], content: dict[str, Any]) -> bool:
        scripts.append(content["request"]["script"])
        return bool(handle(metadata, content))

    notebook.colab.handle, handle = listen, notebook.colab.handle
    notebook.answered["cell_javascript_eval"] = evaluate
    code = (
        "from google.colab.output._js_builder import js_global\n"
        "drawn = js_global.draw('x', [1])\ndrawn.style['top left'] = js_global.place\n"
        "print(drawn.size.eval(), drawn)\nfrom google.colab import html\nhtml.Element('x-a')"
    )
    ran = await notebook.run(code)
    notebook.colab.handle = handle
    del notebook.answered["cell_javascript_eval"]
    kept = ran.text.removeprefix("42 ").strip()
    put = f'{kept}.style["top left"] = place'
    assert scripts == [f'{kept} = draw("x", [1])', put, f"{kept}.size"]
    assert ran.errors[0].startswith("Error: An element <x-a> of Colab's cannot be made here.")
