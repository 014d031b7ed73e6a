"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from support.proxy import HOST

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Page:
    """One page: its text, its fenced blocks as `(language, text)`, its text without them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.text = path.read_text("utf-8")
        self.blocks = FENCE.findall(self.text)
        self.prose = FENCE.sub("", self.text)

    @property
    def is_generated(self) -> bool:
        """Whether `docs/generate.py` wrote it."""
        return self.text.startswith("<!-- Written by docs/generate.py")


@pytest.fixture
def example_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that the guide uses leads to this machine."""
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        named = host in (HOST, HOST.encode())
        return real("127.0.0.1" if named else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Every page of the documentation, and those at the top of the repository."""
    return [Page(path) for path in (*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*.md")))]
