"""`/ropeway/api/history`: the kept versions of notebooks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from anyio.to_thread import run_sync
from tornado import web

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.notebooks import changes
from ropeway.notebooks.keeper import DROPPED, SUFFIX, Keeper
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.history import as_text


class HistoryHandler(RopewayHandler):
    """The versions of one notebook, or all notebooks."""

    @web.authenticated
    async def get(self) -> None:
        """`{"versions": [wire.Version]}` of `?path=`, the newest first.

        Without a path the newest version of each notebook that was ever kept.
        """
        history = self.home.keeper.history
        path = self.get_query_argument("path", "").strip("/")
        found = (
            await run_sync(history.versions, path) if path else await run_sync(history.notebooks)
        )
        self.answer({"versions": [wire.to_json(version) for version in found]})

    @web.authenticated
    async def post(self) -> None:
        """Keep `{"path", "content"}`, a notebook that only a page has and is about to drop.

        Answers 201 and its `wire.Version`.
        """
        body = self.body()
        path, content = self.text(body, "path").strip("/"), body.get("content")
        if not path.endswith(SUFFIX) or ".." in path.split("/"):
            raise BadInput("path must be that of a notebook.")
        if not isinstance(content, dict) or content.get("nbformat") != 4:
            raise BadInput("content must be a notebook of format 4.")
        try:
            notebook = nbformat.from_dict(self.contents_manager.as_on_disk(content))
            text = await run_sync(as_text, notebook, {})
        except (AttributeError, KeyError, TypeError) as error:
            raise BadInput(f"content is not a notebook: {error}.") from error
        kept = await run_sync(self.home.keeper.history.keep, path, text, DROPPED)
        self.answer(wire.to_json(kept), 201)


class VersionHandler(RopewayHandler):
    """One version."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """Its document, byte for byte."""
        body = await run_sync(self.home.keeper.history.body, int(number))
        self.set_header("Content-Type", "application/x-ipynb+json")
        self.set_header("Content-Disposition", "attachment")
        await self.finish(body)


class DiffHandler(RopewayHandler):
    """What differs between two versions."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """`{"changes": [wire.Change], "summary"}` from this version to `?to=`.

        Without `to` to what lies on disk now.
        """
        to = self.get_query_argument("to", "")
        if to and not re.fullmatch("[0-9]{1,18}", to):
            raise BadInput("to must be the number of a version.")
        self.answer(await run_sync(_diff, self.home.keeper, int(number), int(to) if to else None))


class RestoreHandler(RopewayHandler):
    """Going back to a version."""

    @web.authenticated
    async def post(self, number: str) -> None:
        """Write it over its notebook, which is kept first; answers the new `wire.Version`."""
        restored = await run_sync(self.home.keeper.restore, int(number))
        self.answer(wire.to_json(restored))


def _diff(keeper: Keeper, number: int, to: int | None) -> dict[str, Any]:
    old = changes.parse(keeper.history.body(number))
    if to is None:
        new = changes.parse(_on_disk(keeper.root / keeper.history.version(number).path))
    else:
        new = changes.parse(keeper.history.body(to))
    found = [wire.to_json(change) for change in changes.compare(old, new)]
    return {"changes": found, "summary": changes.summary(old, new)}


def _on_disk(file: Path) -> bytes:
    """What lies there; a notebook that was deleted has nothing left."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b'{"cells": []}'


HANDLERS = [
    (r"/ropeway/api/history", HistoryHandler),
    (r"/ropeway/api/history/([0-9]{1,18})", VersionHandler),
    (r"/ropeway/api/history/([0-9]{1,18})/diff", DiffHandler),
    (r"/ropeway/api/history/([0-9]{1,18})/restore", RestoreHandler),
]
