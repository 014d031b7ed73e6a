"""From the source that a person wrote down to the exact files behind it, and how each is read."""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ropeway.errors import BadInput, NotFound

KINDS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".json.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
    ".jsonl": "json",
    ".jsonl.gz": "json",
}
"""What a file's ending says about it."""

SUPPORTED = ".csv, .tsv, .json, .ndjson, .jsonl (each also with .gz) and .parquet"

_GLOB = "*?["


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one dataset: absolute paths in a fixed order, all of one `kind`."""

    kind: str
    paths: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes on disk; a file that vanished counts nothing."""
        return sum(stamp[1] for stamp in self.stamps())

    def stamps(self) -> tuple[tuple[str, int, int], ...]:
        """`(path, size, mtime in ns)` of every file: differs when any of them changed."""
        return tuple(_stamp(path) for path in self.paths)


def expand(source: str, base: Path) -> Files:
    """The files that `source` means: a file, a folder (with all below it) or a glob.

    A relative source counts from the folder `base`. Raises `NotFound` when nothing is there and
    `BadInput` when what is there cannot be read as one table.
    """
    place = Path(os.path.abspath(base / Path(source).expanduser()))  # noqa: PTH100  # keeps links
    if place.is_dir():
        return _folder(source, place)
    if place.exists():
        return Files(_kind_of(place), (_plain(place),))
    if any(sign in source for sign in _GLOB):
        return _matches(source, place)
    raise NotFound(
        f"There is no file, folder or glob match at {place}.",
        hint="Relative sources count from the folder of ropeway.toml.",
        source=source,
    )


def reader(files: Files) -> str:
    """The table function call, in DuckDB's SQL, that reads exactly these files."""
    listed = ", ".join(quoted(str(path)) for path in files.paths)
    union = ", union_by_name=true" if len(files.paths) > 1 else ""
    call = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}[files.kind]
    return f"{call}([{listed}]{union})"


def quoted(text: str) -> str:
    """`text` as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def kind_of_name(name: str) -> str | None:
    """`csv`, `json` or `parquet` by a file's ending, None for anything else."""
    lower = name.lower()
    endings = sorted((e for e in KINDS if lower.endswith(e)), key=len)
    return KINDS[endings[-1]] if endings else None


def _folder(source: str, place: Path) -> Files:
    found = [Path(folder) / name for folder, _, names in os.walk(place) for name in names]
    visible = sorted(p for p in found if kind_of_name(p.name) and not _hidden(p, place))
    if not visible:
        raise BadInput(
            f"The folder {place} holds no file that can be a table.",
            hint=f"Readable are {SUPPORTED}.",
            source=source,
        )
    return _one_kind(source, visible)


def _matches(source: str, place: Path) -> Files:
    found = sorted(Path(p) for p in glob.glob(str(place), recursive=True))  # noqa: PTH207
    files = [p for p in found if p.is_file()]
    if not files:
        raise NotFound(
            f"No file matches {place}.",
            hint="Check the glob with ls; ** stands for any folders in between.",
            source=source,
        )
    for path in files:
        _kind_of(path)
    return _one_kind(source, files)


def _one_kind(source: str, paths: list[Path]) -> Files:
    kinds = Counter(kind_of_name(path.name) or "" for path in paths)
    if len(kinds) > 1:
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise BadInput(
            f"{source} holds files of several kinds ({found}), but a dataset is one table.",
            hint="Add one dataset per kind with a glob, for example 'folder/*.csv'.",
            source=source,
        )
    return Files(next(iter(kinds)), tuple(_plain(path) for path in paths))


def _kind_of(path: Path) -> str:
    kind = kind_of_name(path.name)
    if kind is None:
        raise BadInput(
            f"{path} is no kind of file that can be a table.", hint=f"Readable are {SUPPORTED}."
        )
    return kind


def _plain(path: Path) -> Path:
    """Refuses names that the engine would read as a glob: they could reach other files."""
    if any(sign in str(path) for sign in _GLOB):
        raise BadInput(
            f"The path {path} contains one of * ? [, which the engine would take for a glob.",
            hint="Rename the file or the folder.",
        )
    return path


def _hidden(path: Path, top: Path) -> bool:
    """Names with . or _ in front are what other tools leave beside their data."""
    return any(part.startswith((".", "_")) for part in path.relative_to(top).parts)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_size, status.st_mtime_ns
