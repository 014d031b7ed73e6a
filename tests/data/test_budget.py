"""Budgets: rows and bytes of a query and of a day."""

from __future__ import annotations

import contextlib
import threading
from datetime import date, timedelta
from typing import Any

import pytest

from ropeway.data import policy
from ropeway.data.budget import Budgets, Crossed
from ropeway.errors import Refused
from ropeway.wire import Column


def view(dataset: str = "people", **rule: Any) -> policy.View:
    found = policy.parse({"public": {"allow": "rows", **rule}}, "x")
    return found.view("public", dataset, [Column("id", "BIGINT")], b"k" * 32)


class Clock:
    """A day that a test turns, and what the ledger knows of each."""

    def __init__(self) -> None:
        self.now = date(2026, 1, 1)
        self.known: dict[date, Crossed] = {}
        self.asked = 0

    def budgets(self) -> Budgets:
        return Budgets(self.before, day=lambda: self.now)

    def before(self, account: tuple[str, str], day: date) -> Crossed:
        self.asked += 1
        return self.known.get(day, Crossed())


def test_a_query_has_its_own_limits() -> None:
    """A query ends at its rows or bytes, whichever comes first; the next begins anew."""
    budgets = Clock().budgets()
    views = {"people": view(max_rows=10, max_bytes=100)}
    tab = budgets.open(views, "public")
    tab.take(10, 50)
    with pytest.raises(Refused, match="at most 10 rows of people cross in a query"):
        tab.take(1, 1)
    with pytest.raises(Refused, match="at most 100 B"):
        tab.take(0, 51)
    budgets.open(views, "public").take(10, 100)


def test_a_day_has_its_limits() -> None:
    """The day's budget is shared by all queries, and the one that would pass it is refused."""
    budgets = Clock().budgets()
    views = {"people": view(rows_per_day=100)}
    budgets.open(views, "public").take(60, 1)
    tab = budgets.open(views, "public")
    with pytest.raises(Refused, match="would make it 110 rows"):
        tab.take(50, 1)
    tab.take(40, 1)
    with pytest.raises(Refused, match="in a day"):
        budgets.open(views, "public")


def test_what_is_refused_does_not_count() -> None:
    """A batch that did not cross uses up nothing, of none of the datasets."""
    budgets = Clock().budgets()
    views = {"a": view("a", rows_per_day=100), "b": view("b", rows_per_day=10)}
    with pytest.raises(Refused, match="of b cross"):
        budgets.open(views, "public").take(50, 1)
    assert budgets.today(("a", "public")) == Crossed()


def test_a_row_counts_for_every_dataset_and_for_its_class_alone() -> None:
    """A join's row is a row of both; another class of runtime has a budget of its own."""
    budgets = Clock().budgets()
    budgets.open({"a": view("a"), "b": view("b")}, "public").take(5, 7)
    assert budgets.today(("a", "public")) == budgets.today(("b", "public")) == Crossed(5, 7)
    assert budgets.today(("a", "own")) == Crossed()


def test_the_ledger_is_asked_once_a_day() -> None:
    """What crossed before the start counts; midnight in UTC begins a new day."""
    clock = Clock()
    clock.known[clock.now] = Crossed(95, 0)
    budgets = clock.budgets()
    views = {"people": view(rows_per_day=100)}
    for _ in range(5):
        budgets.open(views, "public").take(1, 1)
    assert clock.asked == 1
    with pytest.raises(Refused):
        budgets.open(views, "public")
    clock.now += timedelta(days=1)
    budgets.open(views, "public").take(100, 1)


def test_queries_at_once_share_the_budget_exactly() -> None:
    """Many queries that take at the same time never pass the budget together."""
    budgets = Clock().budgets()
    views = {"people": view(rows_per_day=1000)}
    taken: list[int] = []

    def take() -> None:
        with contextlib.suppress(Refused):
            tab = budgets.open(views, "public")
            for _ in range(200):
                tab.take(1, 1)
                taken.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1000
