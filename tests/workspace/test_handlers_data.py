"""Data at home through the workspace's REST interface, on a real workspace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.servers import Server, workspace


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace with one dataset that is closed to the public but for its sum."""
    folder = tmp_path_factory.mktemp("data")
    files = folder / "files"
    files.mkdir()
    (files / "sales.csv").write_text("region,amount\n" + "north,1\nsouth,2\n" * 20)
    (files / "ropeway.toml").write_text(
        '[datasets.sales]\nsource = "sales.csv"\n'
        '[datasets.sales.policy.public]\nallow = "aggregates"\nmin_group = 5\n'
    )
    with workspace(folder / "home", files) as made:
        yield made


def got(work: Server, path: str) -> dict[str, Any]:
    status, answer = work.api(f"/ropeway/api/{path}")
    assert status == 200, answer
    return dict(answer)


def test_datasets_are_listed_with_columns_and_policy(work: Server) -> None:
    """The page learns each dataset's columns, and what every class of runtimes sees of it."""
    (sales,) = got(work, "datasets")["datasets"]
    assert [each["name"] for each in sales["columns"]] == ["region", "amount"]
    seen = {each["runtime_class"]: each for each in got(work, "datasets/sales")["seen"]}
    assert {name: each["allow"] for name, each in seen.items()} == {
        "here": "rows",
        "own": "rows",
        "shared": "rows",
        "public": "aggregates",
    }
    assert all(each["words"] for each in seen.values())
    assert work.api("/ropeway/api/datasets/nothing")[0] == 404


def test_a_preview_is_under_the_policy(work: Server) -> None:
    """Home sees the first rows; what a class may not have is refused, and stands in the ledger."""
    shown = got(work, "datasets/sales/preview")
    assert shown["preview"][0] == ["north", "1"]
    status, answer = work.api("/ropeway/api/datasets/sales/preview?runtime_class=public")
    assert status == 403
    assert answer["error"]["code"] == "refused"
    assert work.api("/ropeway/api/datasets/sales/preview?runtime_class=mine")[0] == 400
    newest = got(work, "ledger?limit=1")["records"][0]["entry"]
    assert (newest["state"], newest["runtime_class"]) == ("refused", "public")


def test_transfers_and_ledger_tell_the_same(work: Server) -> None:
    """What was asked is a transfer and a record with the same id, rows and bytes."""
    got(work, "datasets/sales/preview")
    transfer = got(work, "transfers")["transfers"][0]
    assert transfer["state"] == "done"
    assert transfer["datasets"] == ["sales"]
    record = got(work, "ledger?dataset=sales&state=done&days=1&limit=5")["records"][0]
    assert record["entry"]["id"] == transfer["id"]
    assert record["entry"]["rows"] == transfer["rows"] == 10
    assert record["entry"]["bytes_crossed"] == transfer["bytes_sent"]
    assert got(work, "ledger?dataset=other")["records"] == []
    assert work.api("/ropeway/api/ledger?limit=much")[0] == 400


def test_a_transfer_that_is_not_there_cannot_be_stopped(work: Server) -> None:
    """An unknown id is 404; one that ended stays as it is."""
    assert work.api("/ropeway/api/transfers/12ab", "DELETE")[0] == 404
    got(work, "datasets/sales/preview")
    number = got(work, "transfers")["transfers"][0]["id"]
    assert work.api(f"/ropeway/api/transfers/{number}", "DELETE")[0] == 204
    assert got(work, "transfers")["transfers"][0]["state"] == "done"


def test_no_value_of_a_secret_comes_back(work: Server) -> None:
    """A secret is kept, allowed to one notebook and no more, and removed; what cannot be is told,
    and no answer and no log holds its value."""
    secret, told = "/ropeway/api/secrets/HF_TOKEN", []

    def ask(method: str, body: Any = None, path: str = secret) -> int:
        status, answer = work.api(path, method, body)
        told.append(answer)
        return status

    def seen(notebook: str) -> Any:
        return got(work, f"secrets?notebook={notebook}")["secrets"]

    assert ask("PUT", {"value": "hf_0123456789"}) == 204
    assert ask("PATCH", {"notebook": "a.ipynb"}) == 204
    assert seen("a.ipynb") == [{"name": "HF_TOKEN", "runtime_class": "own", "notebooks": 1}]
    assert seen("b.ipynb") == [{"name": "HF_TOKEN", "runtime_class": "", "notebooks": 1}]
    assert ask("PATCH", {"notebook": "a.ipynb", "runtime_class": ""}) == 204
    assert seen("a.ipynb")[0]["notebooks"] == 0
    assert ask("PATCH", {"notebook": "a.ipynb", "runtime_class": "everybody"}) == 400
    assert ask("PATCH", {}) == 400
    assert ask("PUT", {"value": ""}) == 400
    assert ask("POST", {"allowed": True}, "/ropeway/api/secret-questions/12ab") == 404
    assert ask("POST", {"allowed": "yes"}, "/ropeway/api/secret-questions/12ab") == 400
    assert ask("DELETE") == 204
    assert ask("DELETE") == 404
    assert "hf_0123456789" not in str(told) + work.log.read_text()


def test_an_upload_that_nobody_waits_for_takes_nothing(work: Server) -> None:
    """Pieces for no cell, or without a place in a file, are refused; so is what was taken."""
    place = "/ropeway/api/uploads/12ab"
    assert work.api(place)[0] == 404
    assert work.api(place, "DELETE")[0] == 404
    assert work.api(f"{place}?name=a&at=0&size=2", "POST", {})[0] == 404
    for query in ("at=0&size=2", "name=a&at=-1&size=2", "name=a&at=0", "name=a&at=0&size=1e3"):
        assert work.api(f"{place}?{query}", "POST", {})[0] == 400
    assert work.api("/ropeway/api/downloads/12ab")[0] == 404
    assert work.api("/ropeway/api/offers/12ab", "DELETE")[0] == 404
