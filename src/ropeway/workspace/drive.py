"""The drive for notebooks written for Colab: a folder at home."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropeway import config
from ropeway.data.drive import check_may_mount, folder_of
from ropeway.data.ledger import Ledger
from ropeway.errors import BadInput, RopewayError
from ropeway.workspace.address import HERE
from ropeway.workspace.colab import Asker


class Drive:
    """Answers where the drive is; the ledger has each mount."""

    def __init__(self, ledger: Ledger, settings: config.Config) -> None:
        self._ledger = ledger
        self._settings = settings

    async def mount(self, asker: Asker, request: Any) -> dict[str, Any]:
        """`{"folder"}`, which is there, or null where the kernel is to mirror it.

        `request` has the `mountpoint`. Raises `Refused`.
        """
        mountpoint = str(request.get("mountpoint", "") if isinstance(request, dict) else "")[:1000]
        return await asyncio.to_thread(self._mount, asker, mountpoint)

    def _mount(self, asker: Asker, mountpoint: str) -> dict[str, Any]:
        try:
            folder = self._folder(asker)
        except RopewayError as error:
            self._note(asker, mountpoint, "refused", error.message)
            raise
        self._note(asker, mountpoint, "done", "")
        return {"folder": str(folder) if folder is not None else None}

    def _folder(self, asker: Asker) -> Path | None:
        if asker.runtime != HERE:
            check_may_mount(asker.runtime_class, self._settings)
            return None  # the kernel mirrors it
        folder = folder_of(self._settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"The folder {folder} of the drive cannot be made: {error.strerror}.",
                hint="Set drive.folder in ropeway.toml to a folder of yours.",
            ) from error
        return folder

    def _note(self, asker: Asker, mountpoint: str, state: str, reason: str) -> None:
        entry = replace(asker.entry("drive", state), value=mountpoint, type="mount", reason=reason)
        self._ledger.append(entry)
