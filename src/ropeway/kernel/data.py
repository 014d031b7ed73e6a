"""Data at home, asked for from a cell: `rw.sql(...)` and `rw.datasets()`."""

from __future__ import annotations

from typing import Any

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.kernel import road
from ropeway.kernel.params import encode
from ropeway.kernel.progress import Progress
from ropeway.kernel.result import DatasetList, Result

__all__ = ["Result", "datasets", "sql"]


def sql(query: str, /, **params: Any) -> Result:
    """Run one SELECT at home and bring its result here.

    `query` is SQL in DuckDB's dialect over the datasets that were added at home; `$name` in it
    stands for the keyword argument `name`. Raises `Refused`, `UnknownDataset` or `QueryFailed`
    when home does not answer it, and `HomeUnreachable` when there is no road to home.

        df = rw.sql("select region, sum(amount) from sales where amount > $low group by region",
                    low=10).df()
    """
    if not isinstance(query, str) or not query.strip():
        raise BadInput("rw.sql wants a query as text.", hint='rw.sql("select * from sales")')
    with Progress() as progress:
        body, buffers, taken = road.ask("query", query, encode(params), progress)
    return Result(wire.from_json(wire.Summary, body), buffers, str(taken))


def datasets() -> DatasetList:
    """The datasets that were added at home, with their columns; never where they lie."""
    body, _, _ = road.ask("datasets")
    return DatasetList(wire.from_json(wire.Dataset, each) for each in body.get("datasets", ()))
