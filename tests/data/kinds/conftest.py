"""One of each kind of source, on the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.kinds.kinds import LOCAL, SERVED, Kind
from support.databases import Server, mariadb, postgres
from support.stores import Store, s3, web


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    with mariadb() as server:
        yield server


@pytest.fixture
def s3_server(tmp_path: Path) -> Iterator[Store]:
    with s3(tmp_path) as store:
        yield store


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[Store]:
    with web(tmp_path) as store:
        yield store


@pytest.fixture(params=[*LOCAL, *SERVED.values()], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A kind of source in a folder of its own."""
    for name, served in SERVED.items():
        if request.param is served:
            return served(tmp_path, request.getfixturevalue(f"{name}_server"))
    made: Kind = request.param(tmp_path)
    return made
