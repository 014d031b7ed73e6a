"""The policy: what is written, what a class of runtime sees of it, and ways to write it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ropeway.data import policy
from ropeway.errors import BadInput, Refused
from ropeway.wire import Column

KEY = b"k" * 32
COLUMNS = (
    Column("id", "BIGINT"),
    Column("name", "VARCHAR"),
    Column("birth", "DATE"),
    Column("seen", "TIMESTAMP"),
    Column("salary", "DECIMAL(10,2)"),
    Column("tags", "VARCHAR[]"),
    Column("consented", "BOOLEAN"),
)


def view(runtime_class: str = "public", base: Any = COLUMNS, **rule: Any) -> policy.View:
    found = policy.parse({runtime_class: rule}, "datasets.people.policy")
    return found.view(runtime_class, "people", base, KEY)


def names(found: policy.View) -> list[str]:
    return [column.name for column in found.columns]


@pytest.mark.parametrize("runtime_class", ["here", "own", "shared"])
def test_without_a_policy_trusted_classes_see_rows(runtime_class: str) -> None:
    """Where nothing is written, this machine, one's own and shared ones read every row."""
    rules = policy.parse({}, "x")
    found = rules.view(runtime_class, "people", COLUMNS, KEY)
    assert found.columns == COLUMNS
    assert (found.where, found.aggregate) == ("", 0)
    assert rules.rule(runtime_class).put


def test_without_a_policy_public_sees_nothing() -> None:
    """A public runtime reads nothing until it is allowed, and may put nothing."""
    found = policy.parse({}, "x")
    with pytest.raises(Refused, match="public may read nothing of people") as caught:
        found.view("public", "people", COLUMNS, KEY)
    assert "ropeway data policy check people --class public" in caught.value.hint
    assert not found.rule("public").put


def test_an_unknown_class_sees_nothing() -> None:
    """A class that does not exist is refused, whatever is written."""
    with pytest.raises(Refused, match="no class of runtime"):
        policy.parse({}, "x").view("friend", "people", COLUMNS, KEY)


def test_a_list_of_columns_hides_all_others() -> None:
    """With `columns`, a column that the file gets later is hidden."""
    more = (*COLUMNS, Column("secret", "VARCHAR"))
    assert names(view(allow="rows", columns=["name", "id"])) == ["id", "name"]
    assert names(view(base=more, allow="rows", hide=["name"])).count("secret") == 1
    found = policy.parse({"public": {"allow": "rows", "columns": ["id"]}}, "x")
    assert names(found.view("public", "people", more, KEY)) == ["id"]


def test_hidden_columns_are_gone() -> None:
    """`hide` takes columns away and leaves the rest."""
    shown = names(view(allow="rows", hide=["name", "salary"]))
    assert shown == ["id", "birth", "seen", "tags", "consented"]


def test_the_filter_is_the_parsers_own_rendering() -> None:
    """A condition is read by the engine's parser and written by it: no comment, no bracket of the
    text's own gets into the view."""
    found = view(allow="rows", rows="consented and name <> 'x' -- ) or true")
    assert found.where == "(consented AND (\"name\" != 'x'))"


def test_the_limits_are_told() -> None:
    """Limits are read with their units and are part of the view and of its words."""
    found = view(
        allow="rows",
        max_rows=10,
        max_bytes="10 MB",
        rows_per_day=100,
        bytes_per_day=1_000_000,
        seconds=1,
        put=True,
        max_put="5 MB",
        put_per_day="1 GB",
    )
    assert (found.max_rows, found.max_bytes) == (10, 10_000_000)
    assert (found.rows_per_day, found.bytes_per_day) == (100, 1_000_000)
    assert found.seconds == 1.0
    assert "At most 10 rows and 10.0 MB a query." in found.words
    assert "At most 100 rows and 1.0 MB a day (UTC)." in found.words
    assert "A put may bring 5.0 MB." in found.words
    assert "A runtime may put 1.0 GB a day (UTC)." in found.words


def test_the_words_say_all() -> None:
    """What a class sees is told in sentences: mode, hidden columns, masks, rows, putting."""
    found = view(
        allow="aggregates",
        min_group=10,
        hide=["name"],
        mask={"birth": "year", "id": "hash"},
        rows="consented",
    )
    assert found.aggregate == 10
    assert found.counted == {"id"}
    assert found.words == (
        "Only aggregates may cross, over groups of at least 10 rows; smaller groups are left out.",
        "Hidden: name.",
        "birth is cut to its year.",
        "id is replaced by a keyed hash.",
        "Only rows where consented.",
        "Nothing may be put there.",
    )


def test_what_is_written_for_a_class_counts_as_a_whole() -> None:
    """The file's `[policy]` holds where a dataset is silent; a rule of its own replaces it."""
    general = {"public": {"allow": "rows", "max_rows": 5}}
    silent = policy.parse({}, "datasets.a.policy", general)
    assert silent.view("public", "a", COLUMNS, KEY).max_rows == 5
    own = policy.parse({"public": {"allow": "rows"}}, "datasets.a.policy", general)
    assert own.view("public", "a", COLUMNS, KEY).max_rows is None


def test_the_version_tells_policies_apart() -> None:
    """Whatever decides changes the version: the rule, the columns, the key; nothing else does."""
    first = view(allow="rows")
    assert first.version == view(allow="rows").version
    others = [
        view(allow="rows", max_rows=1),
        view(allow="rows", hide=["id"]),
        view(allow="rows", mask={"id": "hash"}),
        view(allow="rows", mask={"id": "null"}),
        view(base=COLUMNS[1:], allow="rows"),
        policy.parse({}, "x").view("here", "people", COLUMNS, b"o" * 32),
    ]
    assert len({first.version, *(each.version for each in others)}) == len(others) + 1


def test_the_key_is_not_told() -> None:
    """A view can be printed: neither the key nor what is made of it shows."""
    found = view(allow="rows", mask={"name": "hash"})
    for secret in (KEY.hex(), bytes(each ^ 0x36 for each in KEY).hex()):
        assert secret not in repr(found)
    assert bytes(each ^ 0x36 for each in KEY).hex() in found.select


def test_a_filter_by_the_clock_cannot_be_cached() -> None:
    """A view says whether its rows depend on the time, with brackets or without."""
    assert not view(allow="rows", rows="birth < date '2020-01-01'").volatile
    assert view(allow="rows", rows="birth < current_date").volatile
    assert view(allow="rows", rows="seen < now()").volatile


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "allow is missing"),
        ({"allow": "all"}, "allow is 'all'"),
        ({"allow": "rows", "colums": []}, "colums is not known"),
        ({"allow": "rows", "columns": ["id"], "hide": ["name"]}, "both columns and hide"),
        ({"allow": "rows", "columns": []}, "columns is empty"),
        ({"allow": "rows", "columns": "id"}, "a list of columns"),
        ({"allow": "rows", "columns": ["id", "id"]}, "id twice"),
        ({"allow": "rows", "columns": ["nope"]}, "columns names the column nope"),
        ({"allow": "rows", "hide": ["nope"]}, "hide names the column nope"),
        ({"allow": "rows", "hide": [c.name for c in COLUMNS]}, "hides every column"),
        ({"allow": "rows", "mask": {"nope": "hash"}}, "mask names the column nope"),
        ({"allow": "rows", "mask": {"id": "blur"}}, "'blur', which is no mask"),
        ({"allow": "rows", "mask": {"salary": {"round": 0}}}, "is no mask"),
        ({"allow": "rows", "mask": {"salary": {"round": True}}}, "is no mask"),
        ({"allow": "rows", "mask": {"name": {"truncate": -1}}}, "is no mask"),
        ({"allow": "rows", "mask": {"name": {"round": 10}}}, "round does not fit VARCHAR"),
        ({"allow": "rows", "mask": {"salary": {"truncate": 1}}}, "truncate does not fit DECIMAL"),
        ({"allow": "rows", "mask": {"birth": "hour"}}, "hour does not fit DATE"),
        ({"allow": "rows", "mask": {"tags": "hash"}}, r"hash does not fit VARCHAR\[\]"),
        ({"allow": "rows", "mask": {"id": "redact"}}, "redact does not fit BIGINT"),
        ({"allow": "rows", "hide": ["id"], "mask": {"id": "hash"}}, "hidden already"),
        ({"allow": "rows", "mask": ["id"]}, "a table is wanted"),
        ({"allow": "rows", "rows": ""}, "a condition is wanted"),
        ({"allow": "rows", "rows": "nope = 1"}, "does not fit the columns"),
        ({"allow": "rows", "rows": "id"}, "gives BIGINT"),
        ({"allow": "rows", "rows": "id = "}, "cannot be read"),
        ({"allow": "rows", "rows": "true) or (true"}, "cannot be read"),
        ({"allow": "rows", "rows": "true, false"}, "nothing beside it"),
        ({"allow": "rows", "rows": "true limit 1"}, "nothing beside it"),
        ({"allow": "rows", "rows": "true as x"}, "nothing beside it"),
        ({"allow": "rows", "rows": "true from people"}, "nothing beside it"),
        ({"allow": "rows", "rows": "true; select 1"}, "2 statements"),
        ({"allow": "rows", "rows": "id = $x"}, "PARAMETER"),
        ({"allow": "rows", "rows": "id in (select 1)"}, "SUBQUERY"),
        ({"allow": "rows", "rows": "max(id) > 1"}, "function max"),
        ({"allow": "rows", "rows": "row_number() over () > 1"}, "WINDOW"),
        ({"allow": "rows", "rows": "getenv('X') = ''"}, "function getenv"),
        ({"allow": "aggregates"}, "min_group is missing"),
        ({"allow": "aggregates", "min_group": 1}, "from 2"),
        ({"allow": "rows", "min_group": 5}, "min_group counts for"),
        ({"allow": "nothing", "max_rows": 5}, "no meaning"),
        ({"allow": "rows", "max_rows": 0}, "from 1"),
        ({"allow": "rows", "max_rows": True}, "from 1"),
        ({"allow": "rows", "rows_per_day": "many"}, "from 1"),
        ({"allow": "rows", "max_bytes": "10 MiB"}, "a size is wanted"),
        ({"allow": "rows", "bytes_per_day": -1}, "a size is wanted"),
        ({"allow": "rows", "seconds": 0}, "seconds is 0"),
        ({"allow": "rows", "put": "yes"}, "true or false"),
        ({"allow": "rows", "put_per_day": "1 GB"}, "no meaning without put = true"),
    ],
)
def test_a_wrong_policy_is_an_error_that_names_its_key(rule: dict[str, Any], said: str) -> None:
    """What cannot be meant is refused with the key and what fits."""
    with pytest.raises(BadInput, match=said) as caught:
        view(**rule)
    assert "datasets.people.policy.public" in caught.value.message


def test_a_wrong_rule_of_any_class_closes_the_dataset_to_all() -> None:
    """A policy that does not fit answers nobody, also not the classes whose rules are right."""
    found = policy.parse({"public": {"allow": "rows", "hide": ["nope"]}}, "x")
    with pytest.raises(BadInput, match=r"x\.public\.hide names the column nope"):
        found.view("here", "people", COLUMNS, KEY)


@pytest.mark.parametrize(
    ("table", "general", "said"),
    [
        ([], {}, "a table is wanted"),
        ({"publik": {"allow": "rows"}}, {}, "publik is no class"),
        ({"public": "rows"}, {}, "a table is wanted"),
        ({}, {"friends": {}}, "policy.friends is no class"),
        ({}, {"own": {"allow": "rows", "hide": ["id"]}}, "all datasets are meant"),
    ],
)
def test_a_policy_of_the_wrong_shape(table: Any, general: Any, said: str) -> None:
    """Tables that are none, unknown classes, and columns where all datasets are meant."""
    with pytest.raises(BadInput, match=said):
        policy.parse(table, "x", general)


def test_names_from_a_file_are_quoted() -> None:
    """A column whose name is a piece of SQL stays a name."""
    nasty = (Column('a" as b, (select 1) as "c', "BIGINT"), Column("select", "VARCHAR"))
    found = view(base=nasty, allow="rows", mask={"select": "hash"})
    assert names(found) == [column.name for column in nasty]
