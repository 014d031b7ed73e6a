"""Whether a port can be listened on, asked before anything heavy is loaded."""

from __future__ import annotations

import socket

from ropeway.errors import PortInUse


def check_port(host: str, port: int) -> None:
    """Raise `PortInUse` when `port` cannot be listened on; port 0 always can."""
    if not port:
        return
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
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
