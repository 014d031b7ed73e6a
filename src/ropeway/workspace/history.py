"""The contents manager's side of the history: what is written is kept, and what it replaces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import nbformat
from anyio.to_thread import run_sync
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado import web

from ropeway.errors import NotSaved
from ropeway.notebooks.keeper import FOUND, RESTORED, SAVED, SUFFIX, Keeper
from ropeway.notebooks.saving import replace_file

_reason: ContextVar[str] = ContextVar("reason", default=SAVED)


@contextmanager
def because(why: str) -> Iterator[None]:
    """Notebooks that are saved inside are kept for this reason (`notebooks.keeper`)."""
    token = _reason.set(why)
    try:
        yield
    finally:
        _reason.reset(token)


def as_text(notebook: Any, validation_error: dict[str, Any] | None = None) -> bytes:
    """A notebook as stock writes it; what is wrong with it goes into `validation_error`."""
    text: str = nbformat.writes(
        notebook, version=nbformat.NO_CONVERT, capture_validation_error=validation_error
    )
    return (text if text.endswith("\n") else text + "\n").encode("utf-8")


class KeptContents(AsyncLargeFileManager):
    """Writes files in one step and keeps every version of a notebook.

    `keeper` is set by the workspace; without it nothing is kept.
    """

    keeper: Keeper | None = None

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file or folder; the answer for a notebook has the hash of what lies there.

        Without the hash JupyterLab's next save would tell a change on disk by its time alone.
        """
        if model.get("chunk") == 1:  # the first of an upload truncates what is there
            await self._note(path)
        saved: dict[str, Any] = await super().save(model, path)
        if saved["type"] == "notebook":
            hashed = await super().get(path, content=False, require_hash=True)
            saved |= {key: hashed[key] for key in ("hash", "hash_algorithm")}
        return saved

    async def delete_file(self, path: str) -> None:
        """Delete a file or folder; what was kept of its notebooks stays."""
        await self._note(path)
        await super().delete_file(path)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Rename a file or folder; what was kept of its notebooks goes along."""
        await super().rename_file(old_path, new_path)
        if self.keeper is not None:
            await run_sync(self.keeper.rename, old_path.strip("/"), new_path.strip("/"))

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Go back to Jupyter's own checkpoint."""
        await self._note(path)
        await super().restore_checkpoint(checkpoint_id, path)
        await self._note(path, RESTORED)

    @contextmanager
    def atomic_writing(
        self, os_path: str, text: bool = True, encoding: str = "utf-8", **kwargs: Any
    ) -> Iterator[io.StringIO | io.BytesIO]:
        """Collects what is written, then replaces the file: stock writes into the file itself."""
        buffer = io.StringIO() if text else io.BytesIO()
        yield buffer
        whole = buffer.getvalue()
        self._write(os_path, whole.encode(encoding) if isinstance(whole, str) else whole)

    async def _save_notebook(
        self, os_path: str, nb: Any, capture_validation_error: dict[str, Any] | None = None
    ) -> None:
        body = await run_sync(as_text, nb, capture_validation_error)
        await run_sync(self._write, os_path, body)

    def _write(self, os_path: str, body: bytes) -> None:
        """Replace a file, and keep it if it is a notebook. Raises `HTTPError` in our words."""
        try:
            if self.keeper is not None and os_path.endswith(SUFFIX):
                self.keeper.save(Path(os_path), body, _reason.get())
            else:
                replace_file(Path(os_path), body)
        except NotSaved as error:
            told = f"{error.message} {error.hint}"  # Lab shows it in one line
            raise web.HTTPError(error.http_status, told.strip()) from error

    async def _note(self, path: str, why: str = FOUND) -> None:
        """Keep the notebook, or those of the folder, that lie there now."""
        if self.keeper is not None:
            place = Path(self._get_os_path(path.strip("/")))
            if place.suffix == SUFFIX or place.is_dir():
                await run_sync(self.keeper.note, place, why)
