"""Real databases of a test session: each a server of its own in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import free_port

PASSWORD = "p w:/@'\"ü"
"""With every sign that a URL or a shell could trip over."""


@dataclass(frozen=True)
class Server:
    """Where a database listens; the user `ropeway` owns the database `shop`."""

    port: int

    def url(self, scheme: str, user: str = "ropeway") -> str:
        """Without a password, as `ropeway.toml` has it."""
        return f"{scheme}://{user}@127.0.0.1:{self.port}/shop"


@contextmanager
def postgres(network: str = "") -> Iterator[Server]:
    """A PostgreSQL server with a password, gone with the block.

    It listens at `network` as well, such as 10.1.2.1/30, for who is in it.
    """
    with _folder() as folder, _postgres(folder, network) as server:
        yield server


@contextmanager
def _postgres(folder: Path, network: str) -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [_folder_of("initdb")]
    bin_, data, port = found[-1], folder / "data", free_port()
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    _give(folder)
    _as_user([str(bin_ / "initdb"), "-D", str(data), "-A", "scram-sha-256", "-U", "ropeway",
              "-E", "UTF8", "--locale=C.UTF-8", "-N", f"--pwfile={secret}"])  # fmt: skip
    addresses = "127.0.0.1"
    if network:
        addresses += "," + network.partition("/")[0]
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} scram-sha-256\n")
    options = ["-c", f"listen_addresses={addresses}", "-p", str(port), "-c", "fsync=off",
               "-c", f"unix_socket_directories={folder}"]  # fmt: skip
    process = _start([str(bin_ / "postgres"), "-D", str(data), *options], folder)
    try:
        _wait(port, process, folder)
        _create_shop(port)
        yield Server(port)
    finally:
        _end(process)


def _create_shop(port: int) -> None:
    """It listens a little before it lets anybody in."""
    import psycopg2

    end = time.monotonic() + 60
    while True:
        try:
            owner = psycopg2.connect(
                host="127.0.0.1", port=port, user="ropeway", password=PASSWORD, dbname="postgres"
            )
            break
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    owner.autocommit = True
    owner.cursor().execute("create database shop")
    owner.close()


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB server with a password, gone with the block."""
    with _folder() as folder, _mariadb(folder) as server:
        yield server


@contextmanager
def _mariadb(folder: Path) -> Iterator[Server]:
    data, port = folder / "data", free_port()
    _give(folder)
    _as_user(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
              "--auth-root-authentication-method=normal"])  # fmt: skip
    setup = folder / "setup.sql"
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    setup.write_text(
        "create database shop character set utf8mb4;\n"
        f"create user 'ropeway'@'%' identified by '{quoted}';\n"
        "grant all on *.* to 'ropeway'@'%';\n",
        "utf-8",
    )
    _give(folder)
    server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    options = ["--no-defaults", f"--datadir={data}", f"--socket={folder}/s", f"--port={port}",
               "--bind-address=127.0.0.1", f"--pid-file={folder}/pid", f"--init-file={setup}",
               "--character-set-server=utf8mb4", "--innodb-flush-method=nosync"]  # fmt: skip
    process = _start([server, *options], folder)
    try:
        _wait(port, process, folder)
        yield Server(port)
    finally:
        _end(process)


def _folder_of(program: str) -> Path:
    found = shutil.which(program)
    assert found, f"{program} is not installed: see CONTRIBUTING.md"
    return Path(found).resolve().parent


@contextmanager
def _folder() -> Iterator[Path]:
    """Not pytest's: an unprivileged user has no way into that."""
    with tempfile.TemporaryDirectory(prefix="ropeway-database-") as name:
        yield Path(name)


def _give(folder: Path) -> None:
    """To an unprivileged user: neither database runs as root."""
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        for place in (folder, *folder.rglob("*")):
            os.chown(place, user.pw_uid, user.pw_gid)


def _user() -> dict[str, int]:
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid}


def _as_user(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd="/", **_user())
    assert done.returncode == 0, done.stdout + done.stderr


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **_user())


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError((folder / "log").read_text(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
