"""Certificates of servers: the given ones are checked, our own are made, kept and renewed."""

from __future__ import annotations

import ssl
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ropeway import certificates, config
from ropeway.certificates import chosen, given, self_signed
from ropeway.errors import BadInput, MissingPackage
from support.tls import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the test's own."""
    return Authority(tmp_path)


def dated(folder: Path, begins: timedelta, ends: timedelta) -> tuple[Path, Path]:
    """A certificate that is valid from and until then, seen from now."""
    now = datetime.now(UTC)
    made = trustme.CA().issue_cert("localhost", not_before=now + begins, not_after=now + ends)
    certfile, keyfile = folder / "dated.pem", folder / "dated.key"
    made.cert_chain_pems[0].write_to_path(str(certfile))
    made.private_key_pem.write_to_path(str(keyfile))
    return certfile, keyfile


def test_good_files_are_taken(authority: Authority) -> None:
    """A certificate with its key is taken, also when both lie in one file."""
    files = authority.issue("box")
    found = given(files.certfile, files.keyfile)
    assert found.fingerprint == files.fingerprint
    assert not found.own
    both = files.certfile.with_name("both.pem")
    both.write_text(files.certfile.read_text() + files.keyfile.read_text())
    assert chosen("off", str(both), "") == certificates.Certificate(both, both, files.fingerprint)


def test_a_file_that_is_not_there_is_told(authority: Authority, tmp_path: Path) -> None:
    """A missing certificate or key is named."""
    files = authority.issue("box")
    for pair in ((tmp_path / "no", files.keyfile), (files.certfile, tmp_path / "no")):
        with pytest.raises(BadInput, match=r"/no cannot be read: no such file"):
            given(*pair)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_told(authority: Authority, tmp_path: Path, text: str) -> None:
    """A file without a certificate is named as such."""
    path = tmp_path / "odd.pem"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"odd\.pem holds no certificate"):
        given(path, authority.issue("box").keyfile)


def test_what_is_no_key_is_told(authority: Authority, tmp_path: Path) -> None:
    """A file without a key, or with a locked one, is named; nobody is asked for a passphrase."""
    files = authority.issue("box")
    odd = tmp_path / "odd.key"
    odd.write_text("hello")
    with pytest.raises(BadInput, match=r"odd\.key holds no key"):
        given(files.certfile, odd)
    with pytest.raises(BadInput, match=r"box\.pem holds no key"):
        given(files.certfile, files.certfile)
    odd.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(BadInput, match="locked with a passphrase"):
        given(files.certfile, odd)


def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    """A key that does not fit names both files."""
    one, two = authority.issue("one"), authority.issue("two")
    with pytest.raises(BadInput, match=r"two\.key does not belong to the certificate .*one\.pem"):
        given(one.certfile, two.keyfile)


def test_an_expired_certificate_says_until_when(tmp_path: Path) -> None:
    """An expired certificate tells its last day."""
    files = dated(tmp_path, timedelta(days=-10), timedelta(days=-3))
    day = datetime.now(UTC) - timedelta(days=3)
    with pytest.raises(BadInput, match=f"has expired: it was valid until {day:%Y-%m-%d}"):
        given(*files)


def test_a_certificate_of_the_future_says_from_when(tmp_path: Path) -> None:
    """A certificate that is not valid yet tells its first day."""
    files = dated(tmp_path, timedelta(days=3), timedelta(days=9))
    with pytest.raises(BadInput, match="not valid yet"):
        given(*files)


@pytest.mark.parametrize("years", [1, 20, 100])
def test_dates_are_read_from_both_forms(tmp_path: Path, years: int) -> None:
    """Dates before and after 2050, which are written differently, are read as they are."""
    files = dated(tmp_path, timedelta(days=-1), timedelta(days=365 * years))
    der = ssl.PEM_cert_to_DER_cert(files[0].read_text())
    wanted = x509.load_der_x509_certificate(der)
    found = certificates._validity(files[0], der)
    assert found == (wanted.not_valid_before_utc, wanted.not_valid_after_utc)


def test_one_wish_at_a_time() -> None:
    """A key without a certificate, or two kinds of certificate, are told."""
    with pytest.raises(BadInput, match="without a certificate"):
        chosen("off", "", "x.key")
    with pytest.raises(BadInput, match="Both"):
        chosen("self-signed", "x.pem", "")
    assert chosen("off", "", "") is None


def test_our_own_is_made_once_and_kept(own_home: Path) -> None:
    """The first start makes a certificate (P-256, for the owner alone), the next one uses it."""
    first = self_signed()
    assert first.own
    assert stat.S_IMODE(first.certfile.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.certfile.parent.stat().st_mode) == 0o700
    assert first.certfile.is_relative_to(own_home)
    assert self_signed() == first
    made = x509.load_pem_x509_certificate(first.certfile.read_bytes())
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))


def test_our_own_serves_and_is_accepted_by_who_trusts_it(own_home: Path) -> None:
    """The certificate stands as a trusted one for localhost: names and purpose are right."""
    found = self_signed()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(found.certfile, found.keyfile)
    client = ssl.create_default_context(cafile=str(found.certfile))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    assert _shake(near.do_handshake, far.do_handshake)
    assert near.getpeercert()


def _shake(*sides: Callable[[], None]) -> bool:
    for _ in range(10):
        done = 0
        for side in sides:
            try:
                side()
                done += 1
            except ssl.SSLWantReadError:
                pass
        if done == len(sides):
            return True
    return False


def test_our_own_is_renewed_in_time(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty days before its end, or when its file is broken, a new one takes its place."""
    monkeypatch.setattr(certificates, "DAYS", 20)
    short = self_signed()
    monkeypatch.setattr(certificates, "DAYS", 825)
    long = self_signed()
    assert long.fingerprint != short.fingerprint
    assert self_signed() == long
    long.certfile.write_text("broken")
    assert self_signed().fingerprint not in (long.fingerprint, short.fingerprint)


def test_a_missing_package_is_told(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `cryptography` the error says what to install or to give instead."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingPackage, match="cryptography") as caught:
        self_signed()
    assert "--certfile" in caught.value.hint


def test_files_of_the_project_are_found_beside_it(tmp_path: Path) -> None:
    """A path in ropeway.toml is relative to that file, wherever the command was called."""
    (tmp_path / "ropeway.toml").write_text('[workspace]\ncertfile = "tls/box.pem"\n')
    inside = tmp_path / "deeper"
    inside.mkdir()
    assert config.load(inside)["workspace.certfile"] == str(tmp_path / "tls/box.pem")
