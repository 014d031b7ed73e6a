"""One of each kind of source, on the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.kinds.kinds import LOCAL, SERVED, Kind
from support.databases import Server, mariadb, postgres
from support.far_machine import FarMachine
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


@pytest.fixture
def sftp_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    """An sshd that this machine's user knows by its key and a name of their own."""
    machine = FarMachine(tmp_path)
    machine.options = ["Subsystem sftp internal-sftp"]
    machine.start()
    known = tmp_path / "near-home/.ssh"
    known.mkdir(parents=True)
    machine.write_client_config(known / "config")
    (tmp_path / "known_hosts-config").rename(known / "known_hosts")
    monkeypatch.setenv("HOME", str(tmp_path / "near-home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield machine
    machine.end()


@pytest.fixture(params=[*LOCAL, *SERVED.values()], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A kind of source in a folder of its own."""
    for name, served in SERVED.items():
        if request.param is served:
            return served(tmp_path, request.getfixturevalue(f"{name}_server"))
    made: Kind = request.param(tmp_path)
    return made
