"""Files between the person at the page and kernels: `google.colab.files`, home's end."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropeway import wire
from ropeway.data.ledger import Ledger, entry_of
from ropeway.errors import NotSaved
from ropeway.workspace.address import HERE
from ropeway.workspace.colab import Asker
from ropeway.workspace.downloads import Downloads
from ropeway.workspace.offers import Offers
from ropeway.workspace.talk import Talk
from ropeway.workspace.uploads import Uploads


class Files:
    """Those of the workspace at `root`; the ledger has each file that crosses."""

    def __init__(
        self, root: Path, state: Path, ledger: Ledger, followed: Callable[[str], bool]
    ) -> None:
        self._root = root
        self._ledger = ledger
        self._followed = followed
        self.offers = Offers()
        self.uploads = Uploads(followed)
        self.downloads = Downloads(state / "downloads", self.offers)

    async def upload(self, asker: wire.Asker, request: wire.Request, talk: Talk) -> None:
        """Answer a kernel that asks for files. Raises `Refused`."""

        async def crossed(name: str, size: int) -> None:
            await asyncio.to_thread(self._note, asker, "upload", name, size)

        await self.uploads.serve(request.name, asker.kernel, talk, crossed)

    async def download(self, asker: wire.Asker, name: str, stream: AsyncIterator[bytes]) -> str:
        """Take a file for whoever sits at the page; its id. Raises `NotSaved`."""
        if self.downloads.target is None and not asker.notebook:
            raise NotSaved("Home knows no notebook whose cell hands this file out.")
        number, size = await self.downloads.keep(asker.notebook, name, stream)
        await asyncio.to_thread(self._note, asker, "download", name, size)
        return number

    async def view(self, asker: Asker, request: Any) -> dict[str, Any]:
        """Whether a file of this machine is opened in the page: `{"opened"}`."""
        told = str(request.get("path", "") if isinstance(request, dict) else "")
        path = Path(os.path.normpath(told))
        at_home = asker.runtime == HERE and self._followed(asker.kernel)
        if not at_home or not path.is_relative_to(self._root) or path == self._root:
            return {"opened": False}
        below = path.relative_to(self._root).as_posix()
        self.offers.add("view", asker.notebook, uuid.uuid4().hex, path=below)
        return {"opened": True}

    def _note(self, asker: wire.Asker, what: str, name: str, size: int) -> None:
        entry = replace(entry_of(asker, what, "done"), value=name[:200], type="file")
        self._ledger.append(replace(entry, bytes_crossed=size))
