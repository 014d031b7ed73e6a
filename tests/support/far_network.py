"""Networks of their own that a test makes: a cable that can be pulled, and a slow line. They need
root; the slow line needs /dev/net/tun."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

SLOW_LINE_MTU = 9000
"""Large packets: a program in Python passes them on at hundreds of Mbit/s."""


class FarNetwork:
    """A network whose cable can be pulled. `start` it, `end` it."""

    def __init__(self) -> None:
        place = os.getpid() % 16384
        subnet, first = place >> 6, (place & 63) << 2
        self.home = f"10.97.{subnet}.{first + 1}"
        """Home's end of the cable."""
        self.there = f"10.97.{subnet}.{first + 2}"
        """The far end."""
        self.name = f"ropeway{os.getpid() % 100000}"
        self.prefix = ("ip", "netns", "exec", self.name)
        """The command that runs a program there."""
        self._ends = f"{self.name[-8:]}a", f"{self.name[-8:]}b"

    def start(self) -> None:
        """Lay the cable."""
        here, there = self._ends
        _ip("netns", "add", self.name)
        self._lay()
        _ip("addr", "add", f"{self.home}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", there)
        _ip("-n", self.name, "link", "set", "lo", "up")
        self.mend()

    def cut(self) -> None:
        """Pull the cable: nobody is told."""
        _ip("-n", self.name, "link", "set", self._ends[1], "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("-n", self.name, "link", "set", self._ends[1], "up")

    def end(self) -> None:
        """Leave nothing behind."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, timeout=30)

    def _lay(self) -> None:
        here, there = self._ends
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)


class SlowLine(FarNetwork):
    """A network behind a line of so many Mbit/s each way, and so many ms there and back."""

    def __init__(self, mbit: float = 100.0, trip_ms: float = 42.0, queue_ms: float = 50.0) -> None:
        super().__init__()
        self._figures = [str(mbit), str(trip_ms), str(queue_ms)]
        self._carrier: subprocess.Popen[bytes] | None = None

    @property
    def carried(self) -> int:
        """Bytes that home has sent over it, with the packets' heads."""
        counter = Path("/sys/class/net", self._ends[0], "statistics/tx_bytes")
        return int(counter.read_text("ascii"))

    def end(self) -> None:
        """Leave nothing behind."""
        super().end()
        if self._carrier is not None:
            self._carrier.kill()
            self._carrier.wait()

    def _lay(self) -> None:
        here, there = self._ends
        command = [sys.executable, __file__, here, there, *self._figures]
        self._carrier = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._carrier.stdout is not None
        with self._carrier.stdout as said:
            assert said.readline() == b"laid\n", "no TUN device can be made"
        for end in self._ends:
            _ip("link", "set", end, "mtu", str(SLOW_LINE_MTU))
        _ip("link", "set", there, "netns", self.name)


@dataclass
class _Way:
    """One direction: packets wait for their turn on the line, and then for its length."""

    source: int
    target: int
    seconds_a_byte: float
    delay: float
    longest_queue: float
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    free_at: float = 0.0
    """When the line has passed on what it holds."""

    def take(self, now: float) -> None:
        packet = os.read(self.source, 65536)
        begins = max(self.free_at, now)
        if begins - now <= self.longest_queue:  # else it is dropped, as a router drops it
            self.free_at = begins + (len(packet) + 38) * self.seconds_a_byte
            self.waiting.append((self.free_at + self.delay, packet))

    def pass_on(self, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            try:
                os.write(self.target, self.waiting.popleft()[1])
            except OSError:  # the far end is down
                continue


def carry(here: int, there: int, mbit: float, trip_ms: float, queue_ms: float) -> None:
    """Pass packets between two TUN devices, for ever."""
    figures = (8e-6 / mbit, trip_ms / 2000, queue_ms / 1000)
    ways = {here: _Way(here, there, *figures), there: _Way(there, here, *figures)}
    while True:
        due = [way.waiting[0][0] for way in ways.values() if way.waiting]
        left = max(min(due) - time.monotonic(), 0.0) if due else None
        ready, _, _ = select.select(list(ways), [], [], left)
        now = time.monotonic()
        for device in ready:
            ways[device].take(now)
        for way in ways.values():
            way.pass_on(now)


def _tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=30)


def _main() -> None:
    here, there = (_tun(name) for name in sys.argv[1:3])
    print("laid", flush=True)
    carry(here, there, *map(float, sys.argv[3:6]))


if __name__ == "__main__":
    _main()
