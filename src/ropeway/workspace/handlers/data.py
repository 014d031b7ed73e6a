"""`/ropeway/api/datasets`, `/transfers` and `/ledger`: data at home, for the page at home."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tornado import web

from ropeway import wire
from ropeway.data import ledger
from ropeway.errors import BadInput
from ropeway.workspace.handlers.base import RopewayHandler

MOST_RECORDS = 1000


class DatasetsHandler(RopewayHandler):
    """All datasets."""

    @web.authenticated
    async def get(self) -> None:
        """`{"datasets": [wire.Dataset]}` as this machine sees them."""
        found = await self.home.data.datasets()
        self.answer({"datasets": [wire.to_json(each) for each in found]})


class DatasetHandler(RopewayHandler):
    """One dataset."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """`{"seen": [wire.Seen]}`: the policy, for each class of runtimes."""
        seen = await self.home.data.seen(name)
        self.answer({"seen": [wire.to_json(each) for each in seen]})


class PreviewHandler(RopewayHandler):
    """The first rows of a dataset."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """A `wire.Summary` with a `preview`, as `?runtime_class=` would get it (`here`)."""
        asked = self.get_query_argument("runtime_class", "here")
        if asked not in wire.CLASSES:
            known = ", ".join(wire.CLASSES)
            raise BadInput(f"{asked!r} is no class of runtime.", hint=f"There are {known}.")
        sql = f'select * from "{name}" limit 10'  # noqa: S608 (no quote is in a path's name)
        async with self.home.data.query(wire.Query(sql, runtime_class=asked)) as answer:
            async for _ in answer.chunks:
                pass
        self.answer(wire.to_json(await self.home.data.summary(answer.id)))


class TransfersHandler(RopewayHandler):
    """The queries and puts under way, and those that ended last."""

    @web.authenticated
    async def get(self) -> None:
        """`{"transfers": [wire.Transfer]}`, the newest first."""
        found = await self.home.data.transfers()
        self.answer({"transfers": [wire.to_json(each) for each in found]})


class TransferHandler(RopewayHandler):
    """One query or put."""

    @web.authenticated
    async def delete(self, number: str) -> None:
        """Stop it; 204."""
        await self.home.data.cancel(number)
        self.set_status(204)
        self.finish()


class LedgerHandler(RopewayHandler):
    """What crossed."""

    @web.authenticated
    async def get(self) -> None:
        """`{"records": [wire.LedgerRecord]}`, the newest first: at most `?limit=` (100), of the
        last `?days=`, of one `?dataset=`, `?runtime=` or `?state=`."""
        wanted = {key: self.get_query_argument(key, "") for key in ("dataset", "runtime", "state")}
        limit = int(self._number("limit", 100, MOST_RECORDS))
        days = self._number("days", 0, 36500)
        since = (datetime.now(UTC) - timedelta(days=days)).isoformat() if days else ""
        folder = ledger.folder_of(self.home.root)
        records = await asyncio.to_thread(_last, folder, since, wanted, limit)
        self.answer({"records": [wire.to_json(each) for each in records]})

    def _number(self, name: str, default: float, most: float) -> float:
        text = self.get_query_argument(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= most:
            raise BadInput(f"{name} is {text!r}; it must lie between 0 and {most:g}.")
        return value


def _last(folder: Path, since: str, wanted: dict[str, str], limit: int) -> list[wire.LedgerRecord]:
    found: deque[wire.LedgerRecord] = deque(maxlen=limit)
    for record in ledger.crossings(ledger.read(folder, since)):
        entry = record.entry
        if (
            wanted["dataset"] in ("", *entry.datasets)
            and wanted["runtime"] in ("", entry.runtime, entry.source)
            and wanted["state"] in ("", entry.state)
        ):
            found.append(record)
    return list(reversed(found))


_NAME = r"([a-z0-9_]+)"
_ID = r"([0-9a-f]+)"

HANDLERS = [
    (r"/ropeway/api/datasets", DatasetsHandler),
    (rf"/ropeway/api/datasets/{_NAME}", DatasetHandler),
    (rf"/ropeway/api/datasets/{_NAME}/preview", PreviewHandler),
    (r"/ropeway/api/transfers", TransfersHandler),
    (rf"/ropeway/api/transfers/{_ID}", TransferHandler),
    (r"/ropeway/api/ledger", LedgerHandler),
]
