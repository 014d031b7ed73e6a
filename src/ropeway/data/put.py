"""A table on its way home: taken in by a process of its own, then published as one version."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ropeway.data import catalog
from ropeway.data.shelf import Shelf, taken
from ropeway.errors import BadInput, NotSaved, RopewayError
from ropeway.wire import Put, Receipt

IF_EXISTS = ("new version", "error")

MOST = 100_000_000_000
"""Bytes of a file that a put may make."""

AT_A_TIME = 2
"""Tables that come home at a time; more wait."""

_STREAM = 64 * 1024


class Intake:
    """Takes in what kernels put into the project of the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._places = asyncio.Semaphore(AT_A_TIME)

    @property
    def shelf(self) -> Shelf:
        """Where it is kept: beside the `ropeway.toml` in force, else in the root."""
        return catalog.shelf(self._root)

    def check(self, put: Put) -> None:
        """Raises `BadInput` or `NameTaken` where nothing can be put under that name."""
        catalog.check_name(put.name)
        if put.if_exists not in IF_EXISTS:
            raise BadInput(
                f"if_exists is {put.if_exists!r}.", hint=f"It is one of: {', '.join(IF_EXISTS)}."
            )
        versions = self.shelf.versions(put.name)
        if put.name in catalog.load(self._root).sources():
            raise taken(put.name, "a dataset of that name was added at home, which stays as it is")
        if versions and put.if_exists == "error":
            raise taken(put.name, f"version {versions[-1].number} of it was put before")

    async def take(self, put: Put, stream: AsyncIterator[bytes]) -> Receipt:
        """Keep the table; it counts once this returns. Raises `RopewayError`.

        An iterator that raises stands for a cut on the way: nothing is kept then.
        """
        async with self._places:
            shelf = self.shelf
            with shelf.place(put.name) as fresh:
                rows = await _written(fresh, stream)
                self.check(put)  # once more: it took its time
                only_first = put.if_exists == "error"
                version = await asyncio.to_thread(
                    shelf.publish, put.name, fresh, only_first=only_first
                )
        return Receipt(put.name, version.number, rows, version.size)


async def _written(fresh: Path, stream: AsyncIterator[bytes]) -> int:
    """The rows of the Parquet file that was made of the stream."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ropeway.data.intake", "--to", str(fresh), "--most", str(MOST)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_STREAM,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # It may end early, with the reason as its answer.
        with suppress(BrokenPipeError, ConnectionResetError):
            async for piece in stream:
                process.stdin.write(piece)
                await process.stdin.drain()
            process.stdin.close()
        answer = await process.stdout.read()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _rows(answer)


def _rows(answer: bytes) -> int:
    try:
        told: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise NotSaved(
            "Home could not take the table in: its process ended without a word.",
            hint="Put it in smaller batches: an iterator of pyarrow.RecordBatch.",
        ) from None
    if "error" in told:
        raise RopewayError.from_json(told["error"])
    return int(told["rows"])
