"""`thief.py CERTFILE KEYFILE VERSION`: a TLS server that shows a certificate without its key.

OpenSSL would not serve so; tlslite does. Prints its port, then a line for each connection.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

VERSIONS = {"1.2": (3, 3), "1.3": (3, 4)}


def main() -> None:
    """Serve until killed."""
    certfile, keyfile, version = sys.argv[1:]
    end = "-----END CERTIFICATE-----\n"
    shown = X509().parse(Path(certfile).read_text().split(end)[0] + end)
    key = parsePEMKey(Path(keyfile).read_text(), private=True)
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = VERSIONS[version]
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        connection = TLSConnection(client)
        try:
            connection.handshakeServer(
                certChain=X509CertChain([shown]),
                privateKey=key,
                settings=settings,
                alpn=[bytearray(b"http/1.1")],
            )
            print("heard", bytes(connection.read(100, 1)), flush=True)
        except Exception as error:  # noqa: BLE001 (whatever ends the handshake, it heard nothing)
            print("nothing", type(error).__name__, flush=True)
        client.close()


if __name__ == "__main__":
    main()
