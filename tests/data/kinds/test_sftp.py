"""SFTP: only hosts that are known, only keys that fit. The rest is in `test_conformance`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from data.kinds.kinds import Sftp
from ropeway.data import passwords
from ropeway.data.sources import expand
from ropeway.errors import QueryFailed
from support.far_machine import ALIAS, FarMachine
from support.notebook import until


def _forget(near: Path, machine: FarMachine) -> None:
    (near / "known_hosts").unlink()


def _another(near: Path, machine: FarMachine) -> None:
    known = (near / "known_hosts").read_text().split()
    other = (machine.folder / "other_key.pub").read_text()
    (near / "known_hosts").write_text(f"{known[0]} {other}")


def _wrong_key(near: Path, machine: FarMachine) -> None:
    machine.write_client_config(near / "config", key="other_key")
    (machine.folder / "known_hosts-config").unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_forget, "Home does not know the key of the host"),
        (_another, "shows another key than the one that home knows"),
        (_wrong_key, "does not let home in"),
    ],
)
def test_a_host_that_cannot_be_trusted_is_asked_nothing(
    tmp_path: Path,
    sftp_server: FarMachine,
    change: Callable[[Path, FarMachine], None],
    why: str,
) -> None:
    """An unknown host, one with another key and one that does not let home in are told apart, in
    words without its address; nobody logs in where the key is wrong."""
    source, options = Sftp(tmp_path, sftp_server).write(pa.table({"number": [1]}))
    change(tmp_path / "near-home/.ssh", sftp_server)
    before = sftp_server.log.read_text()
    with pytest.raises(QueryFailed, match=why) as told:
        expand(source, Path("/"), options)
    assert ALIAS not in str(told.value)
    assert str(sftp_server.port) not in str(told.value)
    assert "Accepted" not in sftp_server.log.read_text().removeprefix(before)


def test_a_password_is_kept_and_not_sent_to_a_stranger(
    tmp_path: Path, sftp_server: FarMachine
) -> None:
    """The password of a URL is home's; a host whose key is not known never hears it."""
    Sftp(tmp_path, sftp_server).write(pa.table({"number": [1]}))
    url = f"sftp://me@127.0.0.1:{sftp_server.port}{sftp_server.home}/table.parquet"
    passwords.keep(url, {"password": "s3cr3t"})
    (tmp_path / "near-home/.ssh/known_hosts").unlink()
    with pytest.raises(QueryFailed, match="does not know the key") as told:
        expand(url, Path("/"), {})
    assert "s3cr3t" not in repr(told.value.__dict__)
    assert "Failed password" not in sftp_server.log.read_text()
    assert "for me" not in sftp_server.log.read_text()


def test_a_connection_ends_with_its_look(tmp_path: Path, sftp_server: FarMachine) -> None:
    """Nothing stays open: neither a server that is started anew nor this process is troubled."""
    source, options = Sftp(tmp_path, sftp_server).write(pa.table({"number": [1]}))

    def open_ones() -> list[object]:
        every = psutil.Process().net_connections("tcp")
        return [each for each in every if each.raddr and each.raddr.port == sftp_server.port]

    for _ in range(2):
        expand(source, Path("/"), options)
        until(lambda: not open_ones(), 5, "the end of the connection")
