"""What every way to reach a runtime has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ropeway.errors import BadInput
from ropeway.workspace.address import Address
from ropeway.workspace.remembered import Record


@dataclass(frozen=True, slots=True)
class Site:
    """What home gives a provider.

    `root` is the folder that is served; `door` the loopback port behind which its services stand, 0
    where none is open; `tell` hears what goes on, a sentence at a time; `changed` asks for a look
    at the runtime now. Without `start` a runtime that does not run is left so: somebody only
    wants to know.
    """

    timeout: float = 10.0
    root: str = ""
    door: int = 0
    tell: Callable[[str], None] = lambda sentence: None
    changed: Callable[[], None] = lambda: None
    start: bool = True


class Provider(ABC):
    """How one runtime is reached: `start` it, `reach` it, again and again, and `aclose` it.

    A provider holds what it needs to keep the runtime's server at an address (a tunnel, a
    process) and brings it back by itself. Everything that happens inside the runtime, kernels
    above all, is the business of `RuntimeClient` and the bridge, the same for all providers.
    """

    kind: ClassVar[str]
    """One word for people and for the page."""

    stoppable: ClassVar[bool] = False
    """Whether `stop` can end what stands at the other end."""

    stop_idle: float = 0.0
    """Seconds without a running cell after which home is to stop it; 0: it sees to that itself."""

    why_stopped = ""
    """Why home stopped it by itself, as the end of a sentence."""

    door = ""
    """The URL at the runtime that leads to home's services; empty where there is no such road."""

    ping_seconds: ClassVar[float] = 10.0
    """How often each kernel's connection is pinged, which finds one that died without a word."""

    def __init__(self, record: Record, site: Site) -> None:
        self.record = record
        self.site = site

    @classmethod
    @abstractmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """What a person pasted, as a record's URL and token. Raises `BadInput`."""

    @property
    def runtime_class(self) -> str:
        """What a policy knows the runtime as: here, own, shared or public."""
        return self.record.runtime_class or self.usual_class

    @property
    def usual_class(self) -> str:
        """The class of a runtime of this kind where nobody said another."""
        return "own"

    @property
    def shown(self) -> str:
        """The address for people; never a secret."""
        return self.record.url.split("://", 1)[1]

    def reaches(self, record: Record) -> bool:
        """Whether it reaches what a record says, read anew."""
        return record == self.record

    @abstractmethod
    async def reach(self) -> Address:
        """Where the runtime's server is right now, after whatever it takes to get there.

        Called before every look, by one caller at a time: quick when all is well. Raises
        `RopewayError` when the runtime cannot be reached; then the next call tries again.
        """

    async def start(self) -> None:  # noqa: B027 (most have nothing to start)
        """Bring up what stands at the other end, on request. Raises `RopewayError`.

        Connecting asks for it too; `reach` never starts what was stopped on purpose.
        """

    async def give_up(self) -> None:  # noqa: B027 (most leave nothing that costs)
        """End what `start` of this very object brought up: nobody will know of it. Never raises."""

    async def stop(self) -> None:
        """End what stands at the other end, on request. Raises `RopewayError`."""
        raise BadInput(
            f"The runtime {self.record.name} cannot be stopped from here.",
            hint="Stop its Jupyter server on its own machine.",
        )

    async def aclose(self) -> None:  # noqa: B027 (most hold nothing)
        """Let go of it: what stands at the other end goes on."""
