"""Authorities and certificates for tests, and a TLS server that keeps what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from ropeway.tls import fingerprint_of


@dataclass
class Files:
    """A certificate in files."""

    certfile: Path
    keyfile: Path

    @property
    def fingerprint(self) -> str:
        """Its SHA-256."""
        pem = self.certfile.read_text().split("-----END CERTIFICATE-----")[0]
        return fingerprint_of(ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----"))

    def context(self) -> ssl.SSLContext:
        """A server's context that shows it."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certfile, self.keyfile)
        return made


class Authority:
    """An authority of the test's own, and its certificate in the file `path`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.path = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.path))

    def issue(self, name: str, *hosts: str, rsa: bool = False) -> Files:
        """A certificate for hosts, by default this machine's."""
        kind = trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA
        made = self._ca.issue_cert(*(hosts or ("127.0.0.1", "localhost")), key_type=kind)
        files = Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        files.certfile.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(files.keyfile))
        return files


@dataclass
class Recorder:
    """A TLS server that keeps every byte that it was told, and answers as a Jupyter server."""

    context: ssl.SSLContext
    url: str = ""
    heard: bytes = b""
    connections: int = 0
    failed: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, whose handshake stood."""
        self.connections += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.heard += data
                body = b'{"version": "2.0", "kernelspecs": {}}'
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
                writer.write(head % len(body) + b"\r\n\r\n" + body)
        writer.transport.abort()


@asynccontextmanager
async def recorder(files: Files) -> AsyncIterator[Recorder]:
    """A server at a free port that shows the certificate of `files`."""
    made = Recorder(files.context())
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, what: made.failed.append(str(what)))
    async with await asyncio.start_server(
        made.answer, "127.0.0.1", 0, ssl=made.context, ssl_handshake_timeout=5
    ) as server:
        made.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made
        server.close()
