"""SFTP: only hosts that are known, only keys that fit. The rest is in `test_conformance`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from paramiko import HostKeys

from data.kinds.kinds import Sftp
from ropeway.data import passwords
from ropeway.data.sources import Files, expand
from ropeway.errors import BadInput, QueryFailed
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
    assert "user me " not in sftp_server.log.read_text(), "the host did not even hear the name"


def test_a_project_cannot_send_a_password_elsewhere(
    tmp_path: Path, sftp_server: FarMachine
) -> None:
    """`storage` says nothing of the host, the port, the user or the password of a URL, and beside a
    kept password of other stores there is none."""
    url = f"sftp://me@good.example{sftp_server.home}/table.parquet"
    passwords.keep(url, {"password": "s3cr3t"})
    before = sftp_server.log.read_text()
    for name in ("hostname", "port", "username", "password", "sock", "gss_auth"):
        with pytest.raises(BadInput, match=f"has no {name}"):
            expand(url, Path("/"), {"storage": {name: "127.0.0.1"}})
    for url in ("ftp://me@good.example/a.csv", "https://good.example/a.csv?x=1"):
        passwords.keep(url, {"password": "s3cr3t", "?token": "s3cr3t"})
        with pytest.raises(BadInput, match="there can be no storage"):
            expand(url, Path("/"), {"storage": {"host": "127.0.0.1"}})
    assert sftp_server.log.read_text() == before


def test_known_hosts_is_read_as_openssh_does(tmp_path: Path, sftp_server: FarMachine) -> None:
    """Lines that cannot be read, comments and authorities are passed over, a hashed name is a name,
    a key that does not exist is not missed, and a revoked one is not taken."""
    source, options = Sftp(tmp_path, sftp_server).write(pa.table({"number": [1]}))
    near = tmp_path / "near-home/.ssh"
    known = near / "known_hosts"
    line = known.read_text().strip()
    name, _, key = line.partition(" ")
    hashed = HostKeys.hash_host(name)
    known.write_text(
        f"# mine\n@cert-authority * {key}\nnonsense\n{name} ssh-x !!\n{hashed} {key}\n"
    )
    config = (near / "config").read_text()
    (near / "config").write_text(config + "  IdentityFile ~/.ssh/none\n")
    expand(source, Path("/"), options)
    known.write_text(f"{line}\n@revoked * {key}\n")
    with pytest.raises(QueryFailed, match="does not know the key"):
        expand(source, Path("/"), options)


def test_a_link_changes_with_its_file(tmp_path: Path, sftp_server: FarMachine) -> None:
    """Of a link in a folder the file behind it is what counts; one to a folder is no file."""
    top = sftp_server.home / "table"
    top.mkdir()
    (top / "folder").symlink_to(tmp_path)
    (top / "a.csv").symlink_to(sftp_server.home / "real.csv")
    source = f"sftp://{ALIAS}{top}"
    for text, size in (("n\n1\n", 4), ("n\n1\n2\n", 6)):
        (sftp_server.home / "real.csv").write_text(text)
        found = expand(source, Path("/"), {})
        assert isinstance(found, Files)
        assert found.size == size


def test_a_connection_ends_with_its_look(tmp_path: Path, sftp_server: FarMachine) -> None:
    """Nothing stays open: neither a server that is started anew nor this process is troubled."""
    source, options = Sftp(tmp_path, sftp_server).write(pa.table({"number": [1]}))

    def open_ones() -> list[object]:
        every = psutil.Process().net_connections("tcp")
        return [each for each in every if each.raddr and each.raddr.port == sftp_server.port]

    for _ in range(2):
        expand(source, Path("/"), options)
        until(lambda: not open_ones(), 5, "the end of the connection")
