"""Passwords of databases and stores: in the system's keyring, or in a file of mode 0600.

Never in `ropeway.toml`. A password belongs to an address (scheme, user, host, port), not to a
name, so that no project file can have it sent to another host than it was given for.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from ropeway import config
from ropeway.data.safe import Safe

SERVICE = "ropeway"
"""The name under which the keyring has them."""

_SECRET = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|sig(nature)?|(access_?|auth_?|sas_?)?token|api_?key|"
    r"secret_?(access_?)?key|account_?key|sslpassword|x-amz-(signature|security-token|credential)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@]*@|(?P<key>[?&][^=\s]+)=[^&\s]*",
                     re.IGNORECASE)  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether a parameter of this name holds a secret."""
    return _SECRET.fullmatch(name) is not None


def user(url: str) -> str | None:
    """The user whom the URL names."""
    name = urlsplit(url).username
    return None if name is None else unquote(name)


def split(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its secrets, and what was taken out of it."""
    parts = urlsplit(url)
    taken: dict[str, str] = {}
    netloc = parts.netloc
    if parts.password is not None:
        taken["password"] = unquote(parts.password)
        user, _, host = netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}@{host}"
    kept = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if is_secret(name):
            taken[f"?{name}"] = value
        else:
            kept.append((name, value))
    if not taken:
        return url, {}
    # A query that stays as it is keeps its own way of quoting.
    query = urlencode(kept) if any(key.startswith("?") for key in taken) else parts.query
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment)), taken


def keep(url: str, secrets: dict[str, str]) -> str:
    """Keep what `split` took out; returns where, in words."""
    signed = {name[1:]: value for name, value in secrets.items() if name.startswith("?")}
    entries = {_key(url, "?"): urlencode(signed)} if signed else {}
    if "password" in secrets:
        entries[_key(url, "password")] = secrets["password"]
    return _safe().keep(entries)


def password(url: str) -> str | None:
    """The password for the address of this URL, None where home has none."""
    return _find(_key(url, "password"))


def whole(url: str) -> str:
    """The URL with the secrets that home keeps for it. For drivers; never shown or logged."""
    parts = urlsplit(url)
    netloc, query = parts.netloc, parts.query
    found = _find(_key(url, "?"))
    secret = password(url) if parts.hostname else None
    if found is None and secret is None:
        return url
    if secret is not None:
        user, _, host = netloc.rpartition("@")
        netloc = f"{user}:{quote(secret, safe='')}@{host}"
    if found:
        query = "&".join(part for part in (query, found) if part)
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))


def hidden(text: str) -> str:
    """A driver's text without what may be a secret in a URL."""
    return _IN_URL.sub(lambda m: f"{m['scheme']}:…@" if m["scheme"] else f"{m['key']}=…", text)


def _key(url: str, name: str) -> str:
    """What a secret is kept under: the address, and for a signed URL the whole of it."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}"
    return where if name == "password" else f"{where}{parts.path}?{parts.query}"


def _find(key: str) -> str | None:
    return _safe().find(key)


def _safe() -> Safe:
    return Safe(SERVICE, config.state_dir() / "passwords.json")
