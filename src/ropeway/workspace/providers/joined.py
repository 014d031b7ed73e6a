"""A runtime that dials home by itself: behind NAT, on a compute node, in a cloud's notebook."""

from __future__ import annotations

from typing import Any

from ropeway.errors import BadInput, Unreachable
from ropeway.workspace.address import Address
from ropeway.workspace.joining import SCHEME, told_link
from ropeway.workspace.providers.provider import Provider
from ropeway.workspace.remembered import Record


class Joined(Provider):
    """Reached at the loopback port of its link, while the link is up."""

    kind = "joined"
    ping_seconds = 60.0  # the link as a whole is pinged more often than that

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """Nobody connects it: it joins."""
        raise BadInput(
            "A runtime that dials in cannot be connected from here.",
            hint="Run `ropeway invite`, and the command that it prints on the other machine.",
        )

    @property
    def shown(self) -> str:
        """What its machine calls itself."""
        return f"dials in from {super().shown}"

    def reaches(self, record: Record) -> bool:
        """Keys change, and so may the machine behind the name: the link is the same."""
        if not record.url.startswith(SCHEME) or record.runtime_class != self.record.runtime_class:
            return False
        self.record = record
        return True

    async def reach(self) -> Address:
        """Where its link ends, on this machine."""
        state = told_link(self.record.name)
        # The link leads to the services of one folder: kernels of others ask in-band.
        own = state.get("root") == self.site.root
        self.door = str(state.get("door") or "") if own else ""
        if "url" not in state:
            why = state.get("why") or "it has not dialled yet"
            raise Unreachable(
                f"Runtime {self.record.name} has no link: {why}.",
                hint="It dials by itself as long as `ropeway runtime --join …` runs there.",
            )
        return Address(state["url"], state["token"])
