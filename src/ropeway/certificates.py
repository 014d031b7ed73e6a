"""The certificate with which a server of ours speaks TLS: files that were given, or one of its own.

Everything that is wrong with one is told before anything starts.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from ropeway import config
from ropeway.errors import BadInput, MissingPackage
from ropeway.tls import fingerprint_of

DAYS = 825
"""How long a certificate of our own is valid: a new one ends every pin of the old one."""

RENEW = timedelta(days=30)
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a server can use."""

    certfile: Path
    keyfile: Path
    fingerprint: str
    own: bool = False
    """Made by Ropeway: no authority vouches for it, so clients pin it."""


def chosen(tls: str, certfile: str, keyfile: str) -> Certificate | None:
    """The certificate that the settings ask for; None where no TLS is asked for.

    Raises `BadInput` when the files are not there, do not fit or are out of date.
    """
    if certfile and tls == "self-signed":
        raise BadInput(
            "Both a self-signed certificate and --certfile were asked for.",
            hint="Give one of them; --tls off takes the setting workspace.tls back.",
        )
    if keyfile and not certfile:
        raise BadInput("A key was given without a certificate.", hint="Give --certfile too.")
    if certfile:
        certificate = Path(certfile).expanduser().absolute()
        key = Path(keyfile).expanduser().absolute() if keyfile else certificate
        return given(certificate, key)
    return self_signed() if tls == "self-signed" else None


def given(certfile: Path, keyfile: Path) -> Certificate:
    """A certificate and its key from PEM files, checked. Raises `BadInput`."""
    der = _first_certificate(certfile)
    begins, ends = _validity(certfile, der)
    now = datetime.now(UTC)
    if now > ends:
        raise BadInput(
            f"The certificate {certfile} has expired: it was valid until {_day(ends)}.",
            hint="Ask your authority for a new one.",
        )
    if now < begins:
        raise BadInput(
            f"The certificate {certfile} is not valid yet: it begins on {_day(begins)}.",
            hint="Is the clock of this machine right?",
        )
    _check_key(certfile, keyfile)
    return Certificate(certfile, keyfile, fingerprint_of(der))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}.",
            hint="--certfile and --keyfile name files in PEM form.",
        ) from error


def _first_certificate(path: Path) -> bytes:
    found = _BLOCK.search(_text(path))
    try:
        der = ssl.PEM_cert_to_DER_cert(found[0]) if found else b""
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=der)
    except ValueError as error:  # ssl.SSLError is none, and means a broken one too
        raise _no_certificate(path) from error
    except ssl.SSLError as error:
        raise _no_certificate(path) from error
    return der


def _no_certificate(path: Path) -> BadInput:
    return BadInput(
        f"{path} holds no certificate in PEM form.",
        hint="It begins with -----BEGIN CERTIFICATE-----; the server's own comes first.",
    )


def _check_key(certfile: Path, keyfile: Path) -> None:
    if "ENCRYPTED" in _text(keyfile):
        raise BadInput(
            f"The key {keyfile} is locked with a passphrase.",
            hint=f"Unlock it with `openssl pkey -in {keyfile} -out NEW`, for your eyes alone.",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadInput(
                f"The key {keyfile} does not belong to the certificate {certfile}.",
                hint="Give the key with which that certificate was asked for.",
            ) from error
        reason = f" ({error.reason.lower().replace('_', ' ')})" if error.reason else ""
        raise BadInput(
            f"{keyfile} holds no key that a server can use{reason}.",
            hint="It begins with -----BEGIN PRIVATE KEY-----.",
        ) from error


# --- dates: Python's ssl tells those of a certificate only after a connection that stood ------


def _validity(path: Path, der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid (RFC 5280, section 4.1)."""
    try:
        _, inside, _ = _element(der, _element(der, 0)[1])
        tag, _, after = _element(der, inside)
        at = after if tag == 0xA0 else inside  # the version may be left out
        for _ in range(3):  # serial number, algorithm, issuer
            at = _element(der, at)[2]
        kind, start, middle = _element(der, _element(der, at)[1])
        kind_2, start_2, end = _element(der, middle)
        return _time(kind, der[start:middle]), _time(kind_2, der[start_2:end])
    except (IndexError, ValueError) as error:
        raise _no_certificate(path) from error


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """The tag of the element at `at`, where its content starts, and where it ends."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return der[at], start, start + length


def _time(tag: int, text: bytes) -> datetime:
    said = text.decode("ascii")
    if tag == 0x17:  # UTCTime has two digits for the year: from 1950 to 2049
        said = ("19" if said >= "5" else "20") + said
    return datetime.strptime(said, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


# --- a certificate of our own -----------------------------------------------------------------


def self_signed() -> Certificate:
    """The certificate of this machine and user: kept and used again, renewed before it expires.

    It lies with its key in one file (mode 0600) in the user's Ropeway folder. Raises
    `MissingPackage`.
    """
    folder = config.private_dir(config.state_dir() / "tls")
    path = folder / f"{_file_name(socket.gethostname())}.pem"
    with config.one_writer(folder):
        if not _is_good(path):
            config.write_private(path, _make(socket.gethostname()))
    found = given(path, path)
    return Certificate(path, path, found.fingerprint, own=True)


def _is_good(path: Path) -> bool:
    try:
        given(path, path)
        return _validity(path, _first_certificate(path))[1] - datetime.now(UTC) > RENEW
    except BadInput:
        return False


def _file_name(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", host).strip(".") or "localhost"


def _make(host: str) -> str:
    """A new key (ECDSA P-256) and its certificate, as PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise MissingPackage(
            "A certificate cannot be made here: the package `cryptography` is missing.",
            hint="`pip install cryptography`, or bring your own with --certfile and --keyfile.",
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Ropeway on {host}"[:64])])
    hosts = [x509.DNSName(each) for each in _names(host)]
    addresses = [x509.IPAddress(each) for each in _addresses()]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([*hosts, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (made.public_bytes(serialization.Encoding.PEM) + secret).decode()


def _names(host: str) -> list[str]:
    found = dict.fromkeys((host, host.split(".")[0], "localhost"))
    return [name for name in found if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251})", name)]


def _addresses() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """This machine's, without those that mean another machine on each network."""
    found = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6) and "%" not in entry.address:
                found.add(ipaddress.ip_address(entry.address))
    return sorted((each for each in found if not each.is_link_local), key=str)
