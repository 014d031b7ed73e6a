"""`google.colab.sheets`: a sheet of Google's, through the user's own `gspread`."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["InteractiveSheet"]

_SCOPES = [f"https://www.googleapis.com/auth/{name}" for name in ("spreadsheets", "drive")]


class InteractiveSheet:
    """A sheet: an existing one by `url` or `sheet_id` or `title`, or a new one.

    It needs gspread and credentials (`google.colab.auth`); `df` is written into it. A page of
    Google's cannot be shown in another page, so `display` shows a link.
    """

    def __init__(
        self,
        *,
        title: str = "",
        url: str = "",
        sheet_id: str = "",
        df: Any = None,
        worksheet_id: int | None = None,
        worksheet_name: str = "",
        credentials: Any = None,
        include_column_headers: bool = True,
        display: bool = True,
        backend: str = "pandas",
    ) -> None:
        if backend not in ("pandas", "polars"):
            raise ValueError(f"backend is 'pandas' or 'polars', not {backend!r}.")
        self._backend = backend
        self._headers = include_column_headers
        self._sheet = _open(_client(credentials), title, url, sheet_id)
        if worksheet_name:
            self.worksheet = self._sheet.worksheet(worksheet_name)
        else:
            self.worksheet = self._sheet.get_worksheet_by_id(worksheet_id or 0)
        if df is not None:
            self.update(df)
        if display:
            self.display()

    @property
    def url(self) -> str:
        """Where the sheet is."""
        return f"{self._sheet.url}#gid={self.worksheet.id}"

    def as_df(self) -> Any:
        """The sheet as a DataFrame."""
        rows = self.worksheet.get_all_values()
        names = rows[0] if rows and self._headers else None
        rows = rows[1:] if names else rows
        if self._backend == "polars":
            return importlib.import_module("polars").DataFrame(rows, schema=names, orient="row")
        return importlib.import_module("pandas").DataFrame(rows, columns=names)

    def update(self, df: Any) -> None:
        """Replace what is in the sheet by a DataFrame."""
        names = [[str(name) for name in df.columns]] if self._headers else []
        rows = df.rows() if hasattr(df, "rows") else df.astype(object).values.tolist()
        self.worksheet.clear()
        self.worksheet.update(names + [list(row) for row in rows])

    def display(self) -> None:
        """Show a link to the sheet."""
        from html import escape

        from IPython.display import HTML, display

        display(HTML(f'<a href="{escape(self.url)}" target="_blank">{escape(self.url)}</a>'))


def _client(credentials: Any) -> Any:
    try:
        gspread = importlib.import_module("gspread")
    except ImportError:
        raise ImportError(
            "google.colab.sheets works through the package gspread: %pip install gspread"
        ) from None
    if credentials is None:
        from ropeway.kernel.colab import auth

        auth.authenticate_user()
        credentials, _ = importlib.import_module("google.auth").default(scopes=_SCOPES)
    return gspread.authorize(credentials)


def _open(client: Any, title: str, url: str, sheet_id: str) -> Any:
    if url:
        return client.open_by_url(url)
    if sheet_id:
        return client.open_by_key(sheet_id)
    try:
        return client.open(title)
    except importlib.import_module("gspread").SpreadsheetNotFound:
        return client.create(title or "Untitled spreadsheet")
