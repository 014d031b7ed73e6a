"""The clinic, for every attack: each leaves it as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clinic import ROADS, House, build


@pytest.fixture(scope="module", params=ROADS)
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """The clinic, by each of its two roads."""
    root = tmp_path_factory.mktemp("clinic")
    build(root)
    found = House(root, request.param)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nothing_was_written(house: House) -> Iterator[None]:
    """After each attack every file is as it was, and no new one is there."""
    before = _files(house.root)
    yield
    assert _files(house.root) == before


def _files(root: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
