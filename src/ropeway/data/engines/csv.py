"""CSV and TSV, plain or packed with gzip or zstd: DuckDB reads them as they are.

How a file is written, it finds out from its first 20,480 rows, and would each time that a query is
planned. So it is asked once (`sniff`), and told with each query from then on (`settled`).

Half of the time goes into making values of texts. Columns that do not decide which rows count are
read as texts, and only the rows that are left are converted (`late`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ropeway.data.files import Files, quoted

OPTIONS = {"delimiter": "delim", "quote": "quote", "null": "nullstr", "encoding": "encoding"}
"""Our options that are texts, and what DuckDB calls them."""


def arguments(files: Files) -> list[str]:
    """What `read_csv` is told beyond the paths."""
    given = files.options
    told = [f"{theirs}={quoted(given[ours])}" for ours, theirs in OPTIONS.items() if ours in given]
    if "header" in given:
        told.append(f"header={str(given['header']).lower()}")
    if "skip" in given:
        told.append(f"skip={given['skip']}")
    if types := given.get("columns"):
        told.append(f"types={struct(types)}")
    return told


def sniff(files: Files) -> str:
    """The query that says how the one file is written; empty for several."""
    if len(files.paths) != 1 or files.hive:
        return ""
    asked = ", ".join((*_SNIFFED, *_FORMATS, "SkipRows", "HasHeader", "Columns"))
    told = ", ".join([quoted(str(files.paths[0])), *arguments(files)])
    return f"select {asked} from sniff_csv({told})"  # noqa: S608  # quoted


def settled(
    files: Files, found: Mapping[str, Any], texts: Collection[str] = frozenset()
) -> list[str]:
    """As `arguments`, and what `sniff` found out: nothing is left to guess. The columns `texts`
    are read as texts."""
    own = [each for each in arguments(files) if not each.startswith("types=")]
    named = {each.partition("=")[0] for each in own}
    told = [
        f"{name}={value}"
        for name, value in (
            *((name, quoted(_text(found[word]))) for word, name in _SNIFFED.items()),
            ("skip", int(found["SkipRows"])),
            ("header", str(bool(found["HasHeader"])).lower()),
        )
        if name not in named
    ]
    told += [f"{name}={quoted(str(found[word]))}" for word, name in _FORMATS.items() if found[word]]
    kinds = _kinds(found)
    columns = struct({name: "VARCHAR" if name in texts else kinds[name] for name in kinds})
    return ["auto_detect=false", *own, *told, f"columns={columns}"]


def late(found: Mapping[str, Any], deciding: Collection[str]) -> dict[str, str]:
    """The columns that may be read as texts and converted behind a filter of the columns
    `deciding` (in small letters), with their types: a cast gives what the reader would give."""
    formatted = {kind for kind, word in _FORMATTED.items() if found[word]}
    return {
        name: kind
        for name, kind in _kinds(found).items()
        if kind in _LATE - formatted and name.lower() not in deciding
    }


def _kinds(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(each["name"]): str(each["type"]) for each in found["Columns"]}


_LATE = frozenset({"BIGINT", "BOOLEAN", "DATE", "DOUBLE", "INTEGER", "TIME", "TIMESTAMP"})
"""Types of which a cast of a text gives what the reader gives."""

_FORMATTED = {"DATE": "DateFormat", "TIMESTAMP": "TimestampFormat"}
"""Unless the file writes them in its own way."""


_SNIFFED = {
    "Delimiter": "delim",
    "Quote": "quote",
    "Escape": "escape",
    "NewLineDelimiter": "new_line",
    "Comment": "comment",
}
_FORMATS = {"DateFormat": "dateformat", "TimestampFormat": "timestampformat"}


def _text(found: Any) -> str:
    return "" if found == "(empty)" else str(found)


def struct(types: dict[str, str]) -> str:
    """Columns and their types as a struct of SQL."""
    return "{" + ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items()) + "}"
