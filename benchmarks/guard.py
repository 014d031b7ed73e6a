"""What the guard costs: from a query's text to the permission to run it, for each query of TPC-H
and TPC-DS and a few short ones. `python benchmarks/guard.py`: milliseconds, medians of ten."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from data.test_accepted import QUERIES, TABLES
from peers import cores, write_results
from ropeway.data import guard

SHORT = {
    "short/1": "select * from customer limit 10",
    "short/2": "select c_nationkey, count(*) n from customer group by all order by n desc",
    "short/3": "select n_name, sum(c_acctbal) from customer join nation on c_nationkey ="
    " n_nationkey where c_mktsegment = $segment group by n_name having count(*) > 10",
}


def measure() -> list[dict[str, Any]]:
    """A row for each set of queries."""
    found: dict[str, list[float]] = {}
    for name, sql in {**SHORT, **QUERIES}.items():
        kind = name.split("/")[0]
        known = TABLES.get(kind, TABLES["h"]).split()
        found.setdefault(kind, []).append(statistics.median(_ms(sql, known) for _ in range(10)))
    names = {"short": "short ones", "h": "TPC-H", "ds": "TPC-DS"}
    return [
        {
            "peer": names[kind],
            "queries": len(times),
            "median_ms": round(statistics.median(times), 2),
            "worst_ms": round(max(times), 2),
            "cores": cores(),
        }
        for kind, times in found.items()
    ]


def _ms(sql: str, known: list[str]) -> float:
    began = time.perf_counter()
    guard.check(sql, known)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure, print, keep the rows."""
    rows = measure()
    for row in rows:
        print(row)
    write_results("guard", rows)


if __name__ == "__main__":
    main()
