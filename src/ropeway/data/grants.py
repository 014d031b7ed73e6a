"""The grants of one home: given by the workspace to each kernel, looked up by the data service.

Both sides share a folder that only the user can read. It holds the key, and an empty file for
each grant that its process keeps locked while the kernel lives. A grant counts as long as its file
is locked: it ends when the kernel ends, and with its process however that ends, while a data
service that starts anew finds all of them as they were. Nothing has to be told or renewed.
"""

from __future__ import annotations

import json
import secrets
import uuid
from pathlib import Path

from ropeway import config
from ropeway.data.grant import Grant, read, sign
from ropeway.errors import TokenRefused

_KEY_BYTES = 32


class Grants:
    """The grants in the folder `folder`, which is made if needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = config.private_dir(folder)
        self._key = _key(self._folder)

    def give(self, runtime: str, kernel: str, runtime_class: str) -> Given:
        """A grant for a kernel; it counts until it is taken back or this process ends."""
        grant = Grant(uuid.uuid4().hex, runtime, kernel, runtime_class)
        with config.one_writer(self._folder):
            self._sweep()
            held = config.Claim(self._file(grant))
            held.take()
        return Given(grant, sign(grant, self._key), self._file(grant), held)

    def check(self, text: str) -> Grant:
        """The grant behind a text. Raises `TokenRefused` unless it was given and counts."""
        grant = read(text, self._key)
        if not self.counts(grant):
            raise TokenRefused("The kernel of this grant has ended or was disconnected.")
        return grant

    def asking(self, grant: Grant) -> tuple[str, str]:
        """The notebook and the cell that ran last, as the workspace said (`Given.runs`)."""
        try:
            told = json.loads(self._file(grant).read_text("utf-8"))
            return str(told[0]), str(told[1])
        except (OSError, ValueError, LookupError):
            return "", ""

    def counts(self, grant: Grant) -> bool:
        """Whether it was not taken back and who gave it lives."""
        return _locked(self._file(grant))

    def _file(self, grant: Grant) -> Path:
        return self._folder / f"{grant.id}.grant"

    def _sweep(self) -> None:
        """Remove what processes that were killed left behind."""
        for path in self._folder.glob("*.grant"):
            if not _locked(path):
                path.unlink(missing_ok=True)


class Given:
    """A grant that counts; `text` is the secret."""

    def __init__(self, grant: Grant, text: str, file: Path, held: config.Claim) -> None:
        self.grant = grant
        self.text = text
        self._file = file
        self._held = held
        self._counts = True

    def runs(self, notebook: str, cell: str) -> None:
        """The kernel has begun with that cell: what it asks for is asked from there."""
        if self._counts:
            # The file itself is locked and stays: a reader may find it half-written, once.
            self._file.write_text(json.dumps([notebook, cell]), "utf-8")

    def take_back(self) -> None:
        """From now on it opens nothing."""
        if self._counts:
            self._counts = False
            self._file.unlink(missing_ok=True)
            self._held.release()


def _key(folder: Path) -> bytes:
    """The key that signs, made once."""
    path = folder / "key"
    with config.one_writer(folder):
        if not path.exists():
            config.write_private(path, secrets.token_hex(_KEY_BYTES))
        return bytes.fromhex(path.read_text("ascii"))


def _locked(path: Path) -> bool:
    if not path.exists():
        return False
    probe = config.Claim(path)
    try:
        return probe.held()
    finally:
        probe.release()
