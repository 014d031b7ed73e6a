"""The workspace's contents manager: notebooks stay portable (here) and are kept (`history`)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from ropeway.notebooks import portable
from ropeway.notebooks.keeper import RUN
from ropeway.workspace.author import Author
from ropeway.workspace.history import KeptContents, because
from ropeway.workspace.specs import SpecCache


class PortableContents(KeptContents):
    """Translates a notebook's kernel between the file and the page (`notebooks.portable`).

    `specs` is set by the workspace; without it files pass as they are.
    """

    specs: SpecCache | None = None
    author: Author | None = None

    async def get(
        self, path: str, content: bool = True, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Read a file or folder; a notebook with everything that its cells said meanwhile."""
        author = self.author if content and path.endswith(".ipynb") else None
        lacking = author is not None and await self._opened(author, path)
        model = await self._get(path, content, *args, **kwargs)
        if author is not None and lacking and model.get("content"):
            author.complete(path.strip("/"), model["content"])
        return model

    async def read(self, path: str) -> dict[str, Any]:
        """A notebook as its file holds it (`author.Contents`)."""
        return await self._get(path, content=True, type="notebook")

    async def write(self, path: str, notebook: dict[str, Any]) -> None:
        """Write what cells said into a notebook that no page has open (`author.Contents`)."""
        with because(RUN):
            await self._save({"type": "notebook", "format": "json", "content": notebook}, path)

    async def _opened(self, author: Author, path: str) -> bool:
        try:
            return await author.opened(path.strip("/"))
        except Exception as error:  # noqa: BLE001 (a file that cannot be written can be read)
            self.log.warning("%s cannot be brought up to date: %s", path, error)
            return True

    async def _get(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        model: dict[str, Any] = await super().get(path, *args, **kwargs)
        if self.specs is not None and model["type"] == "notebook" and model.get("content"):
            content = model["content"]
            content["metadata"] = portable.opened(content["metadata"], self._find)
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file or folder."""
        async with self._turn():
            saved = await self._save(model, path)
        if self.author is not None and model.get("type") == "notebook" and model.get("content"):
            await self.author.saved(path.strip("/"), model["content"])
        return saved

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
        if self.author is not None:
            self.author.renamed(old_path.strip("/"), new_path.strip("/"))

    async def delete_file(self, path: str) -> None:
        """Delete a file or folder; nothing is due to it any more."""
        async with self._turn():
            await super().delete_file(path)
        if self.author is not None:
            self.author.deleted(path.strip("/"))

    def as_on_disk(self, content: dict[str, Any]) -> dict[str, Any]:
        """A notebook of the page as it belongs on disk."""
        if self.specs is None:
            return content
        metadata = portable.saved(content.get("metadata", {}), self.specs.origin, self._find)
        return {**content, "metadata": metadata}

    def _find(self, runtime: str, kernel: str) -> tuple[str, str] | None:
        assert self.specs is not None
        return self.specs.find(runtime, kernel)
