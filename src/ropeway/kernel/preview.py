"""The first rows of a result, as a cell shows them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from typing import Any

from ropeway import wire
from ropeway.errors import MissingPackage
from ropeway.kernel.arrow import package

ROWS = 10
CHARS = 80


@dataclass(frozen=True)
class Preview:
    """Columns, and the first rows as short texts; `more` says that others follow."""

    columns: tuple[wire.Column, ...]
    rows: tuple[tuple[str, ...], ...]
    more: bool

    @classmethod
    def of_pieces(cls, pieces: list[Any]) -> Preview | None:
        """From the beginning of an Arrow stream; None where nobody here can read it."""
        try:
            pa = package("pyarrow")
            with pa.ipc.open_stream(io.BytesIO(b"".join(pieces))) as reader:
                batch = reader.read_next_batch().slice(0, ROWS)
        except (MissingPackage, StopIteration, ValueError, OSError):
            return None
        columns = tuple(wire.Column(each.name, str(_type(pa, each))) for each in batch.schema)
        texts = [[_text(value) for value in column] for column in batch.columns]
        return cls(columns, tuple(zip(*texts, strict=True)), more=True)

    def text(self) -> str:
        """As lines of plain text."""
        rows = [tuple(column.name for column in self.columns), *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        return "\n".join([*(line.rstrip() for line in lines), *(["…"] if self.more else [])])

    def html(self) -> str:
        """As a table."""
        head = "".join(
            f'<th title="{escape(column.type)}">{escape(column.name)}</th>'
            for column in self.columns
        )
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>"
            for row in self.rows
        )
        if self.more:
            rows += f'<tr><td colspan="{len(self.columns)}">…</td></tr>'
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _type(pa: Any, field: Any) -> Any:
    kind = field.type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text(value: Any) -> str:
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):
        plain = value
    text = "NULL" if plain is None else str(plain)
    return text if len(text) <= CHARS else text[: CHARS - 1] + "…"
