"""The workspace's contents manager: notebooks stay portable (here) and are kept (`history`)."""

from __future__ import annotations

from typing import Any

from ropeway.notebooks import portable
from ropeway.workspace.history import KeptContents
from ropeway.workspace.specs import SpecCache


class PortableContents(KeptContents):
    """Translates a notebook's kernel between the file and the page (`notebooks.portable`).

    `specs` is set by the workspace; without it files pass as they are.
    """

    specs: SpecCache | None = None

    async def get(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a file or folder."""
        model: dict[str, Any] = await super().get(path, *args, **kwargs)
        if self.specs is not None and model["type"] == "notebook" and model.get("content"):
            content = model["content"]
            content["metadata"] = portable.opened(content["metadata"], self._find)
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file or folder."""
        if model.get("type") == "notebook" and model.get("content"):
            model = {**model, "content": self.as_on_disk(model["content"])}
        saved: dict[str, Any] = await super().save(model, path)
        return saved

    def as_on_disk(self, content: dict[str, Any]) -> dict[str, Any]:
        """A notebook of the page as it belongs on disk."""
        if self.specs is None:
            return content
        metadata = portable.saved(content.get("metadata", {}), self.specs.origin, self._find)
        return {**content, "metadata": metadata}

    def _find(self, runtime: str, kernel: str) -> tuple[str, str] | None:
        assert self.specs is not None
        return self.specs.find(runtime, kernel)
