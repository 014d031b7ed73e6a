"""What the conformance suite asks of each provider: a real runtime that it can trouble."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar


class Case(ABC):
    """A provider with a real server behind it. `start` it, `end` it, in a folder of its own."""

    kind: ClassVar[str]
    stoppable: ClassVar[bool] = False
    needs: ClassVar[str] = ""
    """The session's fixture that it stands on; what that gives is `ground`."""
    lists_kernels: ClassVar[bool] = True
    joins: ClassVar[bool] = False
    """Whether it comes to home by itself, rather than be connected."""

    def __init__(self, folder: Path, ground: Any = None) -> None:
        self.folder = folder
        self.ground = ground
        self.text = ""
        """What a person pastes."""
        self.token = ""
        self.options: dict[str, Any] = {}

    @abstractmethod
    def start(self) -> None:
        """Bring everything up; sets `text`, `token` and `options`."""

    @abstractmethod
    def end(self) -> None:
        """Leave nothing behind."""

    @abstractmethod
    def drop(self) -> None:
        """Take the connection away, without a word (no FIN), and leave the server running."""

    @abstractmethod
    def restore(self) -> None:
        """Give the connection back."""

    @abstractmethod
    def vanish(self) -> None:
        """Take the server away for good, without a word."""

    @abstractmethod
    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """The same runtime with credentials that are not accepted: text, token, options."""

    def stopped(self) -> bool:
        """Whether the server has ended; asked after `Provider.stop`."""
        raise NotImplementedError
