"""How the servers listen: https on request, plain HTTP for others only if told."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from ropeway import tls
from ropeway.runtime.port import is_loopback
from support.servers import clean_environment, lent, workspace
from support.tls import Authority

OPEN = ("--host", "0.0.0.0")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the test's own."""
    return Authority(tmp_path)


def call(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call ropeway to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        env=clean_environment(folder / "home") | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", [["--no-browser"], ["runtime"]], ids=["workspace", "runtime"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7"])
def test_plain_http_for_others_is_refused(tmp_path: Path, command: list[str], host: str) -> None:
    """An address that others can reach wants TLS: exit code 2, the ways out, nothing started."""
    ran = call(tmp_path, *command, "--port", "0", "--host", host)
    assert ran.returncode == 2
    for word in ("--tls self-signed", "--certfile", "--keyfile", "--insecure-http", "proxy"):
        assert word in ran.stderr
    assert not (tmp_path / "home/ropeway/workspaces").exists()


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("*", False),
        ("::ffff:10.0.0.1", False),
        ("no-such-host.invalid", False),
        ("0", False),
    ],
)
def test_what_is_this_machine_alone(host: str, alone: bool) -> None:
    """Loopback is what no other machine can dial; whatever is not surely so is open."""
    assert is_loopback(host) is alone


def test_plain_http_on_request(tmp_path: Path) -> None:
    """In so many words it can be had: as an option for a runtime, as a setting for a workspace."""
    with lent(tmp_path, *OPEN, "--insecure-http") as box:
        port = int(box.url.rsplit(":", 1)[1])
        assert status("127.0.0.1", port, box.token, None) == 200
    variables = {"ROPEWAY_WORKSPACE_INSECURE_HTTP": "1"}
    with workspace(tmp_path / "home", tmp_path / "files", *OPEN, variables=variables) as work:
        assert work.url.startswith("http://")


def status(host: str, port: int, token: str, context: ssl.SSLContext | None) -> int:
    """What a server answers to a request with the token; None: plain HTTP."""
    connection = (
        http.client.HTTPSConnection(host, port, timeout=20, context=context)
        if context
        else http.client.HTTPConnection(host, port, timeout=20)
    )
    try:
        connection.request("GET", "/api/kernels", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_runtime_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    """It serves https, prints its fingerprint, and the printed command connects it for cells."""
    with lent(tmp_path, *OPEN, "--tls", "self-signed") as box:
        said, url, token = box.state["said"], box.url, box.token
        (fingerprint,) = set(re.findall(r"sha256:[0-9A-F:]{95}", said))
        assert said.count(fingerprint) == 2
        port = int(url.rsplit(":", 1)[1])
        assert url.startswith("https://")
        assert status("127.0.0.1", port, token, tls.pinned_context(fingerprint)) == 200
        command = ["connect", f"https://127.0.0.1:{port}/?token={token}", "--name", "gpu"]
        unpinned = call(tmp_path, *command)
        assert unpinned.returncode == 3
        assert f"--fingerprint {fingerprint}" in unpinned.stderr
        assert token not in unpinned.stderr
        wrong = call(tmp_path, *command, "--fingerprint", "sha256:" + ":".join(["AB"] * 32))
        assert wrong.returncode == 3
        assert fingerprint in wrong.stderr
        assert "AB:AB:AB" in wrong.stderr
        shown = re.search(r"ropeway (connect .*?)\nCtrl-C", said, re.DOTALL)
        assert shown is not None
        script = shown[1].replace(url, f"https://127.0.0.1:{port}")
        ran = subprocess.run(
            f"{sys.executable} -m ropeway {script}",
            shell=True,
            env=clean_environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        listed = call(tmp_path, "runtimes")
        assert re.search(r"connected\s+127\.0\.0\.1", listed.stdout), listed.stdout
        (name,) = re.findall(r"^(\S+)\s+connected\s+127", listed.stdout, re.MULTILINE)
        cell = call(tmp_path, "exec", "--on", name, "print(6 * 7)")
        assert (cell.returncode, cell.stdout) == (0, "42\n"), cell.stderr


def test_a_workspace_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    """It serves https alone, says its fingerprint, keeps it over a restart; cookies are secure."""
    seen = []
    for _ in range(2):
        with workspace(tmp_path / "home", tmp_path / "files", "--tls", "self-signed") as work:
            assert work.url.startswith("https://")
            seen += re.findall(r"sha256:[0-9A-F:]{95}", work.log.read_text())
            context = tls.pinned_context(seen[0])
            port = int(work.url.rsplit(":", 1)[1])
            assert status("127.0.0.1", port, work.token, context) == 200
            cookies = first_cookies(port, work.token, context)
            assert len(cookies) == 2
            for cookie in cookies:
                assert re.search(r"; *secure", cookie, re.IGNORECASE), cookie
            with pytest.raises((OSError, http.client.HTTPException)):
                status("127.0.0.1", port, work.token, None)
    assert len(set(seen)) == 1


def first_cookies(port: int, token: str, context: ssl.SSLContext) -> list[str]:
    """What a browser is told to keep at its first visit."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    try:
        connection.request("GET", f"/lab?token={token}")
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get_all("Set-Cookie") or []
    finally:
        connection.close()


def test_certificates_that_were_given(tmp_path: Path, authority: Authority) -> None:
    """Both servers speak https with given files; who trusts the authority needs no pin."""
    files = authority.issue("box")
    given = ("--certfile", str(files.certfile), "--keyfile", str(files.keyfile))
    context = ssl.create_default_context(cafile=str(authority.path))
    with lent(tmp_path, *given) as box:
        url, token = box.url, box.token
        assert "--fingerprint" not in box.state["said"]
        assert status("127.0.0.1", int(url.rsplit(":", 1)[1]), token, context) == 200
        ran = call(
            tmp_path,
            *("connect", f"{url}/?token={token}", "--name", "gpu"),
            SSL_CERT_FILE=str(authority.path),
        )
        assert ran.returncode == 0, ran.stderr
    variables = {
        "ROPEWAY_WORKSPACE_CERTFILE": str(files.certfile),
        "ROPEWAY_WORKSPACE_KEYFILE": os.path.relpath(files.keyfile, tmp_path / "files"),
    }
    with workspace(tmp_path / "home", tmp_path / "files", variables=variables) as work:
        port = int(work.url.rsplit(":", 1)[1])
        assert status("127.0.0.1", port, work.token, context) == 200


@pytest.mark.parametrize("command", [["--no-browser"], ["runtime"]], ids=["workspace", "runtime"])
def test_bad_files_are_told_before_anything_starts(
    tmp_path: Path, authority: Authority, command: list[str]
) -> None:
    """A key that does not fit ends the command with exit code 2 and names both files."""
    one, two = authority.issue("one"), authority.issue("two")
    ran = call(tmp_path, *command, "--certfile", str(one.certfile), "--keyfile", str(two.keyfile))
    assert ran.returncode == 2
    assert "does not belong" in ran.stderr
    assert not (tmp_path / "home/ropeway/workspaces").exists()


def test_a_setting_has_its_choices(tmp_path: Path) -> None:
    """An unknown kind of TLS is told with those that there are."""
    (tmp_path / "ropeway.toml").write_text('[workspace]\ntls = "letsencrypt"\n')
    ran = call(tmp_path, "--no-browser")
    assert ran.returncode == 2
    assert "workspace.tls is 'letsencrypt'; it must be off or self-signed" in ran.stderr
