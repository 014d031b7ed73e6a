"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Every page of the documentation, and those at the top of the repository."""
    return [Page(path) for path in (*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*.md")))]
