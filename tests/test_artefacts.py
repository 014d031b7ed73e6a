"""What kernel and home say to each other about artefacts."""

from __future__ import annotations

import io

import pytest

from ropeway import artefacts
from ropeway.artefacts import CHUNK, File
from ropeway.errors import BadInput, ProtocolError


@pytest.mark.parametrize(
    "path", ["a", "runs/a.npz", "runs/b c/ü.pt", "runs/.hidden", "a/" * 31 + "b"]
)
def test_plain_names_below_a_folder_are_paths(path: str) -> None:
    """A path is plain names between slashes."""
    artefacts.check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/etc/passwd", "runs/../../x", "runs//x", "runs/", "a/./b", "c:x", "a\\b"),
        *("a\0b", "a\nb", "x" * 256, "ab/" * 400 + "x", "a/" * 32 + "b", "\ud800", " ", "a/ ../b"),
        *(None, 5, ["a"]),
    ],
)
def test_what_could_lead_out_is_none(path: object) -> None:
    """Nothing that is absolute, goes up, or means something else to some system is a path."""
    with pytest.raises(BadInput):
        artefacts.check_path(path)


def test_a_file_crosses_as_it_is() -> None:
    """A description that was told is the same file at the other end."""
    data = bytes(2 * CHUNK + 1)
    chunks = artefacts.digests(io.BytesIO(data), len(data))
    assert len(chunks) == artefacts.count(len(data)) == 3
    assert chunks[0] == chunks[1] != chunks[2]
    file = File("runs/a", len(data), 17, chunks)
    told, rest = artefacts.unpack(artefacts.pack({"file": file.to_json()}, b"behind"))
    assert artefacts.file(told["file"]) == file
    assert bytes(rest) == b"behind"


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "../a"},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"size": CHUNK + 1},
        {"mtime": "now"},
        {"chunks": ["../../etc/passwd"]},
        {"chunks": ["A" * 40]},
        {"chunks": [5]},
        {"chunks": 5},
    ],
)
def test_a_description_is_checked(wrong: dict[str, object]) -> None:
    """One that does not fit itself, or whose chunk could be a path, is refused."""
    told = {"path": "runs/a", "size": 5, "mtime": 1, "chunks": ["0" * 40]}
    artefacts.file(told)
    with pytest.raises(BadInput):
        artefacts.file({**told, **wrong})
    with pytest.raises(BadInput):
        artefacts.file({"path": "runs/a"})


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x05{}", b"\0\0\0\x02[]", b"\xff" * 9])
def test_broken_bytes_are_no_question(data: bytes) -> None:
    """Bytes that `pack` did not make are an error of the protocol."""
    with pytest.raises(ProtocolError):
        artefacts.unpack(data)


def test_a_question_fits_one_message() -> None:
    """More than one message holds is refused before it is sent."""
    with pytest.raises(BadInput, match="too large"):
        artefacts.pack({}, bytes(artefacts.LARGEST))


AROUND = {
    **{"time": "2026-11-21T14:02:11+00:00", "python": "3.12.1", "platform": "Linux"},
    **{"machine": "x86_64", "packages": {"torch": "2.4.0+cu121"}, "used": ["torch"], "gpus": []},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"packages": {"--index-url=http://x": "1"}},
        {"packages": {"git+https://x/y": "1"}},
        {"packages": {"../wheel": "1"}},
        {"packages": {"Torch": "1"}},
        {"packages": {"torch": "1 --pre"}},
        {"packages": {"torch": "-r/etc/passwd"}},
        {"packages": {"torch": "1 @ http://x"}},
        {"packages": {"torch": 1}},
        {"packages": ["torch"]},
        {"used": ["numpy"]},
        {"used": [["torch"]]},
        {"gpus": ["\x1b[2J"]},
        {"gpus": "A100"},
        {"python": None},
        {"machine": "x" * 2000},
    ],
)
def test_an_environment_is_checked(wrong: dict[str, object]) -> None:
    """What a runtime says of itself is shown and installed, so no name in it is an option, a place,
    or anything else but a name."""
    assert artefacts.environment({**AROUND, "more": "is left out"}) == AROUND
    with pytest.raises(BadInput):
        artefacts.environment({**AROUND, **wrong})
