"""Files at home that are one table: which they are, and how DuckDB reads them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ropeway.data.problem import because
from ropeway.errors import BadInput, NotFound

_PACKED = ("", ".gz", ".zst")
_TEXT = {"csv": (".csv", ".tsv"), "json": (".json", ".ndjson", ".jsonl")}

ENDINGS: Mapping[str, str] = {
    **{end + pack: kind for kind, ends in _TEXT.items() for end in ends for pack in _PACKED},
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    ".avro": "avro",
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "excel"),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db", ".db3"), "sqlite"),
}
"""What a file's ending says about it."""

KINDS = tuple(dict.fromkeys(ENDINGS.values()))
"""Every kind of file, for the option `format`."""

SUPPORTED = (
    ".csv, .tsv, .json, .ndjson, .jsonl (each also with .gz or .zst), .parquet, .avro, .arrow, "
    ".feather, .xlsx, .xls, .ods and .sqlite"
)

_GLOB = "*?["


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one dataset: absolute paths in a fixed order, all of one `kind`."""

    kind: str
    paths: tuple[Path, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    hive: bool = False
    """The folders are called `key=value`, and the keys are columns."""

    @property
    def size(self) -> int:
        """Bytes on disk; a file that vanished counts nothing."""
        return sum(stamp[1] for stamp in self.stamps())

    def stamps(self) -> tuple[tuple[str, int, int, int], ...]:
        """`(path, size, mtime, ctime)` of every file, in ns: differs when any of them changed.

        The time of modification can be set back, and copying tools do so; the other cannot.
        """
        return tuple(stamp(path) for path in self.paths)


@dataclass(frozen=True, slots=True)
class Place:
    """Files of one kind as they were found; `top` is the folder that a dataset begins at."""

    kind: str
    paths: tuple[Path, ...]
    top: Path

    @property
    def hive(self) -> bool:
        """Whether every file lies below `key=value` folders, the same keys for all."""
        return is_hive([path.relative_to(self.top).parent.parts for path in self.paths])


def find(source: str, base: Path, wanted: str = "") -> Place:
    """The files that `source` means: a file, a folder (with all below it) or a glob.

    A relative source counts from the folder `base`; `wanted` is a kind that the endings do not
    tell. Raises `NotFound` when nothing is there and `BadInput` when what is there cannot be
    read as one table.
    """
    place = Path(os.path.abspath(base / Path(source).expanduser()))  # noqa: PTH100  # keeps links
    known = (lambda _: wanted) if wanted else kind_of_name
    if place.is_dir():
        return _folder(place, known)
    if place.exists():
        return Place(_kind_of(place, known), (_plain(place),), place.parent)
    if is_glob(source):
        return _matches(place, known)
    raise because(
        NotFound(
            "There is no file, folder or glob match.",
            hint="Relative sources count from the folder of ropeway.toml.",
        ),
        str(place),
    )


def is_glob(source: str) -> bool:
    """Whether `source` has a sign of a glob in it."""
    return any(sign in source for sign in _GLOB)


def is_hive(folders: list[tuple[str, ...]]) -> bool:
    """Whether these folders below a dataset name the same keys, as `a=1/b=2` does."""
    keys = {tuple(part.partition("=")[0] for part in parts if "=" in part) for parts in folders}
    return len(keys) == 1 and keys != {()}


def kind_of_name(name: str) -> str | None:
    """The kind by a file's ending, None for anything else."""
    lower = name.lower()
    endings = sorted((e for e in ENDINGS if lower.endswith(e)), key=len)
    return ENDINGS[endings[-1]] if endings else None


def quoted(text: str) -> str:
    """`text` as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def stamp(path: Path) -> tuple[str, int, int, int]:
    """What differs when the file changed; zeros for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _folder(place: Path, known: Callable[[str], str | None]) -> Place:
    found = [Path(folder) / name for folder, _, names in os.walk(place) for name in names]
    visible = sorted(p for p in found if known(p.name) and not _hidden(p, place))
    if not visible:
        raise because(
            BadInput("The folder holds no file that can be a table.", hint=_READABLE), str(place)
        )
    return _one_kind(visible, place, known)


def _matches(place: Path, known: Callable[[str], str | None]) -> Place:
    found = sorted(Path(p) for p in glob.glob(str(place), recursive=True))  # noqa: PTH207
    files = [p for p in found if p.is_file()]
    if not files:
        raise because(
            NotFound(
                "No file matches the glob.",
                hint="Check the glob with ls; ** stands for any folders in between.",
            ),
            str(place),
        )
    for path in files:
        _kind_of(path, known)
    first = next(number for number, part in enumerate(place.parts) if is_glob(part))
    return _one_kind(files, Path(*place.parts[:first]), known)


def _one_kind(paths: list[Path], top: Path, known: Callable[[str], str | None]) -> Place:
    kinds = Counter(known(path.name) or "" for path in paths)
    if len(kinds) > 1:
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise because(
            BadInput(
                f"There are files of several kinds ({found}), but a dataset is one table.",
                hint="Add one dataset per kind with a glob, for example 'folder/*.csv'.",
            ),
            str(top),
        )
    return Place(next(iter(kinds)), tuple(_plain(path) for path in paths), top)


def _kind_of(path: Path, known: Callable[[str], str | None]) -> str:
    kind = known(path.name)
    if kind is None:
        raise because(
            BadInput("This is no kind of file that can be a table.", hint=_READABLE), str(path)
        )
    return kind


def _plain(path: Path) -> Path:
    """Refuses names that the engine would read as a glob: they could reach other files."""
    if is_glob(str(path)):
        raise because(
            BadInput(
                "A path contains one of * ? [, which the engine would take for a glob.",
                hint="Rename the file or the folder.",
            ),
            str(path),
        )
    return path


def _hidden(path: Path, top: Path) -> bool:
    """Names with . or _ in front are what other tools leave beside their data."""
    return any(part.startswith((".", "_")) for part in path.relative_to(top).parts)


_READABLE = f"Readable are {SUPPORTED}; the option format says what an ending does not."
