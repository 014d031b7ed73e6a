"""Files that are elsewhere: any URL that fsspec knows, copied home before they are read.

`s3://` goes through Arrow's own client, which is installed with Ropeway; everything else through
fsspec and what it asks for (`ropeway[http]`, `ropeway[sftp]`, `gcsfs`, …). Of SSH only hosts are
asked whose keys are known here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ropeway.data import copies, passwords
from ropeway.data.files import ENDINGS, Place, is_glob, is_hive, kind_of_name
from ropeway.data.problem import because, missing
from ropeway.errors import BadInput, MissingPackage, NotFound, QueryFailed, RopewayError

_TIMES = ("mtime", "LastModified", "Last-Modified", "last_modified", "modified", "created")
_SIGNS = (*_TIMES, "ETag", "etag", "md5Hash", "generation", "Content-MD5", "Digest", "size")
"""What file systems tell of a file that differs when its content does."""

_SETTLED = 2.0
"""Seconds after its last change within which a file may change again without a sign of it."""

_CHUNK = 4 << 20
_SSH = ("sftp", "ssh")
_BY_HAND = "At home, connect once by hand with `sftp`: it shows the key, or what is wrong."


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    info: Mapping[str, Any]

    def state(self) -> str:
        """How the file looks; its own for each look where that may hide a change."""
        told = [f"{sign}={self.info[sign]}" for sign in _SIGNS if self.info.get(sign) is not None]
        signs = [each for each in told if not each.startswith("size=")]
        return " ".join(told) if signs and not self._fresh() else f"seen {time.time_ns()}"

    def _fresh(self) -> bool:
        """Whether it was written just now, so that the next change may bear the same time."""
        if self.info.get("ETag") or self.info.get("etag"):
            return False
        when = next((self.info[sign] for sign in _TIMES if self.info.get(sign)), 0)
        if isinstance(when, str):
            when = parsedate_to_datetime(when)
        seconds = when.timestamp() if isinstance(when, datetime) else float(when)
        return time.time() - seconds < _SETTLED


def fetch(source: str, options: Mapping[str, Any], room: int) -> Place:
    """The files behind the URL `source` as files at home.

    Raises `NotFound`, `BadInput`, `MissingPackage` or `QueryFailed`; none tells address or
    password.
    """
    try:
        system, path = _system(source, options.get("storage", {}))
        with _closing(system):
            found, top = _list(system, path)
            kind = _kind(found, top, options.get("format"))
            local = tuple(_copy(system, source, top, each, room) for each in found)
    except RopewayError:
        raise
    except ImportError as error:
        raise because(_lacking(source), str(error)) from None
    except Exception as error:  # noqa: BLE001  # every file system has errors of its own
        raise _told(error) from None
    below = [PurePosixPath(_below(each.path, top)).parent.parts for each in found]
    return Place(kind, local, local[0].parents[len(below[0])] if is_hive(below) else Path("/"))


def _closing(system: Any) -> AbstractContextManager[Any]:
    return closing(system) if hasattr(system, "close") else nullcontext()


def _kind(found: Sequence[_Found], top: str, wanted: str | None) -> str:
    """Of what kind all of the files are. Raises `BadInput`."""
    kinds = {wanted or kind_of_name(_below(each.path, top)) for each in found}
    kind = next(iter(kinds)) or ""
    if len(kinds) != 1 or kind not in ENDINGS.values():
        raise BadInput(
            "The URL does not stand for files of one kind that can be a table.",
            hint="Name the kind with the option format, or write a glob such as s3://b/*.csv.",
        )
    return kind


def _system(source: str, storage: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system and the path in it; with the secret that home keeps for this URL."""
    import fsspec  # type: ignore[import-untyped]
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    whole = passwords.whole(source)
    parts = urlsplit(whole)
    # S3 sends no secret, and SFTP takes nothing that says where one goes.
    if whole != source and storage and parts.scheme not in ("s3", *_SSH):
        raise BadInput(
            "Beside a password that home keeps for the URL there can be no storage.",
            hint="Leave storage out: it could have the password sent elsewhere.",
        )
    if parts.scheme == "s3":
        return _s3(parts.username, parts.password, storage), (
            f"{parts.netloc.rpartition('@')[2]}{parts.path}"
        )
    if parts.scheme in _SSH:
        from ropeway.data.sftp import Sftp

        said = {"username": parts.username, "password": parts.password}
        told: dict[str, Any] = {name: unquote(text) for name, text in said.items() if text}
        if parts.port:
            told["port"] = parts.port
        return Sftp(str(parts.hostname), dict(storage), **told), unquote(parts.path)
    if parts.scheme in ("http", "https") and parts.username is not None:
        import aiohttp

        login = aiohttp.BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        bare = whole.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
        return fsspec.filesystem(parts.scheme, client_kwargs={"auth": login}), bare
    fsspec.get_filesystem_class(parts.scheme)
    system, path = url_to_fs(whole, use_listings_cache=False, **storage)
    return system, path


def _s3(key: str | None, secret: str | None, storage: Mapping[str, Any]) -> Any:
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]
    from pyarrow.fs import S3FileSystem  # type: ignore[import-untyped]

    given = dict(storage)
    if endpoint := given.pop("endpoint", None):
        parts = urlsplit(endpoint)
        given |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    if key is not None:
        given |= {"access_key": unquote(key), "secret_key": unquote(secret or "")}
    return ArrowFSWrapper(S3FileSystem(connect_timeout=10, request_timeout=60, **given))


def _list(system: Any, path: str) -> tuple[list[_Found], str]:
    """The files that the path stands for, in a fixed order, and where they begin."""
    plain = path.partition("?")[0]
    if signs := [plain.index(sign) for sign in "*[" if sign in plain]:
        named, top = system.glob(path, detail=True), path[: min(signs)].rpartition("/")[0]
    elif not kind_of_name(plain) and system.isdir(path):
        named, top = system.find(path, detail=True), path
    else:
        named, top = {path: system.info(path)}, plain.rpartition("/")[0]
    # Of a link a list tells its own size and time, not those of the file behind it.
    known = {
        name: system.info(name) if info.get("type") == "link" else info
        for name, info in named.items()
    }
    found = [
        _Found(name, info)
        for name, info in sorted(known.items())
        if info.get("type") != "directory" and not _hidden(_below(name, top))
    ]
    if not found:
        raise NotFound("The URL stands for no file.", hint="Check it with the store's own tool.")
    return found, top


def _copy(system: Any, source: str, top: str, each: _Found, room: int) -> Path:
    size = int(each.info.get("size") or 0)
    if size > room:
        raise copies.too_large(size, room)

    def download(target: Path) -> None:
        written = 0
        with system.open(each.path, "rb") as far, target.open("wb") as near:
            while chunk := far.read(_CHUNK):
                written += len(chunk)
                if written > room:
                    raise copies.too_large(written, room)
                near.write(chunk)
                copies.tell(written, size)

    name = _below(each.path, top)
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or is_glob(name):
        raise BadInput("A file there has a name that cannot be one at home.")
    return copies.made(f"{source}\0{each.path}", each.state(), name, download, room=room)


def _below(path: str, top: str) -> str:
    return path.removeprefix(top).lstrip("/").partition("?")[0]


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _lacking(source: str) -> MissingPackage:
    scheme = urlsplit(source).scheme
    extra = {"https": "http", "http": "http", **dict.fromkeys(_SSH, "sftp")}.get(scheme)
    if extra:
        return missing(f"{scheme}://", extra)
    return MissingPackage(
        f"Reading {scheme}:// needs a package that is not installed at home.",
        hint="fsspec names it: see the list of its file systems.",
    )


def _told(error: Exception) -> RopewayError:
    text = passwords.hidden(f"{type(error).__name__}: {error}")
    if type(error).__module__.startswith("paramiko"):
        from ropeway.data import sftp

        if why := sftp.refused(error):
            return because(QueryFailed(why, hint=_BY_HAND), text)
    if isinstance(error, FileNotFoundError):
        return because(NotFound("The URL stands for no file.", hint="Was it moved?"), text)
    if isinstance(error, PermissionError) or "ACCESS_DENIED" in text or "403" in text:
        return because(
            QueryFailed(
                "The store of its files does not let home in.",
                hint="Give the password anew: ropeway data password NAME.",
            ),
            text,
        )
    if isinstance(error, ValueError) and "Protocol not known" in text:
        return because(BadInput("No file system has this kind of URL."), text)
    return because(QueryFailed("The store of its files does not answer as it should."), text)
