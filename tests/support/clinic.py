"""A house to attack: a clinic's data at home, asked from a public runtime.

It has two roads, and every attack tries both: `layers`, the guard, the policy and the locked engine
in this process, and `home`, the whole of `Home.prepare` with its workers. Each hidden thing holds a
canary; an attack succeeds when one is told, a file appears or changes, or a setting moves.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ropeway.data.query import Home
from ropeway.errors import RopewayError
from ropeway.wire import Query
from support.policed import Policed

ROADS = ("layers", "home")

TOML = """
[data]
memory = "300MB"
seconds = 5.0
threads = 1

[datasets.patients]
source = "patients.csv"
"""

POLICY = """
[datasets.patients.policy.public]
allow = "rows"
hide = ["name", "notes"]
mask = { ssn = "hash", birth = "year", salary = { round = 1000 } }
rows = "consented and city <> 'CANARYCITY'"

[datasets.staff]
source = "staff.parquet"

[datasets.wards]
source = "wards.csv"

[datasets.wards.policy.public]
allow = "rows"
"""

PATIENTS = """\
id,name,ssn,city,age,salary,birth,notes,consented
1,CANARYNAMEA,CANARYSSNA,Rome,31,1501,1980-02-03,CANARYNOTEA,true
2,CANARYNAMEB,CANARYSSNB,Lima,47,1502,1981-04-05,CANARYNOTEB,true
3,CANARYNAMEC,CANARYSSNC,CANARYCITY,52,1503,1982-06-07,CANARYNOTEC,true
4,CANARYNAMED,CANARYSSND,-77,999,1504,1983-08-09,CANARYNOTED,false
"""


@dataclass
class Outcome:
    """What an attack brought: all that came back as one text, and whether rows were among it."""

    text: str
    rows: list[tuple[Any, ...]] | None
    error: RopewayError | None = None


class House:
    """One road to the data."""

    def __init__(self, root: Path, road: str) -> None:
        self.root = root
        policy = tomllib.loads(POLICY) if road == "layers" else {}
        self._home = Home(root) if road == "home" else None
        if self._home is None:
            rules = {name: body.get("policy", {}) for name, body in policy["datasets"].items()}
            files = {"patients": root / "patients.csv", "wards": root / "wards.csv"}
            self._policed = Policed(files, rules)

    def attack(self, sql: str, **params: Any) -> Outcome:
        """Ask as a cell on a public runtime does; whatever is said of it comes back."""
        try:
            rows = self._rows(sql, params)
        except RopewayError as error:
            return Outcome(json.dumps(error.to_json()), None, error)
        return Outcome(repr(rows), rows)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query that is allowed. Raises `RopewayError`."""
        return self._rows(sql, {})

    def close(self) -> None:
        if self._home is not None:
            self._home.close()

    def _rows(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._home is None:
            return self._policed.ask(sql, **params)
        answer = self._home.prepare(
            Query(sql, params, runtime="colab", kernel="k", runtime_class="public")
        )
        try:
            table = pa.ipc.open_stream(b"".join(answer)).read_all()
        finally:
            answer.close()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def build(root: Path) -> None:
    """The clinic's files in the folder `root`, with a canary in everything that is hidden."""
    (root / "patients.csv").write_text(PATIENTS)
    (root / "wards.csv").write_text("ward,beds\nA,10\nB,20\n")
    (root / "secret.csv").write_text("secret\nCANARYFILE\n")
    pq.write_table(pa.table({"who": ["CANARYSTAFF"]}), root / "staff.parquet")
    (root / "ropeway.toml").write_text(TOML + POLICY)
