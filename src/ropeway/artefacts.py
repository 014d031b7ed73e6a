"""Artefacts: the files that a cell writes on a runtime, and how kernel and home speak of them.

A file is cut into chunks of a fixed size that are known by their hash, so that only those cross
that changed. One question and its answer are each one piece of bytes: a JSON object, behind the
four bytes of its length, and then what belongs to it. A question has an `op`:

- `open`, with the `folder` that a cell declared and the `environment` around it: `{"ticket",
  "files", "environment"}`, all that home has for the notebook; without a folder, that alone. From
  then on every question shows the `ticket`.
- `offer` a `file`: `{"missing": [index...]}`, the chunks that home needs; none when it is kept.
- `chunks`, with `sizes` and behind it the bytes: `{}`. They wait at home for the next offer.
- `forget` the file of a `path`, which is gone on the runtime: `{}`.
- `describe` the file of a `path`: `{"file"}` with its chunks.
- `fetch` the bytes of a `path` from the chunk `start` on: `{}` and behind it up to three chunks.

With `drive` true they are about the drive, a folder at home, instead of a notebook's artefacts: an
`offer` has the version that the runtime knew in `before`, "" for none, and its answer the `path`
under which home keeps the file, which is another one where home has another version by now.

Standard library only: the SDK inside kernels carries this file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from ropeway.errors import BadInput, ProtocolError

CHUNK = 1024 * 1024
"""Bytes of a chunk; a file's last one may be shorter."""

AT_ONCE = 3
"""Chunks of one question or answer: with its head it fits one message."""

LARGEST = 4 * 1024 * 1024
"""Bytes of a question or an answer."""

_PACKAGE = re.compile(r"[a-z0-9]([a-z0-9-]{0,198}[a-z0-9])?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,99}")

_DEEPEST = 32
_LONGEST = 1024
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was at one moment: `path` counts from the kernel's folder, `mtime` in ns."""

    path: str
    size: int
    mtime: int
    chunks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it crosses."""
        # `dataclasses.asdict` copies deeply and takes ten times as long.
        return {each: getattr(self, each) for each in ("path", "size", "mtime", "chunks")}


def file(told: Any) -> File:
    """The file that the other side told of. Raises `BadInput` for what cannot be one."""
    try:
        found = File(told["path"], told["size"], told["mtime"], tuple(told["chunks"]))
    except (KeyError, TypeError) as error:
        raise BadInput("The description of an artefact lacks a field.") from error
    check_path(found.path)
    if type(found.size) is not int or type(found.mtime) is not int or found.size < 0:
        raise BadInput(f"The size and time of {found.path} must be whole numbers.")
    if len(found.chunks) != count(found.size) or not all(map(_is_digest, found.chunks)):
        raise BadInput(f"The chunks of {found.path} do not fit its size.")
    return found


def count(size: int) -> int:
    """The chunks of a file of that size."""
    return -(-size // CHUNK)


def digest(chunk: bytes | memoryview) -> str:
    """The name of a chunk."""
    return hashlib.blake2b(chunk, digest_size=20).hexdigest()


def version(file: File) -> str:
    """The name of what a file holds."""
    return digest(f"{file.size} {' '.join(file.chunks)}".encode())


def parts(sizes: Any, data: memoryview) -> list[bytes]:
    """The chunks that came together. Raises `BadInput` where their sizes do not fit."""
    whole = isinstance(sizes, list) and all(type(each) is int for each in sizes)
    if not whole or not all(0 < each <= CHUNK for each in sizes) or sum(sizes) != len(data):
        raise BadInput("The sizes of the chunks do not fit what was sent.")
    ends = itertools.accumulate(sizes)
    return [bytes(data[end - size : end]) for size, end in zip(sizes, ends)]  # noqa: B905 (3.9)


def digests(stream: BinaryIO, size: int) -> tuple[str, ...]:
    """The chunks of the first `size` bytes; fewer where the file has become shorter."""
    found = []
    while size > 0 and (chunk := stream.read(min(CHUNK, size))):
        found.append(digest(chunk))
        size -= len(chunk)
    return tuple(found)


def check_path(path: Any) -> None:
    """Raises `BadInput` unless it names a place below a folder, on every system.

    Plain names between slashes: none is empty, `.` or `..`, none holds a control character, a
    backslash or a colon, and nothing is absolute.
    """
    if not isinstance(path, str) or not path or len(path.encode("utf-8", "replace")) > _LONGEST:
        raise BadInput("The path of an artefact is a text of at most 1,024 bytes.")
    parts = path.split("/")
    if len(parts) > _DEEPEST or not all(map(_is_name, parts)):
        raise BadInput(
            f"{path!r} is no path of an artefact.",
            hint="Below the declared folder, in plain names, at most 32 folders deep.",
        )


def _is_name(part: str) -> bool:
    plain = part.isprintable() and not set(part) & set("\\:")
    return plain and part.strip() not in ("", ".", "..") and len(part.encode()) <= _LONGEST_NAME


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 40 and not set(text) - set("0123456789abcdef")


def environment(told: Any) -> dict[str, Any]:
    """What a runtime said of its environment, and nothing else.

    It is shown at home and names what is installed: raises `BadInput` where it is not in the form
    of `kernel.environment.recorded`.
    """
    texts = ("time", "python", "platform", "machine")
    if not isinstance(told, dict):
        raise BadInput("The environment of artefacts is an object.")
    packages, used, gpus = (told.get(each) for each in ("packages", "used", "gpus"))
    right = (
        all(_is_text(told.get(each)) for each in texts)
        and isinstance(packages, dict)
        and all(map(is_package, packages, packages.values()))
        and isinstance(used, list)
        and all(_is_text(each) and each in packages for each in used)
        and isinstance(gpus, list)
        and all(map(_is_text, gpus))
    )
    if not right:
        raise BadInput("The environment of artefacts has a field that cannot be meant.")
    return {each: told[each] for each in (*texts, "packages", "used", "gpus")}


def is_package(name: Any, version: Any) -> bool:
    """Whether that names a package and its version, and neither an option nor a place to an
    installer."""
    texts = isinstance(name, str) and isinstance(version, str)
    return texts and bool(_PACKAGE.fullmatch(name) and _VERSION.fullmatch(version))


def _is_text(found: Any) -> bool:
    return isinstance(found, str) and found.isprintable() and len(found) <= _LONGEST


def pack(told: dict[str, Any], data: bytes = b"") -> bytes:
    """A question or an answer as bytes. Raises `BadInput` for one that is too large."""
    head = json.dumps(told, separators=(",", ":")).encode()
    if len(head) + len(data) + 4 > LARGEST:
        raise BadInput("What is told of the artefacts is too large to cross.")
    return len(head).to_bytes(4, "big") + head + data


def unpack(data: bytes | memoryview) -> tuple[dict[str, Any], memoryview]:
    """What `pack` packed. Raises `ProtocolError`."""
    view = memoryview(data)
    end = 4 + int.from_bytes(view[:4], "big")
    try:
        told = json.loads(bytes(view[4:end]))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or len(view) < end:
        raise ProtocolError("The artefacts' question or answer is broken.")
    return told, view[end:]
