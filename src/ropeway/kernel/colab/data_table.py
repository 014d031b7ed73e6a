"""`google.colab.data_table`: tables that are sorted, filtered and leafed through in the page.

The table stands in the output as plain HTML, which a small script beside it makes interactive: in
a saved notebook, in an untrusted one and in every other front end its first page is there.
"""

from __future__ import annotations

import html
import importlib
import json
import uuid
from typing import Any, ClassVar

__all__ = [
    "DataTable",
    "disable_dataframe_formatter",
    "enable_dataframe_formatter",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_SCRIPT = """
(root => {
  const { heads, rows, page } = JSON.parse(root.querySelector('[type="application/json"]').text);
  const table = root.querySelector('table'), bar = document.createElement('div');
  const make = (tag, text, to) => {
    const made = to.appendChild(document.createElement(tag));
    made.textContent = text;
    return made;
  };
  const shown = value => (value === null ? '' : String(value));
  const order = (a, b) =>
    a === b ? 0 : a === null ? 1 : b === null ? -1
    : typeof a === 'number' && typeof b === 'number' ? a - b
    : shown(a).localeCompare(shown(b));
  let by = -1, down = false, at = 0, found = rows;
  const filter = make('input', '', bar);
  filter.placeholder = 'Filter';
  filter.setAttribute('aria-label', 'Filter');
  const back = make('button', '‹', bar), forth = make('button', '›', bar);
  const where = make('span', '', bar);
  back.setAttribute('aria-label', 'Previous page');
  forth.setAttribute('aria-label', 'Next page');
  const look = () => {
    const word = filter.value.toLowerCase();
    found = rows.filter(row => row.some(each => shown(each).toLowerCase().includes(word)));
    if (by >= 0) {
      const turned = (a, b) => (down && a !== null && b !== null ? order(b, a) : order(a, b));
      found.sort((a, b) => turned(a[by], b[by]));
    }
    at = 0;
    draw();
  };
  const draw = () => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    heads.forEach((name, column) => {
      const cell = make('th', '', head);
      const sort = make('button', name + (by === column ? (down ? ' ▾' : ' ▴') : ''), cell);
      cell.setAttribute('aria-sort', by === column ? (down ? 'descending' : 'ascending') : 'none');
      sort.onclick = () => {
        down = by === column && !down;
        by = column;
        look();
      };
    });
    const body = table.createTBody();
    for (const row of found.slice(at, at + page)) {
      const line = body.insertRow();
      row.forEach(value => make('td', shown(value), line));
    }
    const end = Math.min(at + page, found.length);
    where.textContent = ` ${found.length ? at + 1 : 0} to ${end} of ${found.length} `;
    back.disabled = at === 0;
    forth.disabled = end === found.length;
  };
  filter.oninput = look;
  back.onclick = () => { at = Math.max(0, at - page); draw(); };
  forth.onclick = () => { at += page; draw(); };
  root.insertBefore(bar, table);
  draw();
})(document.getElementById('%s'));
"""

_STYLE = """
#{id} th button{{all:unset;cursor:pointer;font-weight:inherit;white-space:nowrap}}
#{id} th button:focus-visible{{outline:2px solid}}
#{id} td,#{id} th{{text-align:right;padding:4px 8px;min-width:{width}}}
#{id}{{overflow-x:auto}}
"""


class DataTable:
    """A dataframe as an interactive table; its attributes are what holds where nothing is said."""

    include_index: ClassVar[bool] = True
    num_rows_per_page: ClassVar[int] = 25
    max_rows: ClassVar[int] = 20_000
    max_columns: ClassVar[int] = 20
    min_width: ClassVar[str] = "auto"

    def __init__(
        self,
        dataframe: Any,
        include_index: bool | None = None,
        num_rows_per_page: int | None = None,
        max_rows: int | None = None,
        max_columns: int | None = None,
        min_width: int | str | None = None,
    ) -> None:
        def said(value: Any, usual: Any) -> Any:
            return usual if value is None else value

        self._frame = dataframe
        self._index = said(include_index, self.include_index)
        self._page = max(1, said(num_rows_per_page, self.num_rows_per_page))
        self._rows = said(max_rows, self.max_rows)
        self._columns = said(max_columns, self.max_columns)
        width = said(min_width, self.min_width)
        self._width = f"{width}px" if isinstance(width, int) else str(width)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self._frame), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        number = f"rw-{uuid.uuid4().hex}"
        frame = self._frame.iloc[: self._rows, : self._columns]
        split = json.loads(frame.to_json(orient="split", date_format="iso", default_handler=str))
        rows, heads = split["data"], [_name(each) for each in frame.columns]
        if self._index:
            heads = ["", *heads]
            rows = [[_value(at), *row] for at, row in zip(split["index"], rows)]  # noqa: B905
        rows = [[_value(each) for each in row] for row in rows]
        told = json.dumps({"heads": heads, "rows": rows, "page": self._page}).replace(
            "<", "\\u003c"
        )
        style = _STYLE.format(id=number, width=html.escape(self._width))
        return (
            f'<style>{style}</style><div id="{number}">'
            f"{frame.head(self._page).to_html(index=self._index, border=0)}"
            f'<script type="application/json">{told}</script>{self._left_out()}'
            f"</div><script>{_SCRIPT % number}</script>"
        )

    def _left_out(self) -> str:
        rows, columns = self._frame.shape
        if rows <= self._rows and columns <= self._columns:
            return ""
        shown = f"{min(rows, self._rows):,} x {min(columns, self._columns)}"
        return f"<p>Shown are the first {shown} of {rows:,} x {columns} values.</p>"


def enable_dataframe_formatter() -> None:
    """Show every dataframe of pandas as a `DataTable` from now on."""
    _formatter().for_type(_frame(), lambda frame: DataTable(frame)._repr_html_())


def disable_dataframe_formatter() -> None:
    """Show dataframes as pandas does."""
    _formatter().pop(_frame(), None)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext google.colab.data_table`."""
    enable_dataframe_formatter()


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext google.colab.data_table`."""
    disable_dataframe_formatter()


def _frame() -> Any:
    return importlib.import_module("pandas").DataFrame


def _formatter() -> Any:
    from IPython import get_ipython

    shell: Any = get_ipython()
    return shell.display_formatter.formatters["text/html"]


def _name(column: Any) -> str:
    return ", ".join(map(str, column)) if isinstance(column, tuple) else str(column)


def _value(value: Any) -> Any:
    """What a cell of the table shows, and is sorted by."""
    plain = value is None or isinstance(value, (str, int, float, bool))
    return value if plain else json.dumps(value, ensure_ascii=False)
