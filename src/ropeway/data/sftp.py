"""SFTP by fsspec and paramiko, with the hosts, keys and names that OpenSSH knows on this machine.

fsspec alone would take any key from any host. Here a host that is not in `known_hosts` gets neither
a password nor a query; `~/.ssh/config` may say where a name leads (`HostName`, `Port`, `User`,
`IdentityFile`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
from fsspec.implementations.sftp import SFTPFileSystem  # type: ignore[import-untyped]
from paramiko.hostkeys import HostKeyEntry  # type: ignore[import-untyped]

from ropeway.errors import BadInput

STORAGE = ("allow_agent", "compress", "key_filename", "look_for_keys")
"""What the option `storage` may say; where a URL leads is no part of it."""

_SECONDS = 10.0
"""Until a host has answered, shown its key, let home in and opened a channel."""

_SILENCE = 60.0
"""Seconds for which a host may say nothing."""

_KNOWN = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
_CONFIG = Path("~/.ssh/config")


class Sftp(SFTPFileSystem):
    """One connection; close it. Raises `BadInput` for a `storage` that says too much."""

    cachable = False
    """A connection that broke would be found again and again."""

    def __init__(self, host: str, storage: dict[str, Any], **where: Any) -> None:
        if unknown := sorted(set(storage) - set(STORAGE)):
            raise BadInput(
                f"The storage of an SFTP URL has no {unknown[0]}.",
                hint=f"It may have {', '.join(STORAGE)}; host, port, user and password stand in "
                "the URL.",
            )
        super().__init__(host, **{**_named(host), **storage, **where})

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()  # refuses hosts that it does not know
        known = self.client.get_host_keys()
        for entry in _known():
            for name in entry.hostnames:
                known.add(name, entry.key.get_name(), entry.key)
        try:
            self.client.connect(**self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
            self.ftp.get_channel().settimeout(_SILENCE)
        except BaseException:
            self.client.close()
            raise


def _named(host: str) -> dict[str, Any]:
    """What `~/.ssh/config` says of the host."""
    path = _CONFIG.expanduser()
    found = paramiko.SSHConfig.from_path(path).lookup(host) if path.exists() else {}
    told = {"hostname": found.get("hostname", host), "port": int(found.get("port", 22))}
    keys = [key for key in found.get("identityfile", ()) if Path(key).expanduser().exists()]
    patience = ("timeout", "banner_timeout", "auth_timeout", "channel_timeout")
    return {
        **told,
        **({"username": found["user"]} if "user" in found else {}),
        **({"key_filename": keys} if keys else {}),
        **dict.fromkeys(patience, _SECONDS),
    }


def _known() -> Iterator[HostKeyEntry]:
    """Whom this machine knows. As for OpenSSH, a line that cannot be read is none, and a key that
    is marked as revoked is nobody's; authorities are left out."""
    lines = [
        line.strip()
        for path in map(Path.expanduser, _KNOWN)
        if path.exists()
        for line in path.read_text("utf-8", "replace").splitlines()
    ]
    marked = [line.partition(" ")[2] for line in lines if line.startswith("@revoked")]
    revoked = {entry.key for entry in map(_entry, marked) if entry is not None}
    for entry in map(_entry, lines):
        if entry is not None and entry.key not in revoked:
            yield entry


def _entry(line: str) -> HostKeyEntry | None:
    if not line or line.startswith(("#", "@")):
        return None
    try:
        return HostKeyEntry.from_line(line)
    except Exception:  # noqa: BLE001  # paramiko raises what it likes
        return None


def refused(error: Exception) -> str:
    """In words that may leave home, why a host was not trusted or did not let home in; empty for
    other errors."""
    if isinstance(error, paramiko.BadHostKeyException):
        return "The host of its files shows another key than the one that home knows."
    if isinstance(error, paramiko.AuthenticationException):
        return "The host of its files does not let home in."
    if isinstance(error, paramiko.SSHException) and "known_hosts" in str(error):
        return "Home does not know the key of the host of its files."
    return ""
