"""The project: its datasets as they are now, and what each class of runtime sees of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ropeway import config, wire
from ropeway.data import catalog, masks, policy, pushdown
from ropeway.data.catalog import Catalog, Entry
from ropeway.data.engines import types
from ropeway.data.feed import schema_text
from ropeway.data.job import Table
from ropeway.data.policy import Policy, View
from ropeway.data.rules import Rule, words
from ropeway.data.sources import Database, Feed, Files, late, reader, sniff
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput, QueryFailed, Refused, RopewayError
from ropeway.wire import Column, Seen

log = logging.getLogger(__name__)

Describe = Callable[[tuple[Table, ...], tuple[str, ...]], Mapping[str, Any]]
"""Asks a worker for the columns of tables over files: what it says of each, by name."""


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset as it is now, or what is wrong with it in words that may leave home."""

    name: str
    source: Files | Database | None = None
    columns: tuple[Column, ...] = ()
    stamp: str = ""
    """Differs whenever the data does; empty where that cannot be known."""
    policy: Policy | None = None
    written: str = ""
    """Source and options as they were written down."""
    rules: str = ""
    """The policy as it was written down, to see whether it changed."""
    error: str = ""
    sniffed: Mapping[str, Any] | None = None
    """How its files are written, where they had to be looked into for that."""

    @property
    def files(self) -> tuple[str, ...]:
        """What a worker must be able to read."""
        return tuple(map(str, self.source.paths)) if isinstance(self.source, Files) else ()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.source.size if isinstance(self.source, Files) else 0

    def table(self, view: View, statement: Mapping[str, Any]) -> Table:
        """The dataset for a worker and that query, behind its view."""
        if isinstance(self.source, Files):
            # Where something is hidden, an error in it must not depend on the query.
            texts = late(self.sniffed, pushdown.deciding(statement)) if view.shows_all else {}
            relation = reader(self.source, self.sniffed, texts)
            typed = _typed(view.columns, texts) if texts else ""
            return Table(self.name, relation, view.select, view.where, typed=typed)
        schema = schema_text(types.schema(self.columns))
        return Table(self.name, "", view.select, view.where, schema)

    def feed(
        self, view: View, statement: Mapping[str, Any], values: Mapping[str, Any]
    ) -> Callable[[], Feed] | None:
        """What begins a scan of a database's table for that query; None for files."""
        source = self.source
        if not isinstance(source, Database):
            return None
        wanted = pushdown.columns(statement, view, self.columns)
        # Where rows are hidden, what the database is asked would depend on them.
        hides = view.where or view.aggregate
        kept = [] if hides else pushdown.filters(statement, view, self.columns, values)
        return lambda: source.open(wanted, kept)


class Project:
    """The project in the folder `root`. What changed counts from the next call on."""

    def __init__(self, root: Path, describe: Describe) -> None:
        self._root = root
        self._describe = describe
        self._turn = threading.Lock()
        self._reading = threading.Lock()
        self._read: tuple[Any, Catalog, config.Config] | None = None
        self._known: dict[str, Found] = {}
        self._policies: dict[str, tuple[str, Policy]] = {}
        self._views: dict[tuple[str, str], tuple[Any, View]] = {}
        self._key: bytes | None = None

    def catalog(self) -> Catalog:
        """What `ropeway.toml` says of the datasets. Raises `BadInput`."""
        return self._written()[0]

    def settings(self) -> config.Config:
        """The settings in force. Raises `BadInput`."""
        return self._written()[1]

    def find(self, names: Iterable[str]) -> dict[str, Found]:
        """These datasets as they are now; only those that changed are looked into."""
        written = self.catalog()
        fresh: dict[str, Found] = {}
        found: dict[str, Found] = {}
        # No lock: a source that is slow to answer keeps nobody else waiting, and what two ask at
        # once is asked twice.
        for name in sorted(set(names)):
            each = self._placed(written, written[name])
            known = self._known.get(name)
            if each.error:
                found[name] = each
            elif known is not None and _same(known, each):
                found[name] = known
            else:
                fresh[name] = each
        found.update(self._described(fresh))
        self._known.update(found)
        return found

    def view(self, found: Found, runtime_class: str) -> View:
        """What that class of runtime sees of a dataset.

        Raises `Refused` where that is nothing, `QueryFailed` where the dataset cannot be read or
        its policy does not fit.
        """
        if found.error:
            raise unreadable(found.name, found.error)
        assert found.policy is not None
        facts = found.rules, found.columns
        with self._turn:
            known = self._views.get((found.name, runtime_class))
            if known is not None and known[0] == facts:
                return known[1]
        try:
            view = found.policy.view(runtime_class, found.name, found.columns, self.key())
        except BadInput as error:
            log.error("%s", error)
            raise unreadable(found.name, _POLICY) from None
        with self._turn:
            self._views[found.name, runtime_class] = facts, view
        return view

    def rule(self, name: str, runtime_class: str) -> Rule:
        """What holds for that class and a dataset of that name, which need not be there."""
        written = self.catalog()
        entry = written.entries.get(name)
        where = f"{written.path}: datasets.{name}.policy"
        rules = policy.parse(entry.policy if entry else {}, where, written.policy)
        return rules.rule(runtime_class)

    def key(self) -> bytes:
        """Home's own key, for hashes that nobody else can make."""
        if self._key is None:
            self._key = masks.home_key(config.state_dir())
        return self._key

    def open_to(self, runtime_class: str) -> list[str]:
        """The datasets of which that class may read anything; among them those whose policy is
        wrong, so that somebody sees it."""
        written = self.catalog()
        return [
            name
            for name, entry in sorted(written.entries.items())
            if not self._closed(written, entry, runtime_class)
        ]

    def check_open(self, names: Iterable[str], runtime_class: str) -> None:
        """Raises `Refused` where that class may read nothing of one of them."""
        written = self.catalog()
        for name in names:
            if self._closed(written, written[name], runtime_class):
                raise policy.nothing(name, runtime_class)

    def _closed(self, written: Catalog, entry: Entry, runtime_class: str) -> bool:
        try:
            return self._rules(written, entry)[1].rule(runtime_class).allow == "nothing"
        except BadInput:
            return False

    def _rules(self, written: Catalog, entry: Entry) -> tuple[str, Policy]:
        """The policy as it was written and as it is meant, read once. Raises `BadInput`."""
        text = repr((entry.policy, written.policy))
        known = self._policies.get(entry.name)
        if known is None or known[0] != text:
            where = f"{written.path}: datasets.{entry.name}.policy"
            known = text, policy.parse(entry.policy, where, written.policy)
            self._policies[entry.name] = known
        return known

    def seen(self, found: Found, runtime_class: str) -> Seen:
        """The same for people at home: in words, also where it is nothing."""
        try:
            view = self.view(found, runtime_class)
        except Refused:
            assert found.policy is not None
            rule = found.policy.rule(runtime_class)
            return Seen(runtime_class, rule.allow, words=words(rule, found.columns))
        except QueryFailed as error:
            return Seen(runtime_class, "", error=error.message)
        allow = "aggregates" if view.aggregate else "rows"
        return Seen(runtime_class, allow, view.columns, view.words)

    def _written(self) -> tuple[Catalog, config.Config]:
        """Catalog and settings, read anew when their file changed."""
        path = config.find_project(self._root)
        stamp: Any = None
        if path is not None:
            seen = path.stat()
            stamp = path, seen.st_mtime_ns, seen.st_size, seen.st_ino
        on_shelf = catalog.shelf(self._root).stamp()
        stamp = stamp, on_shelf
        with self._reading:
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, catalog.load(self._root), config.load(self._root)
            return self._read[1:]

    def _placed(self, written: Catalog, entry: Entry) -> Found:
        """A dataset without its columns, which only the engine knows."""
        try:
            text, rules = self._rules(written, entry)
        except RopewayError as error:
            log.error("%s", error)
            return Found(entry.name, error=_POLICY)
        try:
            source = entry.open()
            stamp = source.stamp() if isinstance(source, Database) else repr(source.stamps())
        except RopewayError as error:
            log.warning("the dataset %s cannot be opened: %s", entry.name, error)
            return Found(entry.name, error=_without_place(error))
        written_as = repr((entry.source, entry.options))
        return Found(
            entry.name, source, stamp=stamp or "", written=written_as, policy=rules, rules=text
        )

    def _described(self, fresh: Mapping[str, Found]) -> dict[str, Found]:
        sources = {name: each.source for name, each in fresh.items()}
        described = {
            name: _asked(fresh[name], source)
            for name, source in sources.items()
            if isinstance(source, Database)
        }
        tables = tuple(
            Table(name, reader(files), sniff=sniff(files))
            for name, files in sources.items()
            if isinstance(files, Files)
        )
        if tables:
            files = tuple(path for each in fresh.values() for path in each.files)
            told = self._describe(tables, files)
            described |= {t.name: _with_columns(fresh[t.name], told[t.name]) for t in tables}
        return described


def unreadable(name: str, why: str) -> QueryFailed:
    """The error for a dataset that cannot answer."""
    return QueryFailed(
        f"The dataset {name} cannot be read: {why}.",
        hint="Look at it at home: ropeway data show " + name,
    )


_POLICY = "its policy in ropeway.toml is wrong"


def _same(known: Found, now: Found) -> bool:
    """Whether what was learnt still holds. Columns of a database that gives no stamp are asked
    for again with each query."""
    return bool(
        now.stamp
        and known.stamp == now.stamp
        and known.rules == now.rules
        and known.written == now.written
        and not known.error
    )


def _asked(found: Found, source: Database) -> Found:
    """The columns of a database's table, from the database."""
    try:
        return replace(found, columns=source.columns())
    except RopewayError as error:
        log.warning("the dataset %s cannot be opened: %s", found.name, error)
        return Found(found.name, error="its database does not answer as ropeway.toml says")


def _with_columns(found: Found, told: Mapping[str, Any]) -> Found:
    assert isinstance(found.source, Files)
    if "why" in told:
        # The whole story is for home's own log; it may quote paths and lines.
        log.warning("the dataset %s cannot be opened: %s", found.name, told["why"])
        error = f"its files cannot be read as one table ({found.source.kind})"
        return Found(found.name, error=error)
    columns = tuple(wire.from_json(Column, each) for each in told["columns"])
    return replace(found, columns=columns, sniffed=told["sniffed"])


def _typed(columns: Iterable[Column], texts: Mapping[str, str]) -> str:
    """A select list of the columns; those that are still texts become what they are meant as."""
    named = {column.name: quoted_name(column.name) for column in columns}
    cast = {name: f"cast({named[name]} as {kind})" for name, kind in texts.items() if name in named}
    return ", ".join(f"{cast.get(name, own)} as {own}" for name, own in named.items())


def _without_place(error: RopewayError) -> str:
    """Why a dataset's files cannot be found, in words that carry no path."""
    words = {"not_found": "its files are not there any more"}
    return words.get(error.code, "its source in ropeway.toml does not fit its files")
