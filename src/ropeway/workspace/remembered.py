"""The remembered runtimes: one file (mode 0600) that the shell and every workspace share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.errors import BadInput, NameTaken, UnknownRuntime
from ropeway.workspace.address import HERE


@dataclass(frozen=True, slots=True)
class Record:
    """A remembered runtime."""

    name: str
    url: str
    """What the provider reads: `http://…`, or a scheme of its own."""
    token: str
    options: dict[str, Any] = field(default_factory=dict)
    """What the provider wants to know besides, as JSON."""
    runtime_class: str = ""
    """What a policy knows it as; empty: what is usual for its kind (`Provider.usual_class`)."""


class RuntimeList:
    """The file that remembers runtimes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> tuple[int, int, int]:
        """Changes whenever the file does, also twice within a tick of the clock."""
        try:
            seen = self.path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return seen.st_mtime_ns, seen.st_ino, seen.st_size

    def read(self) -> dict[str, Record]:
        """The runtimes by name. Raises `BadInput` when the file is broken."""
        try:
            rows = json.loads(self.path.read_text("utf-8"))["runtimes"]
            return {row["name"]: _record(row) for row in rows}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self.path} does not hold a list of runtimes: {error}.",
                hint="Move that file away and connect the runtimes again.",
            ) from error

    def add(self, record: Record) -> None:
        """Remember a runtime. Raises `NameTaken`."""
        with config.one_writer(self.path.parent):
            records = self.read()
            if record.name in records:
                raise name_taken(record.name)
            self._write({**records, record.name: record})

    def put(self, record: Record) -> None:
        """Remember a runtime, instead of the one that had its name."""
        with config.one_writer(self.path.parent):
            self._write({**self.read(), record.name: record})

    def change(self, old: Record, new: Record) -> bool:
        """Replace a record, unless somebody changed or removed it meanwhile: then False."""
        with config.one_writer(self.path.parent):
            records = self.read()
            if records.get(old.name) != old:
                return False
            self._write({**records, old.name: new})
            return True

    def remove(self, name: str) -> None:
        """Forget a runtime. Raises `UnknownRuntime`."""
        with config.one_writer(self.path.parent):
            records = self.read()
            if name not in records:
                raise unknown_runtime(name, records)
            del records[name]
            self._write(records)

    def _write(self, records: dict[str, Record]) -> None:
        rows = [asdict(record) for record in records.values()]
        config.write_private(self.path, json.dumps({"version": 1, "runtimes": rows}, indent=1))


def _record(row: dict[str, Any]) -> Record:
    options = dict(row.get("options") or {})
    return Record(
        row["name"], row["url"], row["token"], options, str(row.get("runtime_class") or "")
    )


def runtime_list() -> RuntimeList:
    """The user's own list of runtimes."""
    return RuntimeList(config.state_dir() / "runtimes.json")


def name_taken(name: str) -> NameTaken:
    """The error for a runtime name that is in use."""
    return NameTaken(
        f"A runtime named {name} is connected already.",
        hint=f"Choose another name, or `ropeway disconnect {name}` first.",
    )


def unknown_runtime(name: str, known: Any) -> UnknownRuntime:
    """The error for a runtime name that nobody knows."""
    names = ", ".join(sorted({HERE, *known}))
    return UnknownRuntime(
        f"No runtime named {name!r} is connected.",
        hint=f"Connected are: {names}. Add one with `ropeway connect URL --name {name}`.",
    )
