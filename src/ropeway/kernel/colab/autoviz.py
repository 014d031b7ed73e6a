"""`google.colab.autoviz`: a first look at a table, by matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

__all__ = ["MplChart", "get_df", "quickchart"]

_COLUMNS = 4
"""Columns of each kind that are looked at."""


class MplChart:
    """One chart of a table's columns: `histogram` and `bar` of one, `scatter` of two."""

    def __init__(self, df: Any, kind: str, columns: list[str]) -> None:
        self._df = df
        self._kind = kind
        self._columns = columns

    def __repr__(self) -> str:
        return f"{self._kind} of {', '.join(self._columns)}"

    def display(self) -> None:
        """Show it in the cell."""
        pyplot = _pyplot()
        figure, axes = pyplot.subplots(figsize=(6, 3))
        first = self._df[self._columns[0]]
        if self._kind == "histogram":
            axes.hist(first.dropna(), bins=20)
        elif self._kind == "bar":
            counts = first.value_counts().head(20)
            axes.barh([str(name) for name in counts.index], counts.values)
        else:
            axes.scatter(first, self._df[self._columns[1]], s=12, alpha=0.7)
        axes.set_title(repr(self))
        pyplot.show()
        pyplot.close(figure)


def quickchart(df: Any) -> list[MplChart]:
    """Show charts that a pandas DataFrame may be looked at with, and give them."""
    _pyplot()
    charts = list(_charts(df))
    for chart in charts:
        chart.display()
    return charts


def get_df(name: str) -> NoReturn:
    """Colab finds the tables behind its suggestions so; there are none here."""
    raise ValueError(
        f"There is no table {name!r}: suggestions are Colab's own. Use quickchart(df)."
    )


def _charts(df: Any) -> Iterator[MplChart]:
    numbers = [str(name) for name in df.select_dtypes("number").columns][:_COLUMNS]
    words = [name for name in map(str, df.columns) if name not in numbers]
    for name in numbers:
        yield MplChart(df, "histogram", [name])
    for name in words[:_COLUMNS]:
        yield MplChart(df, "bar", [name])
    for pair in zip(numbers, numbers[1:]):  # noqa: B905, RUF007
        yield MplChart(df, "scatter", list(pair))


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("Charts are matplotlib's: %pip install matplotlib") from None
    return pyplot
