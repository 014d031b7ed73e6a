"""The catalog: which datasets were added, as written in `ropeway.toml`.

    [datasets.sales]
    source = "data/sales.csv"

A relative source counts from the folder of that file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import tomlkit
from tomlkit.exceptions import TOMLKitError

from ropeway import config
from ropeway.data.sources import Files, expand
from ropeway.errors import BadInput, NameTaken, UnknownDataset

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset as it was written down; `base` is the folder that its source counts from."""

    name: str
    source: str
    base: Path

    def files(self) -> Files:
        """What the source means now. Raises `NotFound` or `BadInput`."""
        return expand(self.source, self.base)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The datasets of one project. `path` is its `ropeway.toml`, None where there is none."""

    path: Path | None
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Entry:
        """The entry `name`, or `UnknownDataset` with the names that exist."""
        if name not in self.entries:
            raise unknown(name, self.entries)
        return self.entries[name]


def load(start: Path) -> Catalog:
    """The catalog in force in the folder `start`.

    Raises `BadInput` naming the file and the key that is wrong.
    """
    path = config.find_project(start)
    if path is None:
        return Catalog(None)
    table = config.read_project(path).get("datasets", {})
    if not isinstance(table, dict):
        raise BadInput(f"{path}: datasets is {table!r}, but a table is wanted.", hint=_SHAPE)
    return Catalog(path, {name: _entry(path, name, body) for name, body in table.items()})


def add(start: Path, name: str, source: str, *, cwd: Path | None = None) -> Entry:
    """Write the dataset `name` into the nearest `ropeway.toml`, or into a new one in `start`.

    A relative `source` counts from `cwd` (default `start`), as it does in a shell, and is
    written relative to the file. Raises `BadInput`, `NotFound` or `NameTaken`; then nothing
    was written.
    """
    check_name(name)
    base = (cwd or start).resolve()
    given = Path(source).expanduser()
    expand(source, base)
    path = config.find_project(start) or start.resolve() / config.PROJECT_FILE
    written = source if given.is_absolute() else _relative(base / given, path.parent)
    with config.one_writer(path.parent):
        known = load(start).entries
        if name in known:
            raise NameTaken(
                f"The dataset {name} exists already: {known[name].source}.",
                hint=f"Choose another name, or remove it first: ropeway data rm {name}.",
            )
        document = _document(path)
        datasets = document.setdefault("datasets", tomlkit.table(is_super_table=True))
        body = tomlkit.table()
        body["source"] = written
        datasets[name] = body
        _write(path, document)
    return Entry(name, written, path.parent)


def remove(start: Path, name: str) -> None:
    """Take the dataset out of `ropeway.toml`; its files stay. Raises `UnknownDataset`."""
    path = config.find_project(start)
    with config.one_writer(path.parent if path else start):
        catalog = load(start)
        _ = catalog[name]
        assert catalog.path is not None
        document = _document(catalog.path)
        del document["datasets"][name]
        if not document["datasets"]:
            del document["datasets"]
        _write(catalog.path, document)


def check_name(name: str) -> None:
    """Raises `BadInput` unless `name` can stand in SQL without quotes."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be the name of a dataset.",
            hint="A name starts with a small letter; then letters, digits and _, 63 at most.",
        )
    if name in _keywords():
        raise BadInput(
            f"{name!r} cannot be the name of a dataset: it is a word of SQL.",
            hint=f"For example {name}_data can.",
        )


def unknown(name: str, known: Mapping[str, Any]) -> UnknownDataset:
    """The error for a dataset that was never added; it lists those that were."""
    listed = sorted(known)
    found = f"Added are: {', '.join(listed)}." if listed else "None was added yet."
    return UnknownDataset(
        f"There is no dataset {name!r} at home. {found}",
        hint="Add it at home: ropeway data add NAME SOURCE.",
        dataset=name,
        datasets=listed,
    )


_SHAPE = 'It reads: [datasets.sales] and below it source = "data/sales.csv".'


def _entry(path: Path, name: str, body: Any) -> Entry:
    key = f"{path}: datasets.{name}"
    try:
        check_name(name)
    except BadInput as error:
        raise BadInput(f"{key}: {error.message}", hint=error.hint) from None
    if not isinstance(body, dict):
        raise BadInput(f"{key} is {body!r}, but a table is wanted.", hint=_SHAPE)
    source = body.get("source")
    if not isinstance(source, str) or not source:
        raise BadInput(f"{key}.source is {source!r}, but a text is wanted.", hint=_SHAPE)
    if strange := sorted(set(body) - {"source"}):
        raise BadInput(f"{key}.{strange[0]} is not known.", hint="A dataset has one key: source.")
    return Entry(name, source, path.parent)


def _document(path: Path) -> tomlkit.TOMLDocument:
    if not path.exists():
        return tomlkit.document()
    try:
        return tomlkit.parse(path.read_text("utf-8"))
    except TOMLKitError as error:
        raise BadInput(f"{path} is not valid TOML: {error}.") from error


def _write(path: Path, document: tomlkit.TOMLDocument) -> None:
    """Replaces the file in one step: it holds settings that a broken write must not lose."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fresh.write_text(tomlkit.dumps(document), "utf-8")
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error


def _relative(place: Path, folder: Path) -> str:
    return Path(os.path.relpath(place, folder)).as_posix()


@cache
def _keywords() -> frozenset[str]:
    """The words that this version of the engine does not take as a plain table name."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(str(row[0]) for row in rows)
