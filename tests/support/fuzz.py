"""The fuzzer of guard, policy and engine: `python tests/support/fuzz.py --examples 100000`.

Two houses whose visible data are the same and whose hidden data differ: in the columns that are
hidden, in the values behind masks, and in the rows that are filtered out, their number included.
Whatever passes the guard must give the same answer, or the same error, in both. A question whose
answers differ has looked at what it must not see.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import duckdb
import psutil
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ropeway.data import guard
from ropeway.errors import RopewayError

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.grammar import fair_questions, queries, summaries
from support.policed import Policed

_VISIBLE = (
    (1, "ssn-a", "Rome", 31, 1960, "1980-02-03", "['a', 'b']"),
    (2, "ssn-b", "Lima", 47, 2040, "1981-04-05", "[]"),
    (5, "ssn-c", "Rome", 40, 3100, "1980-11-12", "['b']"),
    (6, "ssn-d", None, 25, 900, "1999-12-29", "null"),
)
_HIDDEN = {
    "house_a": ((3, "hid-x", "Oslo", 999, -7, "1700-01-01", "['z']"),),
    "house_b": (
        (3, "hid-y", "-77", -5, 10**15, "2900-01-01", "['y', 'y']"),
        (4, "hid-z", "name", 70000, 0, "0001-01-01", "null"),
        (9, "", "", 0, 1, "1980-02-03", "[]"),
    ),
}
_COMMON = {
    "hide": ["name", "notes"],
    "mask": {"ssn": "hash", "salary": {"round": 1000}, "birth": "year"},
    "rows": "consented and id <> 9",
}
RULES: dict[str, dict[str, Any]] = {
    "rows": {"allow": "rows", **_COMMON},
    "aggregates": {"allow": "aggregates", "min_group": 2, **_COMMON},
}
"""The policy of the patients, by mode."""

_VISIBLE_COLUMNS = ["id", "city", "age", "salary", "birth"]
_COLUMNS = [*_VISIBLE_COLUMNS, "ssn", "name", "notes"]


def _of_patients(sql: str) -> str:
    return sql.replace("from people", "from patients")


_QUESTIONS = {
    "rows": st.one_of(fair_questions(), queries()),
    "aggregates": st.one_of(
        summaries(_VISIBLE_COLUMNS).map(_of_patients),
        summaries(_COLUMNS).map(_of_patients),
        queries(),
    ),
}


class Worlds:
    """Both houses in the folder `root`, and what was found out about them."""

    def __init__(self, root: Path, mode: str) -> None:
        self.root = root
        self.mode = mode
        self.ran = self.refused = 0
        self._houses = [self._house(side, mode) for side in _HIDDEN]
        self._files = _files(root)
        self._settings = [_settings(house) for house in self._houses]

    def try_out(self, sql: str) -> None:
        """Ask both. Raises `AssertionError` when they answer differently."""
        left, right = (
            self._answer(house, side, sql)
            for house, side in zip(self._houses, _HIDDEN, strict=True)
        )
        told = repr((left, right))
        if "was cancelled" in told:
            return  # by the clock, which one of them may have met and the other not
        assert not any(canary in told for canary in ("hid-", "SECRET")), f"{sql}\n{told}"
        assert left == right, f"{sql}\nleft:  {left}\nright: {right}"

    def check_untouched(self) -> None:
        """Raises `AssertionError` when a file or a setting is not as it was."""
        assert _files(self.root) == self._files
        assert [_settings(house) for house in self._houses] == self._settings

    def _answer(self, house: Policed, side: str, sql: str) -> Any:
        text = sql.replace("{root}", str(self.root / side))
        try:
            checked = house.checked(text)
            volatile = guard.check(text, house.views).volatile
        except RopewayError as error:
            self.refused += 1
            return type(error).__name__, error.message.replace(side, "")
        self.ran += 1
        if volatile:
            return None  # chance and the clock differ by themselves
        try:
            rows = house.run(checked, **({"one": 1} if "$one" in checked else {}))
        except RopewayError as error:
            return type(error).__name__, error.message.replace(side, "")
        return sorted(map(repr, rows))

    def _house(self, side: str, mode: str) -> Policed:
        folder = self.root / side
        folder.mkdir(parents=True)
        listed = [
            f"({id}, 'SECRET{side}{id}', '{ssn}', {_text(city)}, {age}, {salary + (side == 'house_a') * 7}, "
            f"date '{birth}' + {0 if side == 'house_a' else int(visible)}, {tags}::varchar[], 'SECRET{side}', {visible})"
            for rows, visible in (
                (_VISIBLE[:2], True),
                (_HIDDEN[side], False),
                (_VISIBLE[2:], True),
            )
            for id, ssn, city, age, salary, birth, tags in rows
        ]
        names = "id, name, ssn, city, age, salary, birth, tags, notes, consented"
        duckdb.sql(f"from (values {', '.join(listed)}) v({names})").write_parquet(
            str(folder / "patients.parquet")
        )
        (folder / "wards.csv").write_text("ward,beds\nA,10\nB,20\n")
        (folder / "secret.csv").write_text("secret\nSECRET\n")
        files = {"patients": folder / "patients.parquet", "wards": folder / "wards.csv"}
        rules = {
            "patients": {"public": RULES[mode]},
            "wards": {"public": {"allow": "rows"}},
        }
        return Policed(files, rules)


# ruff: noqa: E501


def _text(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def _files(root: Path) -> dict[str, str]:
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _settings(house: Policed) -> Any:
    return house.connection.execute("select name, value from duckdb_settings()").fetchall()


def fuzz(worlds: Worlds, examples: int, number: int | None = None) -> None:
    """Try `examples` random queries. Raises `AssertionError` with the smallest that was found."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_QUESTIONS[worlds.mode])
    def run(sql: str) -> None:
        worlds.try_out(sql)

    (seed(number)(run) if number is not None else run)()
    worlds.check_untouched()


HOLES = {"hide": ["notes"], "mask": {"ssn": "hash"}, "rows": "true"}
"""Ways to leave a policy open."""

MEMORY = 4_000_000_000
"""Bytes of address space that the fuzzer may take besides: some queries ask for all there is."""


@click.command()
@click.option("--examples", default=20_000, show_default=True)
@click.option("--mode", type=click.Choice([*RULES]), help="Only this mode.")
@click.option("--seed", "number", type=int, help="The same seed brings the same queries.")
@click.option("--hole", type=click.Choice([*HOLES]), help="Leave the policy open at this key.")
def main(examples: int, mode: str | None, number: int | None, hole: str | None) -> None:
    """Try random queries; ends with the first that tells what it must not, and exit code 1."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    for each in (mode,) if mode else RULES:
        if hole:
            RULES[each][hole] = HOLES[hole]
        with tempfile.TemporaryDirectory() as folder:
            worlds = Worlds(Path(folder), each)
            fuzz(worlds, examples, number)
            click.echo(json.dumps({"mode": each, "ran": worlds.ran, "refused": worlds.refused}))


if __name__ == "__main__":
    main()
