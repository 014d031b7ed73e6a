"""Datasets behind guard, policy, aggregate mode and the locked engine, all in one process.

The parts and their order are the data service's, without its workers: thousands of queries can be
tried in seconds, and the engine can be asked what no guard would let through.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from ropeway.data import aggregate, guard, policy, syntax
from ropeway.data.engines.duckdb import Engine
from ropeway.data.job import Table
from ropeway.data.policy import View
from ropeway.data.sources import expand, reader
from ropeway.wire import Column

KEY = bytes(range(32))

SECONDS = 5.0
"""What a query gets before it is interrupted."""


class Policed:
    """The datasets (name to file) as runtimes of one class see them.

    `policies` are bodies of `[datasets.NAME.policy]`, by dataset.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        runtime_class: str = "public",
    ) -> None:
        self.views: dict[str, View] = {}
        tables: list[Table] = []
        for name, path in files.items():
            relation = reader(expand(str(path), path.parent))
            found = policy.parse((policies or {}).get(name, {}), f"datasets.{name}.policy")
            view = found.view(runtime_class, name, _columns(relation), KEY)
            tables.append(Table(name, relation, view.select, view.where))
            self.views[name] = view
        paths = [str(path) for path in files.values()]
        self._engine = Engine(tables, paths, memory="500MB", threads=1)
        self.connection = self._engine._connection

    def ask(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        """The rows. Raises `RopewayError`."""
        return self.run(self.checked(sql), **params)

    def checked(self, sql: str) -> str:
        """The SQL that would run. Raises `RopewayError`."""
        checked = guard.check(sql, self.views)
        views = {name: self.views[name] for name in checked.tables}
        restricted = aggregate.restrict(checked.statement, views)
        return sql if restricted is checked.statement else syntax.written(restricted)

    def run(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query that nobody looked at. Raises `RopewayError`."""
        timer = threading.Timer(SECONDS, self.connection.interrupt)
        timer.start()
        rows: list[tuple[Any, ...]] = []
        try:
            run = self._engine.run(sql, params)
            while (batch := run.next_batch()) is not None:
                rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            run.close()
        finally:
            timer.cancel()
        return rows


def _columns(relation: str) -> tuple[Column, ...]:
    found = duckdb.connect().sql(f"select * from {relation}")
    pairs = zip(found.columns, found.types, strict=True)
    return tuple(Column(str(name), str(kind)) for name, kind in pairs)
