"""`google.colab.widgets` in a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from .test_output import said

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABS = "from google.colab import widgets\nfrom IPython.display import clear_output, display, HTML\n"


async def test_each_tab_has_what_was_shown_in_it(notebook: Any) -> None:
    """All is one display that is updated: text, HTML and images are in their tabs, what was printed
    over or cleared is not, and what comes behind it stands behind it."""
    heard = await said(
        notebook,
        TABS + "tabs = widgets.TabBar(['one', 'two <2>'])\n"
        "with tabs.output_to(0):\n    print('1 %\\r2 %')\n    display(HTML('<b>bold</b>'))\n"
        "with tabs.output_to('two <2>', select=False):\n"
        "    print('gone')\n    clear_output()\n    handle = display('first', display_id=True)\n"
        "    handle.update('new')\nprint('behind')",
    )
    shown = [m for m in heard if "data" in m["content"]]
    assert {m["content"]["transient"]["display_id"] for m in shown} == {
        shown[0]["content"]["transient"]["display_id"]
    }
    assert [m["content"]["text"] for m in heard if m["msg_type"] == "stream"] == ["behind\n"]
    last = shown[-1]["content"]["data"]["text/html"]
    first, second = last.split("<section>")[1:]
    assert "2 %" in first
    assert "1 %" not in last
    assert "<b>bold</b>" in first
    assert "&#x27;new&#x27;" in second
    assert not any(gone in last for gone in ("gone", "first"))
    assert "two &lt;2&gt;</label>" in last
    assert last.count(" checked>") == 1


async def test_what_is_no_tab_or_cell_is_refused(notebook: Any) -> None:
    """A name that two tabs have, an index behind the last, an output within an output."""
    ask = (
        TABS + "tabs, grid = widgets.TabBar(['a', 'a', 'b']), widgets.Grid(1, 2)\n"
        "for wrong in (tabs.output_to('a'), tabs.output_to('c'), tabs.output_to(3),"
        " grid.output_to(1, 0)):\n"
        "    try:\n        with wrong:\n            pass\n"
        "    except ValueError as error:\n        print(error)\n"
        "with tabs.output_to('b'), tabs.output_to(0):\n    pass"
    )
    ran = await notebook.run(ask)
    assert ran.text.splitlines() == [
        "There is more than one tab 'a'",
        "There is no tab 'c'",
        "There is no tab 3: there are 3",
        "There is no cell 1, 0: there are 1 x 2",
    ]
    assert ran.errors[0].startswith("WidgetException: ")


async def test_a_grid_shows_rows_and_columns(notebook: Any) -> None:
    """With heads, in order; cells that are iterated over and cleared."""
    heard = await said(
        notebook,
        TABS + "widgets.create_grid([1, 2], ['a'], lambda row, col: print(row, col))\n"
        "grid = widgets.Grid(1, 2)\nfor row, col in grid:\n    print(row, col)\n"
        "grid.clear_cell(0, 0)",
    )
    final = {
        m["content"]["transient"]["display_id"]: m["content"]["data"]["text/html"]
        for m in heard
        if "data" in m["content"]
    }
    made, own = final.values()
    assert made.count("<th>") == 4
    assert made.index(">1 a") < made.index(">2 a")
    assert "0 1" in own
    assert "0 0" not in own
