"""From `ssh://ann@gpu-box:2222/scratch` to its parts. Pure.

Nothing of it can be read as an option of a program or as text of a shell: user and host are made
of plain letters and do not begin with `-`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ropeway.errors import BadInput

_FORM = re.compile(
    r"ssh://(?:(?P<user>[^@/]*)@)?(?P<host>\[[^\]/@]*\]|[^:/@\[\]]*)(?::(?P<port>[^/@]*))?"
    r"(?P<path>/.*)?",
    re.IGNORECASE | re.DOTALL,
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?")
_HINT = (
    "Write it as ssh://user@host, with :port and /folder if you like: ssh://ann@gpu-box:2222/data"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: empty where the user's own SSH settings are to say."""

    host: str
    user: str = ""
    port: int = 0
    folder: str = "~"

    @property
    def shown(self) -> str:
        """It as one writes it for `ssh`."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def command(self) -> str:
        """The command with which a person tries it."""
        return f"ssh -p {self.port} {self.shown}" if self.port else f"ssh {self.shown}"

    @property
    def url(self) -> str:
        """It as a URL again; spelled the same however it was pasted."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        folder = self.folder if self.folder != "~" else ""
        return f"ssh://{user}{host}{port}{folder.replace('~/', '/~/', 1)}"


def parse_target(text: str) -> Target:
    """The parts of an SSH URL. Raises `BadInput`, without repeating a password."""
    match = _FORM.fullmatch(text.strip().strip("'\"<>"))
    if match is None:
        raise BadInput("This is not an SSH address.", hint=_HINT)
    user = match["user"] or ""
    if ":" in user:
        raise BadInput(
            "An SSH address holds no password.",
            hint="Use a key: `ssh-keygen` and `ssh-copy-id`, then connect without the password.",
        )
    if match["user"] is not None and not _USER.fullmatch(user):
        raise BadInput(f"{user!r} cannot be a user's name there.", hint=_HINT)
    return Target(_host(match["host"]), user, _port(match["port"]), _folder(match["path"] or ""))


def _host(text: str) -> str:
    inner = text[1:-1] if text.startswith("[") else text
    if not (_IPV6 if text.startswith("[") else _HOST).fullmatch(inner):
        raise BadInput(f"{inner!r} cannot be a host's name.", hint=_HINT)
    return inner


def _port(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise BadInput(f"{text!r} is not a port.", hint=_HINT)
    return int(text)


def _folder(path: str) -> str:
    folder = unquote(path).rstrip("/")
    if not folder:
        return "~" if path in ("", "/") else "/"
    if not folder.isprintable():
        raise BadInput("The folder has a character that no folder should have.", hint=_HINT)
    if folder == "/~":
        return "~"
    return folder[1:] if folder.startswith("/~/") else folder
