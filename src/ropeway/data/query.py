"""The only road to an engine: guard, policy and budget decide, a worker runs, the ledger knows."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from ropeway.data import aggregate, catalog, copies, guard, job, ledger, params, syntax
from ropeway.data.answer import SQL_KEPT, Answer
from ropeway.data.budget import Account, Budgets, Crossed, Tab
from ropeway.data.checkpoints import Checkpoints
from ropeway.data.feed import Feeds
from ropeway.data.guard import Checked
from ropeway.data.job import Job, Table
from ropeway.data.ledger import Ledger, entry_of
from ropeway.data.policy import View
from ropeway.data.project import Found, Project
from ropeway.data.put import Intake
from ropeway.data.putting import Bounds, Putting, Quota
from ropeway.data.workers import Workers
from ropeway.errors import BadInput, QueryFailed, Refused, RopewayError, UnknownDataset
from ropeway.wire import CLASSES, Dataset, LedgerEntry, Put, Query, Seen, Summary

log = logging.getLogger(__name__)

Watch = Callable[[Sequence[str], int, int], None]
"""Told of datasets, bytes of their files that came, and how many there are, 0 where unknown."""

LANES = 4
"""Queries that run at a time; more wait."""

SPARE = 800_000_000
"""Bytes of address space that a worker may take beyond the engine's own limit."""

READING = 20.0
"""Seconds that the engine's parser may take for a query, on a machine that is busy."""

_PARSER_MEMORY = 1_000_000_000


class Home:
    """The datasets of the project in the folder `root`, and queries over them. Close it.

    Looks at `ropeway.toml` and at the sources before every query: what was added, changed or
    removed counts from the next query on.
    """

    def __init__(self, root: Path) -> None:
        self.intake = Intake(root)
        self.project = Project(root, self._describe)
        self._workers = Workers()
        self._folder = ledger.folder_of(root)
        self._ledger = Ledger(self._folder)
        self._budgets = Budgets(self._crossed)
        self._quota = Quota(self._came)
        self.checkpoints = Checkpoints(root, self.project, self._ledger)

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Make ready for the first query."""
        self._workers.start()

    def close(self) -> None:
        """End whatever runs."""
        self._workers.close()

    def datasets(self, runtime_class: str = "here") -> tuple[Dataset, ...]:
        """What a class of runtimes may ask for, by name, each with the columns that it sees, or
        with what is wrong with it."""
        found = self.project.find(self.project.open_to(runtime_class))
        told: list[Dataset] = []
        for name in sorted(found):
            try:
                told.append(Dataset(name, self.project.view(found[name], runtime_class).columns))
            except Refused:
                continue
            except QueryFailed as error:
                why = found[name].error or error.message.partition(": ")[2].rstrip(".")
                told.append(Dataset(name, error=why))
        return tuple(told)

    def seen(self, name: str) -> tuple[Seen, ...]:
        """What each class of runtimes sees of a dataset. Raises `UnknownDataset`."""
        _ = self.project.catalog()[name]
        found = self.project.find([name])[name]
        return tuple(self.project.seen(found, each) for each in CLASSES)

    def prepare(self, query: Query, watch: Watch | None = None) -> Answer:
        """An answer, not begun. Raises `RopewayError` when the query may not run.

        `watch` is told of the datasets whose files are copied home first.
        """
        told: RopewayError
        try:
            return self._prepared(query, watch)
        except copies.Stopped as stopped:
            state, told = "cancelled", QueryFailed(str(stopped))
        except RopewayError as error:
            told = self._told(error, query.runtime_class)
            state = "refused" if isinstance(told, Refused) else "failed"
        except Exception as error:
            log.exception("a query could not be prepared")
            state = "failed"
            told = QueryFailed(f"The query failed at home ({type(error).__name__}).")
        named = told.facts.get("datasets", ()) if isinstance(told, Refused) else ()
        self._ledger.append(
            replace(_entry(query), state=state, reason=told.message, datasets=tuple(named))
        )
        raise told from None

    def _told(self, error: RopewayError, runtime_class: str) -> RopewayError:
        """The error as that class may hear it: of the datasets only those that are open to it."""
        if not isinstance(error, UnknownDataset):
            return error
        return catalog.unknown(
            str(error.facts.get("dataset", "")), self.project.open_to(runtime_class)
        )

    def _prepared(self, query: Query, watch: Watch | None) -> Answer:
        params.check_size(query.sql, query.params)
        parsed = partial(self._converted, "parse", query.runtime_class)
        checked = guard.check(query.sql, self.project.catalog().entries, parsed)
        try:
            # Before anything is opened, fetched or converted for it.
            self.project.check_open(checked.tables, query.runtime_class)
            with copies.watched(partial(watch, checked.tables) if watch else None):
                found = self.project.find(checked.tables)
            return self._allowed(query, checked, found)
        except Refused as error:
            error.facts["datasets"] = sorted(set(checked.tables))
            raise

    def _allowed(self, query: Query, checked: Checked, found: Mapping[str, Found]) -> Answer:
        views = {name: self.project.view(each, query.runtime_class) for name, each in found.items()}
        values = params.decode(query.params, checked.params)
        sql = self._restricted(query, checked, views)
        tab = self._budgets.open(views, query.runtime_class)
        tables = tuple(found[name].table(view, checked.statement) for name, view in views.items())
        task = self._job(
            "query",
            sql=sql,
            params=query.params,
            tables=tables,
            files=tuple(path for each in found.values() for path in each.files),
            codec="none" if query.runtime_class == "here" else "zstd",
        )
        stamps = tuple(each.stamp for each in found.values())
        answer = Answer(
            self._workers,
            (query.runtime, query.kernel, tables, stamps),
            task,
            query=query,
            etag=self._etag(query, checked, views, stamps),
            feeds=Feeds([found[n].feed(v, checked.statement, values) for n, v in views.items()]),
            account=_Account(self._ledger, tab, query, views),
            size=sum(each.size for each in found.values()),
            tells_scanned=all(view.shows_all for view in views.values()),
            seconds=min((v.seconds for v in views.values() if v.seconds), default=None),
        )
        if answer.etag and answer.etag == query.etag:
            answer.leave_out()
        return answer

    def putting(self, put: Put) -> Putting:
        """A put, not begun. Raises `RopewayError` when that kernel may put nothing there.

        The one place where a put is decided, as `prepare` is that of a query.
        """
        try:
            self.intake.check(put)
            rule = self.project.rule(put.name, put.runtime_class)
            if not rule.put:
                raise Refused(
                    f"Runtimes of the class {put.runtime_class} may not put {put.name}.",
                    hint="It is decided at home, in ropeway.toml: put = true in the policy of the "
                    "class.",
                    dataset=put.name,
                )
            bounds = Bounds(rule.max_put, rule.put_per_day)
            self._quota.take(put, bounds, 0, 0)
        except RopewayError as error:
            self._ledger.append(replace(_entry(put), state="refused", reason=error.message))
            raise
        return Putting(put, bounds, self._quota)

    def write(self, entry: LedgerEntry) -> None:
        """Write down what crossed without a query; returns once it is on the disk."""
        self._ledger.append(entry)

    def _etag(
        self, query: Query, checked: Checked, views: Mapping[str, View], stamps: tuple[str, ...]
    ) -> str:
        """What names the answer: the same as long as sources and policies are. Empty where it may
        differ even so. Keyed, since it is made of what home does not tell."""
        volatile = checked.volatile or any(view.volatile for view in views.values())
        if volatile or not all(stamps):
            return ""
        versions = sorted((name, view.version) for name, view in views.items())
        told = json.dumps([query.sql, query.params, query.runtime_class, versions, stamps])
        return hmac.new(self.project.key(), told.encode(), hashlib.sha256).hexdigest()[:32]

    def _restricted(self, query: Query, checked: Checked, views: Mapping[str, View]) -> str:
        """The query as it runs: in aggregate mode with a bound on its groups."""
        statement = aggregate.restrict(checked.statement, views)
        if statement is checked.statement:
            return query.sql
        return self._converted("print", query.runtime_class, syntax.tree(statement))

    def _crossed(self, account: Account, day: date) -> Crossed:
        """What crossed on a day, by the ledger."""
        dataset, runtime_class = account
        rows = size = 0
        for record in ledger.crossings(ledger.read(self._folder, since=day.isoformat())):
            entry = record.entry
            mine = (entry.what, entry.runtime_class) == ("query", runtime_class)
            mine = mine and dataset in entry.datasets
            if mine and record.time[:10] == day.isoformat():
                rows, size = rows + entry.rows, size + entry.bytes_crossed
        return Crossed(rows, size)

    def _came(self, runtime: str, day: date) -> int:
        """Bytes that a runtime put on a day, by the ledger."""
        records = ledger.crossings(ledger.read(self._folder, since=day.isoformat()))
        return sum(
            record.entry.bytes_crossed
            for record in records
            if (record.entry.what, record.entry.runtime) == ("put", runtime)
            and record.time[:10] == day.isoformat()
        )

    def _job(self, op: str, **rest: Any) -> Job:
        settings = self.project.settings()
        memory = settings["data.memory"]
        return Job(
            op,
            memory=memory,
            threads=settings["data.threads"],
            allowed=parse_size(memory) + SPARE,
            **rest,
        )

    def _converted(self, op: str, runtime_class: str, text: str) -> str:
        """A query's tree as the engine's own parser has it, or the text of a tree. No class of
        runtimes meets a process that has read what another wrote. Raises `RopewayError`."""
        key = "parser", runtime_class
        return str(self._ask(key, Job(op, text, allowed=_PARSER_MEMORY), READING)["text"])

    def _describe(self, tables: tuple[Table, ...], files: tuple[str, ...]) -> Mapping[str, Any]:
        task = self._job("describe", tables=tables, files=files)
        found: Mapping[str, Any] = self._ask(("describe", uuid.uuid4()), task)["tables"]
        return found

    def _ask(self, key: Hashable, task: Job, timeout: float | None = None) -> dict[str, Any]:
        """What a worker says to a job of one answer. Raises `RopewayError`."""
        with self._workers.lent(key) as worker:
            try:
                worker.begin(task)
                frame = worker.frame(timeout)
            except TimeoutError:
                raise QueryFailed("The query is too complex to be read in time.") from None
            except OSError:
                frame = None
            if frame is None:
                raise QueryFailed("The query is too large to be read.")
            if frame.kind == job.END:
                return frame.told
        raise RopewayError.from_json(frame.told)


class _Account:
    """Counts one query against its budgets, and writes it into the ledger."""

    def __init__(self, written: Ledger, tab: Tab, query: Query, views: Mapping[str, View]) -> None:
        self._ledger = written
        self._tab = tab
        self.exact = any(each.rows_per_day or each.bytes_per_day for each in views.values())
        self._entry = replace(
            _entry(query),
            datasets=tuple(sorted(views)),
            policy=" ".join(f"{name}:{view.version}" for name, view in sorted(views.items())),
        )

    def take(self, rows: int, size: int) -> None:
        """See `ropeway.data.answer.Account`."""
        self._tab.take(rows, size)

    def record(self, summary: Summary) -> None:
        """See `ropeway.data.answer.Account`."""
        self._ledger.append(
            replace(
                self._entry,
                id=summary.id,
                state=summary.state,
                rows=summary.rows,
                bytes_scanned=summary.bytes_scanned,
                bytes_crossed=summary.bytes_sent,
                seconds=summary.seconds,
                reason=str((summary.error or {}).get("message", "")),
            )
        )


def _entry(asked: Query | Put) -> LedgerEntry:
    """Who asked for what."""
    if isinstance(asked, Put):
        return replace(entry_of(asked, "put", "done"), datasets=(asked.name,))
    told = json.dumps(asked.params) if asked.params else ""
    entry = entry_of(asked, "query", "began")
    return replace(entry, sql=_cut(asked.sql), params=_cut(told))


def _cut(text: str) -> str:
    """A text for the ledger: one that is long by its beginning and its hash."""
    if len(text) <= SQL_KEPT:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{text[:SQL_KEPT]} … ({len(text):,} characters, SHA-256 {digest})"


def parse_size(text: str) -> int:
    """`2GB`, `512 MiB` in bytes, as the engine reads it. Raises `BadInput`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", text, re.IGNORECASE)
    if match is None:
        raise BadInput(f"data.memory is {text!r}, but a size such as 2GB is wanted.")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
