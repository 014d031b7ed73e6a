"""Data stays home: what cells on real runtimes get, what they are refused, and what is written
down of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.notebook import Notebook, until
from support.servers import Server, lent, workspace

POLICY = """
[datasets.patients]
source = "patients.csv"

[datasets.patients.policy.own]
allow = "rows"
mask = { name = "hash" }
rows = "consented"

[datasets.patients.policy.public]
allow = "aggregates"
min_group = 5
"""

ROWS = "".join(f"name{i},{30 + i % 5},{'true' if i % 2 else 'false'}\n" for i in range(60))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace with patients at home, a machine of one's own and one of anybody's."""
    folder = tmp_path_factory.mktemp("home-data")
    files = folder / "files"
    files.mkdir()
    (files / "patients.csv").write_text("name,age,consented\n" + ROWS)
    (files / "ropeway.toml").write_text(POLICY)
    (folder / "far").mkdir()
    with lent(folder / "far") as far, workspace(folder / "home", files) as made:
        for name, runtime_class in (("mine", "own"), ("colab", "public")):
            body = {"url": far.url, "token": far.token, "name": name}
            body |= {"runtime_class": runtime_class}
            status, answer = made.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
        yield made


async def ran(work: Server, runtime: str, source: str) -> str:
    """What a cell prints on a runtime."""
    name = f"{runtime}-{abs(hash(source)) % 10**8}.ipynb"
    notebook = Notebook(work, name, ["import ropeway as rw\n" + source], runtime)
    async with notebook.page() as page:
        notebook.run(page, 0)
        until(lambda: notebook.opened()["cells"][0]["execution_count"] == 1, 60, "the cell's end")
    shown = notebook.opened()["cells"][0]["outputs"]
    told = [
        each.get("text") or f"{each.get('ename', '')}: {each.get('evalue', '')}" for each in shown
    ]
    return "".join(told).lstrip(": ")


def records(work: Server, **wanted: str) -> list[dict[str, Any]]:
    """The ledger's entries, the newest first."""
    asked = "&".join(f"{key}={value}" for key, value in wanted.items())
    answer = work.api(f"/ropeway/api/ledger?{asked}")[1]
    return [record["entry"] for record in answer["records"]]


async def test_each_runtime_gets_what_its_class_may(work: Server) -> None:
    """Home sees all, a machine of one's own masked rows of those who agreed, anybody's machine
    sums of groups."""
    count = "print(rw.sql('select count(*) n, min(name) m from patients').arrow().to_pylist())"
    assert "'n': 60, 'm': 'name0'" in await ran(work, "here", count)
    mine = await ran(work, "mine", count)
    assert "'n': 30" in mine
    assert "name" not in mine.replace("'n'", "")
    refused = await ran(work, "colab", "rw.sql('select name from patients')")
    assert refused.startswith("Refused")
    ages = "rw.sql('select age, count(*) n from patients group by age order by age')"
    assert "'age': 30, 'n': 12" in await ran(work, "colab", f"print({ages}.arrow().to_pylist())")


async def test_the_ledger_names_notebook_cell_and_reason(work: Server) -> None:
    """Whatever road it took, a query stands in the ledger with the cell that asked, by home's own
    knowledge; a refusal with its reason."""
    for runtime, road in (("here", "direct"), ("mine", "in-band")):
        marked = f"select count(*) from patients where age > {len(road)}"
        await ran(work, runtime, f"print(rw.sql({marked!r}).arrow().num_rows)")
        entry = next(each for each in records(work, runtime=runtime) if each["sql"] == marked)
        assert entry["state"] == "done"
        assert entry["road"] == road
        assert entry["notebook"].startswith(f"{runtime}-")
        assert entry["cell"]
        assert entry["rows"] == 1
        assert entry["bytes_crossed"] > 0
    await ran(work, "colab", "rw.sql('select * from patients')")
    entry = records(work, runtime="colab", state="refused")[0]
    assert (entry["runtime_class"], entry["sql"]) == ("public", "select * from patients")
    assert entry["datasets"] == ["patients"]
    assert entry["reason"]


async def test_a_repeated_query_brings_nothing(work: Server) -> None:
    """Over unchanged data the kernel's own copy answers, and the ledger says so."""
    twice = "[rw.sql('select age + 1 from patients') for _ in range(2)]"
    await ran(work, "mine", f"{twice}; print('ok')")
    states = [each["state"] for each in records(work, runtime="mine", limit="2")]
    assert states == ["cached", "done"]


async def test_results_come_home_where_they_may(work: Server) -> None:
    """A machine of one's own puts a table that home can ask for; anybody's machine may not."""
    table = "import pyarrow as pa; t = pa.table({'x': [1, 2, 3]})"
    assert "ok" in await ran(work, "mine", f"{table}; rw.put(t, 'scores'); print('ok')")
    total = "print(rw.sql('select sum(x) s from scores').arrow().to_pylist())"
    assert "'s': 6" in await ran(work, "here", total)
    assert "may not put" in await ran(work, "colab", f"{table}; rw.put(t, 'stolen')")
    assert records(work, dataset="scores", state="done")[-1]["what"] == "put"


def test_no_record_was_changed(work: Server) -> None:
    """After all this the ledger verifies."""
    from ropeway.data import ledger

    folders = list(Path(work.root).parent.glob("**/ledger"))
    assert len(folders) == 1
    assert ledger.verify(folders[0]).findings == ()
