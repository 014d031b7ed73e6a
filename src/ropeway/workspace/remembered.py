"""The remembered runtimes: one file (mode 0600) that the shell and every workspace share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.errors import BadInput, NameTaken, UnknownRuntime
from ropeway.workspace.address import HERE, check_name, parse_address, suggest_name
from ropeway.workspace.client import RuntimeClient


@dataclass(frozen=True, slots=True)
class Record:
    """A remembered runtime."""

    name: str
    url: str
    token: str


class RuntimeList:
    """The file that remembers runtimes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> int:
        """Changes whenever the file does."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def read(self) -> dict[str, Record]:
        """The runtimes by name. Raises `BadInput` when the file is broken."""
        try:
            rows = json.loads(self.path.read_text("utf-8"))["runtimes"]
            return {row["name"]: Record(row["name"], row["url"], row["token"]) for row in rows}
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


async def check_and_remember(
    remembered: RuntimeList, text: str, token: str, name: str | None, *, timeout: float
) -> Record:
    """Check the server at a pasted URL and remember it as a runtime.

    Raises `BadInput`, `NameTaken`, `Unreachable`, `NotJupyter` or `TokenRefused`; then nothing is
    remembered.
    """
    taken = set(remembered.read())
    address = parse_address(text, token)
    name = check_name(name) if name else suggest_name(address, taken)
    if name == HERE or name in taken:
        raise name_taken(name)
    client = RuntimeClient(name, address, timeout)
    try:
        await client.check()
    finally:
        await client.aclose()
    record = Record(name, address.url, address.token)
    remembered.add(record)
    return record
