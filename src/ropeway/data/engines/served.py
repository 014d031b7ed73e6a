"""A table, a view or a query of a database that a server has, however it is spoken to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ropeway.data.engines.database import Carried, Database, Feed, Filter, split_by_type
from ropeway.errors import BadInput
from ropeway.wire import Column


class ServedTable(Database):
    """One table, view or query of the database at `url`, which holds no password."""

    no_columns = ""
    """What is selected where no column is wanted."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url = url
        self._options = options
        if not {"table", "query"} & set(options):
            raise BadInput(
                "It is not said which table of the database is meant.",
                hint="--table NAME or --query 'SELECT …', or the same in ropeway.toml.",
            )

    def open(
        self, columns: Sequence[str], filters: Sequence[Filter] = (), limit: int | None = None
    ) -> Feed:
        """The rows, in a session that only reads."""
        session = self._start()
        try:
            carried = {each.column.name: each for each in self._carried(session)}
            chosen = [carried[name] for name in columns]
            fitting, whole = split_by_type(filters, carried)
            sql = self._select(chosen, fitting, carried, limit if whole else None)
            return self._feed(session, sql, [each.column for each in chosen])
        except BaseException:
            session.close()
            raise

    @abstractmethod
    def _feed(self, session: Any, sql: str, columns: Sequence[Column]) -> Feed:
        """The rows of a query; it closes the session."""

    @staticmethod
    @abstractmethod
    def _name(name: str) -> str:
        """A name, quoted."""

    @staticmethod
    @abstractmethod
    def _literal(value: Any, kind: str) -> str:
        """A value of a checked type as SQL."""

    def _relation(self) -> str:
        if query := self._options.get("query"):
            return f"({query.rstrip().rstrip(';')}\n) as q"
        place, dot, table = str(self._options["table"]).rpartition(".")
        return f"{self._name(place)}.{self._name(table)}" if dot else self._name(table)

    def _select(
        self,
        chosen: Sequence[Carried],
        filters: Sequence[Filter],
        carried: Mapping[str, Carried],
        limit: int | None,
    ) -> str:
        listed = ", ".join(f"{each.sql} as {self._name(each.column.name)}" for each in chosen)
        sql = f"select {listed or self.no_columns} from {self._relation()}"  # noqa: S608  # quoted
        if filters:
            kinds = {name: each.column.type for name, each in carried.items()}
            sql += " where " + " and ".join(
                self._condition(each, kinds[each.column]) for each in filters
            )
        return sql if limit is None else f"{sql} limit {int(limit)}"

    def _condition(self, asked: Filter, kind: str) -> str:
        name = self._name(asked.column)
        if asked.op in ("is null", "is not null"):
            return f"{name} {asked.op}"
        if asked.op == "in":
            return f"{name} in ({', '.join(self._literal(each, kind) for each in asked.value)})"
        return f"{name} {asked.op} {self._literal(asked.value, kind)}"
