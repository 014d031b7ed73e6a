"""Datasets as Ibis expressions: compiled to SQL here, run at home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from ropeway.errors import BadInput, QueryFailed
from ropeway.kernel.arrow import package
from ropeway.kernel.data import datasets, sql
from ropeway.kernel.result import Result

_INSTALL = "ibis-framework packaging"


def table(name: str, /) -> Any:
    """The dataset `name` as an Ibis table: an expression that runs at home when it is executed.

    Needs Ibis: `%pip install "ropeway[ibis]"`. `.execute()`, `.to_pandas()`, `.to_polars()`,
    `.to_pyarrow()` and `.to_pyarrow_batches()` of any expression made of it bring the result;
    `rw.sql(expression)` gives it as a `Result`. Raises `UnknownDataset`.

        sales = rw.table("sales")
        sales.group_by("region").agg(total=sales.amount.sum()).to_pandas()
    """
    ibis = package("ibis", _INSTALL)
    types = package("ibis.backends.sql.datatypes", _INSTALL)
    found = datasets()[name]
    if found.error:
        raise QueryFailed(f"The dataset {name} cannot be read: {found.error}.")
    schema = {c.name: types.DuckDBType.from_string(c.type) for c in found.columns}
    operations = package("ibis.expr.operations", _INSTALL)
    made = operations.DatabaseTable(name, schema=ibis.schema(schema), source=_home)
    return made.to_expr()


def is_expression(found: object) -> bool:
    """Whether it is one of Ibis, which need not be there."""
    return type(found).__module__.startswith("ibis.expr.") and hasattr(found, "unbind")


def compiled(expression: Any, params: Any = None) -> str:
    """An Ibis expression as SQL in home's dialect. Raises `BadInput`."""
    ibis = package("ibis", _INSTALL)
    operations = package("ibis.expr.operations", _INSTALL)
    if expression.op().find(operations.InMemoryTable):
        raise BadInput(
            "The expression has a table in it that is not at home.",
            hint='Put it there first: rw.put(df, "name"), then rw.table("name").',
        )
    return str(ibis.to_sql(expression.unbind(), dialect="duckdb", params=params))


class Home:
    """What Ibis calls a backend: it runs expressions, at home."""

    name = "ropeway"

    def compile(self, expression: Any, *, params: Any = None, **_: Any) -> str:
        """The SQL that would run."""
        return compiled(expression, params)

    def execute(self, expression: Any, **how: Any) -> Any:
        """A pandas DataFrame, a Series or one value, as the expression is."""
        frame = self._run(expression, **how).df()
        return _shaped(expression, frame, lambda: frame.iloc[:, 0], lambda: frame.iloc[0, 0])

    def to_pyarrow(self, expression: Any, **how: Any) -> Any:
        """An Arrow table, a column of one or a scalar."""
        found = self._run(expression, **how).arrow()
        return _shaped(expression, found, lambda: found.column(0), lambda: found.column(0)[0])

    def to_polars(self, expression: Any, **how: Any) -> Any:
        """A Polars DataFrame, a Series or one value."""
        frame = self._run(expression, **how).pl()
        return _shaped(expression, frame, frame.to_series, frame.item)

    def to_torch(self, expression: Any, **how: Any) -> Any:
        """A tensor a column, by name."""
        return self._run(expression, **how).to_torch(by_column=True)

    def to_pyarrow_batches(self, expression: Any, **how: Any) -> Any:
        """A `pyarrow.RecordBatchReader`, as the rows come."""
        batches = self._run(expression, **how).batches()
        first = next(batches, None)
        if first is None:
            return self._run(expression, **how).arrow().to_reader()
        reader = package("pyarrow").RecordBatchReader
        return reader.from_batches(first.schema, chain((first,), batches))

    def to_pandas_batches(self, expression: Any, **how: Any) -> Iterator[Any]:
        """DataFrames, as the rows come."""
        for batch in self._run(expression, **how).batches():
            yield batch.to_pandas()

    def _run(self, expression: Any, *, params: Any = None, limit: Any = None, **_: Any) -> Result:
        asked = expression.as_table()
        if isinstance(limit, int):
            asked = asked.limit(limit)
        return sql(compiled(asked, params))


def _shaped(
    expression: Any, table: Any, column: Callable[[], Any], value: Callable[[], Any]
) -> Any:
    """The result as the expression is: a table, its only column, or the only value in that."""
    types = package("ibis.expr.types", _INSTALL)
    if isinstance(expression, types.Scalar):
        return value()
    return column() if isinstance(expression, types.Column) else table


_home = Home()
