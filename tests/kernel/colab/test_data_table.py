"""`google.colab.data_table` in a kernel."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAME = (
    "import pandas\nframe = pandas.DataFrame({'name': ['</script>', None, 'c'], "
    "'n': [1.5, float('nan'), 3]}, index=['x', 'y', 'z'])\n"
)


def data(shown: dict[str, Any]) -> Any:
    """What the table's script gets."""
    found = re.search(r'<script type="application/json">(.*?)</script>', shown["text/html"])
    assert found
    return json.loads(found[1])


async def test_a_table_holds_its_rows_and_shows_a_page(notebook: Any) -> None:
    """The script gets all values and their index; without it the first page stands there."""
    code = "from google.colab.data_table import DataTable\nDataTable(frame, num_rows_per_page=2)"
    (shown,) = (await notebook.run(FRAME + code)).ok().shown
    told = data(shown)
    assert told["heads"] == ["", "name", "n"]
    assert told["rows"] == [["x", "</script>", 1.5], ["y", None, None], ["z", "c", 3.0]]
    assert told["page"] == 2
    assert len(re.findall("<tr", shown["text/html"])) == 3
    assert shown["text/plain"].splitlines()[0].split() == ["name", "n"]


async def test_dataframes_are_tables_while_the_extension_is_loaded(notebook: Any) -> None:
    """What is left out is said."""
    load = "%load_ext google.colab.data_table\n"
    bounds = "from google.colab import data_table\ndata_table.DataTable.max_rows = 2\n"
    (shown,) = (await notebook.run(f"{load}{bounds}{FRAME}frame")).ok().shown
    assert len(data(shown)["rows"]) == 2
    assert "Shown are the first 2 x 2 of 3 x 2 values." in shown["text/html"]
    unload = "%unload_ext google.colab.data_table\nframe"
    (plain,) = (await notebook.run(unload)).ok().shown
    assert "<script" not in plain["text/html"]
    assert "<table" in plain["text/html"]
