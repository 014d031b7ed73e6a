"""`google.colab.widgets`: outputs side by side, as tabs or in a grid.

Each is one display, HTML without a script, that is updated as its parts change: a saved notebook,
a page that comes back and every other front end show it. Widgets and what draws itself by a script
of its own are no part of it; they stand behind it.
"""

from __future__ import annotations

import contextlib
import html
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ropeway.kernel.colab import _html, data_table
from ropeway.kernel.colab.errors import WidgetException
from ropeway.kernel.colab.output._diverted import diverted, drawn, shell

__all__ = ["Grid", "InteractiveTable", "TabBar", "WidgetException", "create_grid"]

_MOMENT = 0.3
"""Seconds between two updates: each sends all of it again."""

_WIDGET = "application/vnd.jupyter.widget-view+json"


class _Part:
    """What one tab or cell shows: by display id, printed text under an empty one."""

    def __init__(self) -> None:
        self._pieces: list[tuple[str, Any]] = []

    def write(self, text: str) -> None:
        """More printed text."""
        if self._pieces and not self._pieces[-1][0]:
            text = self._pieces.pop()[1] + text
        self._pieces.append(("", drawn(text)))

    def display(self, number: str, data: dict[str, Any]) -> None:
        """Something displayed, or once more under the same id."""
        if self.knows(number):
            self._pieces = [(each, data if each == number else old) for each, old in self._pieces]
        else:
            self._pieces.append((number or uuid.uuid4().hex, data))

    def knows(self, number: str) -> bool:
        """Whether it displays something under that id."""
        return bool(number) and any(each == number for each, _ in self._pieces)

    def clear(self) -> None:
        """Show nothing."""
        self._pieces = []

    def html(self) -> str:
        """All of it."""
        made = (_html.of(each) if number else _html.printed(each) for number, each in self._pieces)
        return "".join(f"<div>{each}</div>" for each in made)


class _Parts:
    """Parts that are one display."""

    def __init__(self, count: int) -> None:
        self._parts = [_Part() for _ in range(count)]
        self._display = f"rw-{uuid.uuid4().hex}"
        self._shown_at: float | None = None
        self._current: int | None = None

    def remove(self, wait: bool = False) -> None:
        """Take it away."""
        if self._shown_at is not None:
            shell().display_pub.publish(
                {}, {}, transient={"display_id": self._display}, update=True
            )

    @contextlib.contextmanager
    def _output_to(self, part: int) -> Iterator[None]:
        if self._current is not None:
            raise WidgetException("Outputs go to another part of this widget already.")
        if self._shown_at is None:
            self._show()
        self._current = part
        try:
            with diverted(self._write, self._take):
                yield
        finally:
            self._current = None
            self._show()

    def _write(self, text: str) -> None:
        assert self._current is not None
        self._parts[self._current].write(text)
        self._show_soon()

    def _take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        content, kind = message["content"], message["header"]["msg_type"]
        number = content.get("transient", {}).get("display_id", "")
        assert self._current is not None
        part = self._parts[self._current]
        if kind == "clear_output":
            part.clear()
        elif number == self._display or _WIDGET in content["data"]:
            return message
        elif kind == "display_data" or part.knows(number):
            part.display(number, content["data"])
        else:
            return message
        self._show_soon()
        return None

    def _show_soon(self) -> None:
        if self._shown_at is None or time.monotonic() - self._shown_at > _MOMENT:
            self._show()

    def _show(self) -> None:
        update, self._shown_at = self._shown_at is not None, time.monotonic()
        data = {"text/html": self._html(), "text/plain": repr(self)}
        transient = {"display_id": self._display}
        shell().display_pub.publish(data, {}, transient=transient, update=update)

    def _html(self) -> str:
        raise NotImplementedError


_SIDES = ("top", "bottom", "start", "end")
"""Where Colab's tabs may be; at the start and the end they stand above, or below."""


class TabBar(_Parts):
    """Outputs of which one is seen at a time, chosen by its name."""

    def __init__(self, tab_names: Sequence[str], location: str = "top") -> None:
        if location not in _SIDES:
            raise ValueError(f"Invalid location {location!r}; valid are {', '.join(_SIDES)}")
        super().__init__(len(tab_names))
        self.tab_names = list(tab_names)
        self.location = location
        self._selected = 0

    def __iter__(self) -> Iterator[int]:
        """Each tab's index, while outputs go to it."""
        for index in range(len(self.tab_names)):
            with self.output_to(index):
                yield index

    @contextlib.contextmanager
    def output_to(self, tab: int | str, select: bool = True) -> Iterator[None]:
        """Outputs go to a tab, by its index or name, which is seen from now on if `select`.

        Raises `ValueError` where no tab, or more than one, has that name.
        """
        index = self._index(tab)
        if select:
            self._selected = index
        with self._output_to(index):
            yield

    def clear_tab(self, tab: int | str | None = None) -> None:
        """Empty a tab: the one that outputs go to, or by its index or name."""
        if tab is None and self._current is None:
            raise WidgetException("Outputs go to no tab; name the one to clear.")
        self._parts[self._current if tab is None else self._index(tab)].clear()  # type: ignore[index]
        self._show()

    def _index(self, tab: int | str) -> int:
        if isinstance(tab, str):
            if self.tab_names.count(tab) != 1:
                few = "There is no" if tab not in self.tab_names else "There is more than one"
                raise ValueError(f"{few} tab {tab!r}")
            return self.tab_names.index(tab)
        if not 0 <= tab < len(self.tab_names):
            raise ValueError(f"There is no tab {tab}: there are {len(self.tab_names)}")
        return tab

    def __repr__(self) -> str:
        return f"TabBar({self.tab_names!r})"

    def _html(self) -> str:
        name = self._display
        tabs = "".join(
            f'<input type="radio" name="{name}" id="{name}-{i}"'
            f"{' checked' if i == self._selected else ''}>"
            f'<label for="{name}-{i}">{html.escape(str(each))}</label>'
            for i, each in enumerate(self.tab_names)
        )
        chosen = "".join(
            f"#{name}-{i}:checked~section:nth-of-type({i + 1})"
            f"{',' if i + 1 < len(self.tab_names) else ''}"
            for i in range(len(self.tab_names))
        )
        first = self.location in ("top", "start")
        sections = "".join(f"<section>{part.html()}</section>" for part in self._parts)
        style = (
            f"#{name}{{display:flex;flex-wrap:wrap;position:relative}}"
            f"#{name}>input{{position:absolute;opacity:0}}"
            f"#{name}>label{{padding:6px 14px;cursor:pointer;order:{1 if first else 3};"
            "border-bottom:2px solid transparent}"
            f"#{name}>input:checked+label{{border-color:currentColor;font-weight:600}}"
            f"#{name}>input:focus-visible+label{{outline:2px solid}}"
            f"#{name}>section{{display:none;order:2;width:100%;padding:6px 0;overflow-x:auto}}"
            f"{chosen}{{display:block}}"
        )
        return f'<style>{style}</style><div id="{name}">{tabs}{sections}</div>'


class Grid(_Parts):
    """Outputs in rows and columns."""

    def __init__(
        self,
        rows: int,
        columns: int,
        header_row: bool = False,
        header_column: bool = False,
        style: str = "",
    ) -> None:
        super().__init__(rows * columns)
        self.rows, self.columns = rows, columns
        self._heads = header_row, header_column
        self._style = style

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Each cell's row and column, while outputs go to it."""
        for index in range(self.rows * self.columns):
            row, col = divmod(index, self.columns)
            with self.output_to(row, col):
                yield row, col

    @contextlib.contextmanager
    def output_to(self, row: int, col: int) -> Iterator[None]:
        """Outputs go to a cell. Raises `ValueError` where there is none."""
        with self._output_to(self._index(row, col)):
            yield

    def clear_cell(self, row: int | None = None, col: int | None = None) -> None:
        """Empty a cell: the one that outputs go to, or by its row and column."""
        if row is None or col is None:
            if self._current is None:
                raise WidgetException("Outputs go to no cell; name the one to clear.")
            self._parts[self._current].clear()
        else:
            self._parts[self._index(row, col)].clear()
        self._show()

    def _index(self, row: int, col: int) -> int:
        if not (0 <= row < self.rows and 0 <= col < self.columns):
            raise ValueError(
                f"There is no cell {row}, {col}: there are {self.rows} x {self.columns}"
            )
        return row * self.columns + col

    def __repr__(self) -> str:
        return f"Grid({self.rows}, {self.columns})"

    def _html(self) -> str:
        name, lines = self._display, []
        for row in range(self.rows):
            cells = ""
            for col in range(self.columns):
                head = (self._heads[0] and row == 0) or (self._heads[1] and col == 0)
                tag = "th" if head else "td"
                cells += f"<{tag}>{self._parts[self._index(row, col)].html()}</{tag}>"
            lines.append(f"<tr>{cells}</tr>")
        style = (
            f"<style>#{name} :is(td,th){{text-align:left;vertical-align:top}}{self._style}</style>"
        )
        return f'{style}<table id="{name}">{"".join(lines)}</table>'


class InteractiveTable:
    """A dataframe as `data_table` shows it."""

    def __init__(self, df: Any = None) -> None:
        self.df = df

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if self.df is None:
            return {"text/plain": "InteractiveTable()"}
        return data_table.DataTable(self.df)._repr_mimebundle_()


def create_grid(
    row_data: Sequence[Any],
    col_data: Sequence[Any],
    render: Callable[[Any, Any], Any],
    header_render: Callable[[Any], Any] | None = None,
    header_row: bool = True,
    header_column: bool = True,
) -> Grid:
    """A grid in which `render(row, column)` has shown each cell, `header_render` the heads."""
    top, left = int(header_row), int(header_column)
    grid = Grid(len(row_data) + top, len(col_data) + left, header_row, header_column)
    head: Callable[[Any], Any] = header_render or print
    for j, column in enumerate(col_data if header_row else ()):
        with grid.output_to(0, j + left):
            head(column)
    for i, row in enumerate(row_data):
        if header_column:
            with grid.output_to(i + top, 0):
                head(row)
        for j, column in enumerate(col_data):
            with grid.output_to(i + top, j + left):
                render(row, column)
    return grid
