"""CSV and TSV, plain or packed with gzip or zstd: DuckDB reads them as they are.

How a file is written, it finds out from its first 20,480 rows, and would each time that a query is
planned. So it is asked once (`sniff`), and told with each query from then on (`settled`).
"""

from __future__ import annotations

from collections.abc import Mapping
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


def settled(files: Files, found: Mapping[str, Any]) -> list[str]:
    """As `arguments`, and what `sniff` found out: nothing is left to guess."""
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
    columns = struct({str(each["name"]): str(each["type"]) for each in found["Columns"]})
    return ["auto_detect=false", *own, *told, f"columns={columns}"]


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
