"""Whether an address may and can be listened on, asked before anything heavy is loaded."""

from __future__ import annotations

import errno
import ipaddress
import socket

from ropeway.errors import BadInput, PortInUse

_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def check_exposed(host: str, *, tls: bool, insecure_http: bool) -> None:
    """Raise `BadInput` when tokens would cross a network in plain HTTP and nobody asked for it."""
    if tls or insecure_http or is_loopback(host):
        return
    raise BadInput(
        f"Listening on {host or 'every address'} without TLS would let others on the network "
        "read the token and all that is shown.",
        hint="Add --tls self-signed, or --certfile and --keyfile; or, behind a proxy with TLS or "
        "on a network that you trust, --insecure-http.",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can dial `host`: every address that it stands for is loopback."""
    if host in ("", "*"):  # every address, to jupyter_server
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def check_port(host: str, port: int) -> None:
    """Raise `PortInUse` when `port` cannot be listened on; port 0 always can."""
    if not port:
        return
    for address in ("127.0.0.1", "::1") if host == "localhost" else (host,):
        try:
            with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno in _NO_IPV6 and address != host:
                continue
            raise PortInUse(
                f"Port {port} on {host} cannot be used: {(error.strerror or '').lower()}.",
                hint="Choose another with --port, or --port 0 for a free one.",
            ) from error


def free_port(host: str) -> int:
    """A port of `host` that nobody listens on: older servers do not say which one they took."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
