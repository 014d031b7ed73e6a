"""Data at home, asked for from a cell: `rw.sql(...)` and `rw.datasets()`."""

from __future__ import annotations

import time
from typing import Any

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.kernel import cache, road
from ropeway.kernel.datasets import Dataset, DatasetList
from ropeway.kernel.incoming import SOON, Incoming
from ropeway.kernel.params import encode
from ropeway.kernel.progress import Progress
from ropeway.kernel.result import Result

__all__ = ["Result", "datasets", "sql"]


def sql(query: Any, /, **params: Any) -> Result:
    """Run one SELECT at home and bring its result here.

    `query` is SQL in DuckDB's dialect over the datasets that were added at home; `$name` in it
    stands for the keyword argument `name`. An expression of Ibis will do as well. Raises
    `Refused`, `UnknownDataset` or `QueryFailed` when home does not answer it, and
    `HomeUnreachable` when there is no road to home.

        df = rw.sql("select region, sum(amount) from sales where amount > $low group by region",
                    low=10).df()

    Of a result beyond 64 MB the rest stays at home until it is taken: see `Result.batches`. A
    query that was asked before brings nothing when the data is unchanged.
    """
    from ropeway.kernel import table  # which asks by this function itself

    if table.is_expression(query):
        query = table.compiled(query)
    if not isinstance(query, str) or not query.strip():
        raise BadInput("rw.sql wants a query as text.", hint='rw.sql("select * from sales")')
    bound = encode(params)
    key = cache.key(query, bound)
    found = cache.find(key)
    soon = time.monotonic() + SOON
    with Progress() as progress:
        answer = road.query(query, bound, found.etag if found else "", lambda: progress(0))
        if found is not None and answer.unchanged:
            return Result(Incoming.kept(answer, key, found))
        incoming = Incoming(answer, key)
        incoming.read_ahead(soon, progress)
    return Result(incoming)


def datasets() -> DatasetList:
    """The datasets that were added at home, with their columns; never where they lie.

    rw.datasets()["sales"].statistics()
    """
    found = (wire.from_json(wire.Dataset, each) for each in road.datasets().get("datasets", ()))
    return DatasetList(Dataset(each.name, each.columns, each.error) for each in found)
