"""The catalog: which datasets were added, as written in `ropeway.toml`.

    [datasets.sales]
    source = "data/sales.csv"

A relative source counts from the folder of that file. What else may stand there is in `options`.
Below a dataset may stand its `policy`, and `[policy.CLASS]` is the policy of datasets that have
none of their own: see `ropeway.data.policy`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import tomlkit
from tomlkit.exceptions import TOMLKitError

from ropeway import config
from ropeway.data import options, passwords
from ropeway.data.lines import line_of
from ropeway.data.shelf import Shelf
from ropeway.data.sources import Database, Files, columns, expand, is_url
from ropeway.errors import BadInput, NameTaken, RopewayError, UnknownDataset
from ropeway.wire import Column

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

_OWN = ("source", "policy")
"""What stands in a dataset's table besides its options."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset as it was written down, or put; `base` is where its source counts from."""

    name: str
    source: str
    base: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    """`[datasets.NAME.policy]` as it stands there."""
    put: bool = False
    """Whether a kernel put it; then it is in no file."""

    def open(self) -> Files | Database:
        """What the source means now: see `sources.expand`, which says what is raised."""
        return expand(self.source, self.base, self.options)

    def files(self) -> Files:
        """What the source means now, where it is files. Raises `BadInput` for a database."""
        found = self.open()
        if isinstance(found, Database):
            raise BadInput("Its source is a database.")
        return found


@dataclass(frozen=True, slots=True)
class Catalog:
    """The datasets of one project. `path` is its `ropeway.toml`, None where there is none."""

    path: Path | None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    """`[policy.CLASS]` as it stands there: what holds where a dataset says nothing."""

    def sources(self) -> list[str]:
        """The datasets that a person added; the others were put by kernels."""
        return [name for name, entry in self.entries.items() if not entry.put]

    def __getitem__(self, name: str) -> Entry:
        """The entry `name`, or `UnknownDataset` with the names that exist."""
        if name not in self.entries:
            raise unknown(name, self.entries)
        return self.entries[name]

    def at(self, *keys: str) -> str:
        """Where a key stands, for an error: `ropeway.toml:12: datasets.sales.policy`."""
        assert self.path is not None
        return at(self.path, *keys)


def load(start: Path) -> Catalog:
    """The catalog in force in the folder `start`.

    Raises `BadInput` naming the file, the line and the key that is wrong.
    """
    path = config.find_project(start)
    if path is None:
        return Catalog(None, _put(shelf(start)))
    project = config.read_project(path)
    table, policy = project.get("datasets", {}), project.get("policy", {})
    if not isinstance(table, dict):
        raise BadInput(f"{at(path, 'datasets')} is {table!r}, but a table is wanted.", hint=_SHAPE)
    _check_policy(path, ("policy",), policy)
    entries = {name: _entry(path, name, body) for name, body in table.items()}
    return Catalog(path, _put(shelf(start)) | entries, policy)


def shelf(start: Path) -> Shelf:
    """What kernels put: beside the `ropeway.toml` that is in force in `start`, else there."""
    path = config.find_project(start)
    return Shelf(path.parent if path else start.resolve())


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` wrote, and what it found there."""

    entry: Entry
    found: Files | Database
    columns: tuple[Column, ...]
    kept: str = ""
    """Where the password of the source was put, '' where it had none."""


def add(
    start: Path,
    name: str,
    source: str,
    given: Mapping[str, Any] | None = None,
    *,
    cwd: Path | None = None,
) -> Added:
    """Write the dataset `name` into the nearest `ropeway.toml`, or into a new one in `start`.

    A relative `source` counts from `cwd` (default `start`), as it does in a shell, and is
    written relative to the file. A password in a URL is kept elsewhere. The source is opened
    first. Raises `BadInput`, `NameTaken` and what `expand` does; then nothing was written.
    """
    check_name(name)
    given = dict(given or {})
    for key, value in given.items():
        if wrong := options.check(key, value):
            raise BadInput(f"The option {key} {wrong}")
    base = (cwd or start).resolve()
    path = config.find_project(start) or start.resolve() / config.PROJECT_FILE
    public, taken = passwords.split(source) if is_url(source) else (source, {})
    known = load(start).entries
    if name in known:
        raise _taken(known[name])
    kept = passwords.keep(public, taken) if taken else ""
    try:
        found = expand(public, base, given)
        seen = columns(found)
    except RopewayError as error:
        error.message = f"{public}: {error.message}"
        raise
    far = is_url(source) or Path(source).expanduser().is_absolute()
    written = public if far else _relative(base / Path(source).expanduser(), path.parent)
    entry = Entry(name, written, path.parent, given)
    _append(start, path, entry)
    return Added(entry, found, seen, kept)


def _append(start: Path, path: Path, entry: Entry) -> None:
    with config.one_writer(path.parent):
        known = load(start).entries
        if entry.name in known:
            raise _taken(known[entry.name])
        document = _document(path)
        datasets = document.setdefault("datasets", tomlkit.table(is_super_table=True))
        body = tomlkit.table()
        for key, value in {"source": entry.source, **entry.options}.items():
            if isinstance(value, Mapping):
                inline = tomlkit.inline_table()
                inline.update(value)
                value = inline
            body[key] = value
        datasets[entry.name] = body
        _write(path, document)


def _taken(entry: Entry) -> NameTaken:
    return NameTaken(
        f"The dataset {entry.name} exists already: {entry.source}.",
        hint=f"Choose another name, or remove it first: ropeway data rm {entry.name}.",
    )


def remove(start: Path, name: str) -> None:
    """Take the dataset out of `ropeway.toml`; its files stay. Raises `UnknownDataset`."""
    path = config.find_project(start)
    with config.one_writer(path.parent if path else start):
        catalog = load(start)
        if catalog[name].put:
            raise BadInput(
                f"{name} was not added, but put by a notebook.",
                hint=f"Remove its folder: {Path(catalog[name].source).parent}.",
            )
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


def unknown(name: str, known: Iterable[str]) -> UnknownDataset:
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


def at(path: Path, *keys: str) -> str:
    """Where a key stands in a `ropeway.toml`, for an error: file, line and key."""
    line = line_of(path.read_text("utf-8"), keys)
    return f"{path}:{line}: {'.'.join(keys)}" if line else f"{path}: {'.'.join(keys)}"


def _entry(path: Path, name: str, body: Any) -> Entry:
    keys = ("datasets", name)
    try:
        check_name(name)
    except BadInput as error:
        raise BadInput(f"{at(path, *keys)}: {error.message}", hint=error.hint) from None
    if not isinstance(body, dict):
        raise BadInput(f"{at(path, *keys)} is {body!r}, but a table is wanted.", hint=_SHAPE)
    given = {key: value for key, value in body.items() if key not in _OWN}
    for key, value in given.items():
        if wrong := options.check(key, value):
            raise BadInput(f"{at(path, *keys, key)} {wrong}")
    source = body.get("source")
    if not isinstance(source, str) or not source:
        where = at(path, *keys, "source") if "source" in body else f"{at(path, *keys)}.source"
        raise BadInput(f"{where} is {source!r}, but a text is wanted.", hint=_SHAPE)
    if is_url(source) and passwords.split(source)[1]:
        raise BadInput(
            f"{at(path, *keys, 'source')} holds a password, and this file is made to be shared.",
            hint=f"Take it out of the URL, then run: ropeway data password {name}.",
        )
    _check_policy(path, (*keys, "policy"), policy := body.get("policy", {}))
    return Entry(name, source, path.parent, given, policy)


def _check_policy(path: Path, keys: tuple[str, ...], policy: Any) -> None:
    """That it is tables of classes; what stands in them is for the policy to judge."""
    if not isinstance(policy, dict):
        raise BadInput(f"{at(path, *keys)} is {policy!r}, but a table is wanted.")
    for name, body in policy.items():
        if not isinstance(body, dict):
            raise BadInput(f"{at(path, *keys, name)} is {body!r}, but a table is wanted.")


def _put(shelf: Shelf) -> dict[str, Entry]:
    """What kernels put, each as its newest version."""
    found = {}
    for name in shelf.names():
        source = shelf.versions(name)[-1].path.relative_to(shelf.project)
        found[name] = Entry(name, source.as_posix(), shelf.project, put=True)
    return found


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
