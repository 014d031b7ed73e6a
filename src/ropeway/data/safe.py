"""A safe for texts that nobody else may read: the system's keyring, or a file of mode 0600."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ropeway import config


class Safe:
    """What is kept under one name of a service; `file` stands in where there is no keyring."""

    def __init__(self, service: str, file: Path) -> None:
        self._service = service
        self._file = file

    def keep(self, entries: Mapping[str, str]) -> str:
        """Keep texts by their keys; returns where, in words.

        The file has a key only where the keyring was away when it was kept last, so `find` looks
        there first: a keyring that is back has an older value.
        """
        if ring := _keyring():
            for key, value in entries.items():
                ring.set_password(self._service, key, value)
            self._forget(entries)
            return f"the keyring ({ring.name})"
        with config.one_writer(self._file.parent):
            self._write({**self._read(), **entries})
        return str(self._file)

    def find(self, key: str) -> str | None:
        """What is kept under that key."""
        if (kept := self._read().get(key)) is not None:
            return kept
        ring = _keyring()
        found: str | None = ring.get_password(self._service, key) if ring is not None else None
        return found

    def drop(self, key: str) -> None:
        """Keep it no more, in neither of the two places."""
        ring = _keyring()
        if ring is not None and ring.get_password(self._service, key) is not None:
            ring.delete_password(self._service, key)
        self._forget((key,))

    def _forget(self, keys: Iterable[str]) -> None:
        """Keep these in the file no more."""
        keys = set(keys)
        if keys & self._read().keys():
            with config.one_writer(self._file.parent):
                self._write({k: v for k, v in self._read().items() if k not in keys})

    def _write(self, kept: Mapping[str, str]) -> None:
        config.write_private(self._file, json.dumps(kept, indent=1))

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found


def _keyring() -> Any:
    """The system's keyring, None where there is none that keeps anything."""
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ImportError:
        return None
    ring = keyring.get_keyring()
    if isinstance(ring, fail.Keyring | null.Keyring):
        return None
    if isinstance(ring, chainer.ChainerBackend) and not ring.backends:
        return None
    return ring
