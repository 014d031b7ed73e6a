"""Whom a client trusts over TLS: this machine's authorities, or one pinned certificate.

A pin is the SHA-256 of a server's certificate. Who holds one needs no authority: the connection
stands with exactly that certificate and with no other, whoever signed it, whatever names and dates
it bears. It is compared when the handshake ends, before a byte of ours, such as a token, is sent.
Standard library only; the contexts work with asyncio, httpx and tornado alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ropeway.errors import BadInput, CertificateRefused

_FINGERPRINT = re.compile(
    r"(?:sha-?256(?: fingerprint)?[:=])?((?:[0-9a-f]{2}:?){32})", re.IGNORECASE
)


def parse_fingerprint(text: str) -> str:
    """`text` as `sha256:AB:CD:…`; with or without `sha256:` and colons. Raises `BadInput`."""
    found = _FINGERPRINT.fullmatch(text.strip())
    if found is None:
        raise BadInput(
            f"{text.strip()[:120]!r} is not the fingerprint of a certificate.",
            hint="It looks like sha256:AB:CD:…, with 32 pairs of hexadecimal digits.",
        )
    return _shown(bytes.fromhex(found[1].replace(":", "")))


def fingerprint_of(certificate: bytes) -> str:
    """The fingerprint of a certificate in DER form."""
    return _shown(hashlib.sha256(certificate).digest())


def _shown(digest: bytes) -> str:
    return "sha256:" + digest.hex(":").upper()


@lru_cache(maxsize=1)
def trusted_authorities() -> ssl.SSLContext:
    """Whom this machine trusts, `SSL_CERT_FILE` included: the same for REST and WebSocket."""
    return ssl.create_default_context()


def context_for(fingerprint: str) -> ssl.SSLContext:
    """The context of a connection: pinned, or with an empty fingerprint this machine's own."""
    return pinned_context(fingerprint) if fingerprint else trusted_authorities()


@lru_cache(maxsize=64)
def pinned_context(fingerprint: str) -> ssl.SSLContext:
    """A client's context with which only the certificate of that fingerprint is accepted.

    A handshake with any other ends in `WrongCertificate`. Raises `BadInput`.
    """
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.wanted = parse_fingerprint(fingerprint)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # no authority is asked: see _Pinned
    context.options |= ssl.OP_NO_RENEGOTIATION  # the certificate that was checked stays
    return context


class WrongCertificate(ssl.SSLCertVerificationError):
    """A server showed another certificate than the pinned one."""

    def __init__(self, wanted: str, seen: str) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, f"the certificate is {seen}, pinned is {wanted}")
        self.wanted = wanted
        self.seen = seen


class _Pinned:
    """What the two kinds of TLS connection have in common under a pin.

    TLS itself makes the server prove that it holds the certificate's key, also where no authority
    is asked. OpenSSL would finish a handshake within the first read or write, hence their guard.
    """

    context: Any
    _matches = False

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands, then compare."""
        super().do_handshake(*args, **kwargs)  # type: ignore[misc]
        self._compare()

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """Read, once the certificate was found right."""
        self._guard()
        return super().read(*args, **kwargs)  # type: ignore[misc]

    def write(self, *args: Any, **kwargs: Any) -> Any:
        """Write, once the certificate was found right."""
        self._guard()
        return super().write(*args, **kwargs)  # type: ignore[misc]

    def _compare(self) -> None:
        shown: bytes | None = self.getpeercert(True)  # type: ignore[attr-defined]
        seen = fingerprint_of(shown) if shown else "none"
        if seen != self.context.wanted:
            raise WrongCertificate(self.context.wanted, seen)
        self._matches = True

    def _guard(self) -> None:
        if not self._matches:
            raise WrongCertificate(self.context.wanted, "not checked yet")


class _PinnedObject(_Pinned, ssl.SSLObject):
    """For asyncio and httpx."""


class _PinnedSocket(_Pinned, ssl.SSLSocket):
    """For tornado and plain sockets."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send, once the certificate was found right."""
        self._guard()
        return super().send(*args, **kwargs)


class _PinnedContext(ssl.SSLContext):
    wanted: str
    sslobject_class = _PinnedObject
    sslsocket_class = _PinnedSocket


async def refusal(url: str, error: BaseException) -> CertificateRefused | None:
    """The error for a failed connection to `url` if a certificate was the cause, else None.

    It names the fingerprints. Where none was pinned the server is dialled once more to see its
    certificate; nothing is sent to it.
    """
    cause = _certificate_error(error)
    if cause is None:
        return None
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(cause, WrongCertificate):
        return CertificateRefused(
            f"The server at {host} shows another certificate than the pinned one: "
            f"it shows {cause.seen}, pinned is {cause.wanted}.",
            hint="Somebody may stand between, or the server has a new certificate. Ask its owner; "
            "if the new one is right, connect anew with its --fingerprint.",
            seen=cause.seen,
            pinned=cause.wanted,
        )
    seen = await _seen(url)
    reason = (cause.verify_message or str(cause)).rstrip(".")
    return CertificateRefused(
        f"The TLS certificate of the server at {host} is not trusted here: {reason}."
        + (f" Its fingerprint is {seen}." if seen else ""),
        hint=(
            "Compare it with what that machine printed. If they are the same, connect with "
            f"--fingerprint {seen} (in the page: the field Fingerprint). "
            if seen
            else ""
        )
        + "A certificate of your own authority is trusted when SSL_CERT_FILE names that.",
        seen=seen,
    )


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The certificate's error beneath the one of a library."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLCertVerificationError):
        found = found.__cause__ or found.__context__
    return found


async def _seen(url: str, timeout: float = 5.0) -> str:
    """The fingerprint that a server shows, whoever it is; empty when it shows none."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 443, ssl=context, server_hostname=parts.hostname
            )
    except (OSError, TimeoutError):
        return ""
    shown = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.transport.abort()
    return fingerprint_of(shown) if shown else ""
