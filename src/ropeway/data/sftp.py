"""SFTP by fsspec and paramiko, with the hosts, keys and names that OpenSSH knows on this machine.

fsspec alone would take any key from any host. Here a host that is not in `known_hosts` gets neither
a password nor a query; `~/.ssh/config` may say where a name leads (`HostName`, `Port`, `User`,
`IdentityFile`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
from fsspec.implementations.sftp import SFTPFileSystem  # type: ignore[import-untyped]

_SECONDS = 10.0
"""Until a host has answered, shown its key and let home in."""

_SYSTEM = Path("/etc/ssh/ssh_known_hosts")


class Sftp(SFTPFileSystem):
    """One connection; close it."""

    cachable = False
    """A connection that broke would be found again and again."""

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()  # refuses hosts that it does not know
        self.client.load_system_host_keys()
        if _SYSTEM.exists():
            self.client.load_system_host_keys(str(_SYSTEM))
        try:
            self.client.connect(**{**_named(self.host), **self.ssh_kwargs})
            self.ftp = self.client.open_sftp()
        except BaseException:
            self.client.close()
            raise


def _named(host: str) -> dict[str, Any]:
    """What `~/.ssh/config` says of the host."""
    path = Path("~/.ssh/config").expanduser()
    found = paramiko.SSHConfig.from_path(path).lookup(host) if path.exists() else {}
    told = {"hostname": found.get("hostname", host), "port": int(found.get("port", 22))}
    return {
        **told,
        **({"username": found["user"]} if "user" in found else {}),
        **({"key_filename": found["identityfile"]} if "identityfile" in found else {}),
        **dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), _SECONDS),
    }


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
