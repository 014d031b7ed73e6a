"""The kernels that outlive this process: where the next one finds them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KernelRow:
    """A kernel that outlives this process: where it runs, how far its messages are kept, and what
    it said of itself."""

    id: str
    name: str
    runtime: str
    remote_id: str
    link: str
    number: int = 0
    info: dict[str, Any] = field(default_factory=dict)


_KERNEL = "id, name, runtime, remote_id, link, number, info"


class Kernels:
    """The kernels in a journal."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def keep(self, kernel: KernelRow) -> None:
        """Remember where a kernel runs; what it said of itself stays known."""
        self._db.execute(
            "INSERT INTO kernels (id, name, runtime, remote_id, link, number)"
            " VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " runtime = excluded.runtime, remote_id = excluded.remote_id, link = excluded.link,"
            " number = excluded.number",
            (kernel.id, kernel.name, kernel.runtime, kernel.remote_id, kernel.link, kernel.number),
        )

    def informed(self, kernel: str, info: dict[str, Any]) -> None:
        """What a kernel said of itself (`kernel_info_reply`)."""
        self._db.execute("UPDATE kernels SET info = ? WHERE id = ?", (json.dumps(info), kernel))

    def received(self, kernel: str, number: int) -> None:
        """Everything up to that number is kept here."""
        self._db.execute("UPDATE kernels SET number = ? WHERE id = ?", (number, kernel))

    def forget(self, kernel: str) -> None:
        """The kernel has ended."""
        self._db.execute("DELETE FROM kernels WHERE id = ?", (kernel,))

    def all(self) -> list[KernelRow]:
        """The kernels that ran when this was written last."""
        rows = self._db.execute(f"SELECT {_KERNEL} FROM kernels ORDER BY id")  # noqa: S608 (ours)
        found: list[dict[str, Any]] = [
            dict(zip(_KERNEL.split(", "), row, strict=True)) for row in rows.fetchall()
        ]
        return [KernelRow(**{**row, "info": json.loads(row["info"])}) for row in found]
