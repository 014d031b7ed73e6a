"""Budgets: how much of a dataset may cross in one query and in one day, by class of runtime. Pure.

A day is one of UTC. What crossed counts for every dataset that the query names, wholly: a row of a
join is a row of both. What is refused is refused before it crosses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Generic, TypeVar

from ropeway.data.policy import View
from ropeway.errors import Refused
from ropeway.kernel.words import bytes_text, rows_text


@dataclass(frozen=True, slots=True)
class Crossed:
    """What crossed so far."""

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Crossed) -> Crossed:
        return Crossed(self.rows + other.rows, self.bytes + other.bytes)


Account = tuple[str, str]
"""A dataset and a class of runtime."""

Before = Callable[[Account, date], Crossed]
"""What crossed on a day until now, as the ledger knows it."""


def today() -> date:
    """The day by which budgets count."""
    return datetime.now(UTC).date()


Key = TypeVar("Key")
Amount = TypeVar("Amount")


class Today(Generic[Key, Amount]):
    """What was counted today by key; `before` tells what was until now, and is asked once for each
    key and day. One thread at a time."""

    def __init__(self, before: Callable[[Key, date], Amount], day: Callable[[], date]) -> None:
        self._before = before
        self._day = day
        self._today = day()
        self._counted: dict[Key, Amount] = {}

    def __getitem__(self, key: Key) -> Amount:
        now = self._day()
        if now != self._today:
            self._today = now
            self._counted.clear()
        if key not in self._counted:
            self._counted[key] = self._before(key, now)
        return self._counted[key]

    def update(self, counted: Mapping[Key, Amount]) -> None:
        """So much it is by now."""
        self._counted.update(counted)


def check(view: View, query: Crossed, day: Crossed) -> None:
    """Raises `Refused` when a query, or the day with it, has more than the view allows."""
    for limit, found, words, span in (
        (view.max_rows, query.rows, rows_text, "a query"),
        (view.max_bytes, query.bytes, bytes_text, "a query"),
        (view.rows_per_day, day.rows, rows_text, "a day"),
        (view.bytes_per_day, day.bytes, bytes_text, "a day"),
    ):
        if limit is not None and found > limit:
            raise Refused(
                f"The policy lets at most {words(limit)} of {view.dataset} cross in {span}; "
                f"this would make it {words(found)}.",
                hint=_HINTS[span],
                dataset=view.dataset,
            )


_HINTS = {
    "a query": "Filter or group at home, or ask for fewer columns.",
    "a day": "A day ends at midnight UTC. What counts is told at home: ropeway ledger.",
}


class Budgets:
    """What crossed today, counted along; `before` is asked once for each account and day."""

    def __init__(self, before: Before, *, day: Callable[[], date] = today) -> None:
        self._crossed = Today(before, day)
        self._turn = threading.Lock()

    def open(self, views: Mapping[str, View], runtime_class: str) -> Tab:
        """The tab of one query. Raises `Refused` where the day's budget is used up already."""
        tab = Tab(self, tuple(views.values()), runtime_class)
        for view in views.values():
            spent = self.today((view.dataset, runtime_class))
            for limit, found in (
                (view.rows_per_day, spent.rows),
                (view.bytes_per_day, spent.bytes),
            ):
                if limit is not None and found >= limit:
                    check(view, Crossed(), spent + Crossed(1, 1))
        return tab

    def today(self, account: Account) -> Crossed:
        """What crossed today of one account."""
        with self._turn:
            return self._crossed[account]

    def take(
        self, views: tuple[View, ...], runtime_class: str, query: Crossed, more: Crossed
    ) -> None:
        """Count `more` of a query that has had `query`, or raise `Refused` and count nothing."""
        with self._turn:
            after = {}
            for view in views:
                account = (view.dataset, runtime_class)
                after[account] = self._crossed[account] + more
                check(view, query + more, after[account])
            self._crossed.update(after)


class Tab:
    """One query's account: each batch is taken before it crosses."""

    def __init__(self, budgets: Budgets, views: tuple[View, ...], runtime_class: str) -> None:
        self._budgets = budgets
        self._views = views
        self._class = runtime_class
        self.crossed = Crossed()

    def take(self, rows: int, size: int) -> None:
        """Take a batch of `size` bytes. Raises `Refused`; then it must not cross."""
        more = Crossed(rows, size)
        self._budgets.take(self._views, self._class, self.crossed, more)
        self.crossed += more
