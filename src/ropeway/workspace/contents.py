"""The workspace's contents manager: notebooks stay portable (here) and are kept (`history`)."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from jupyter_core.utils import ensure_async
from tornado import web

from ropeway.notebooks import colab, portable
from ropeway.notebooks.cell_ids import give_ids, keep_ids
from ropeway.notebooks.keeper import RUN
from ropeway.workspace.author import Author
from ropeway.workspace.history import KeptContents, because
from ropeway.workspace.specs import SpecCache
from ropeway.workspace.writings import Writing, Writings, changed


class PortableContents(KeptContents):
    """Translates a notebook's kernel between the file and the page (`notebooks.portable`).

    `specs` and `writings` are set by the workspace; without them files pass as they are.
    """

    specs: SpecCache | None = None
    author: Author | None = None
    writings: Writings | None = None

    async def get(
        self, path: str, content: bool = True, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Read a file or folder; a notebook with everything that its cells said meanwhile."""
        author = self.author if content and path.endswith(".ipynb") else None
        lacking = author is not None and await self._opened(author, path)
        model = await self._get(path, content, *args, **kwargs)
        if author is not None and lacking and model.get("content"):
            author.complete(path.strip("/"), model["content"])
        if self.writings is not None and model["type"] == "notebook":
            if content:
                self.writings.forget(path.strip("/"))
            elif writing := self.writings.since(path.strip("/"), model.get("hash") or ""):
                model["hash"] = writing.before
        return model

    async def read(self, path: str) -> dict[str, Any]:
        """A notebook as its file holds it (`author.Contents`)."""
        return await self._get(path, content=True, type="notebook", require_hash=True)

    async def write(self, path: str, notebook: dict[str, Any], known: str) -> None:
        """Write what cells said into a notebook that no page has open (`author.Contents`).

        Raises `HTTPError` when the file is not the one of that hash any more.
        """
        before = await self.read(path)
        if before["hash"] != known:
            raise web.HTTPError(409, f"{path} was changed on disk while it was being written.")
        with because(RUN):
            model = {"type": "notebook", "format": "json", "content": notebook}
            saved = await self._save(model, path)
        if self.writings is not None:
            cells = changed(before["content"], notebook)
            self.writings.wrote(path.strip("/"), Writing(known, saved["hash"], cells))

    async def _opened(self, author: Author, path: str) -> bool:
        try:
            return await author.opened(path.strip("/"))
        except Exception as error:  # noqa: BLE001 (a file that cannot be written can be read)
            self.log.warning("%s cannot be brought up to date: %s", path, error)
            return True

    async def _get(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        model: dict[str, Any] = await super().get(path, *args, **kwargs)
        if model["type"] == "notebook" and model.get("content"):
            content = model["content"]
            give_ids(content)
            colab.opened(content)
            if self.specs is not None:
                content["metadata"] = portable.opened(content["metadata"], self._find)
        return model

    async def _read_notebook(
        self,
        os_path: str,
        as_version: int = 4,
        capture_validation_error: dict[str, Any] | None = None,
        raw: bool = False,
    ) -> Any:
        """A notebook from its file; nbformat gives cells without an id another one at each reading,
        here they are always the same."""
        notebook, body = await super()._read_notebook(
            os_path, as_version, capture_validation_error, raw=True
        )
        if body.count(b'"id"') < len(notebook.get("cells", ())):
            keep_ids(notebook, json.loads(body))
        return (notebook, body) if raw else notebook

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file or folder."""
        async with self._turn():
            if model.get("type") == "notebook" and model.get("content"):
                await self._catch_up(path, model["content"])
            saved = await self._save(model, path)
        if self.author is not None and model.get("type") == "notebook" and model.get("content"):
            await self.author.saved(path.strip("/"), model["content"])
        return saved

    async def _catch_up(self, path: str, notebook: dict[str, Any]) -> None:
        """A page that has slept saves: put in what the workspace wrote and it did not show yet."""
        if self.writings is None or self.author is None or not await self._exists(path):
            return
        found = await self._get(path, content=False, require_hash=True)
        writing = self.writings.since(path.strip("/"), found.get("hash") or "")
        if writing is not None:
            disk = (await self.read(path))["content"]
            self.author.catch_up(path.strip("/"), notebook, disk, writing.cells)

    async def _exists(self, path: str) -> bool:
        return bool(await ensure_async(self.file_exists(path)))

    def _turn(self) -> AbstractAsyncContextManager[Any]:
        """The author's, so that it does not write back what it read before."""
        return nullcontext() if self.author is None else self.author.turn

    async def _save(self, model: dict[str, Any], path: str) -> dict[str, Any]:
        if model.get("type") == "notebook" and model.get("content"):
            model = {**model, "content": self.as_on_disk(model["content"])}
        saved: dict[str, Any] = await super().save(model, path)
        return saved

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Give a file or folder another name; what its cells say goes there."""
        async with self._turn():
            await super().rename_file(old_path, new_path)
        if self.writings is not None:
            self.writings.rename(old_path.strip("/"), new_path.strip("/"))
        if self.author is not None:
            self.author.renamed(old_path.strip("/"), new_path.strip("/"))

    async def delete_file(self, path: str) -> None:
        """Delete a file or folder; nothing is due to it any more."""
        async with self._turn():
            await super().delete_file(path)
        if self.writings is not None:
            self.writings.forget(path.strip("/"))
        if self.author is not None:
            self.author.deleted(path.strip("/"))

    def as_on_disk(self, content: dict[str, Any]) -> dict[str, Any]:
        """A notebook of the page as it belongs on disk."""
        content = colab.saved(content)
        if self.specs is None:
            return content
        metadata = portable.saved(content.get("metadata", {}), self.specs.origin, self._find)
        return {**content, "metadata": metadata}

    def _find(self, runtime: str, kernel: str) -> tuple[str, str] | None:
        assert self.specs is not None
        return self.specs.find(runtime, kernel)
