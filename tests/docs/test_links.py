"""The pages hang together and speak of no particular machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HTML = re.compile(r'(?:src|href)="([^"]+)"')


def test_every_relative_link_leads_somewhere(pages: list[Any]) -> None:
    """A relative link names a file that is there, and a heading that the file has."""
    broken = []
    for page in pages:
        for target in (*LINK.findall(page.prose), *HTML.findall(page.prose)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.path.parent / path).resolve() if path else page.path
            if not file.exists() or (anchor and anchor not in _anchors(file)):
                broken.append(f"{page.name}: {target}")
    assert not broken


def test_every_page_can_be_reached_from_the_map(root: Path, pages: list[Any]) -> None:
    """Following links from the map of the docs one comes to every page of them."""
    by_path = {page.path: page for page in pages}
    seen: set[Path] = set()
    ahead = [root / "docs" / "index.md"]
    while ahead:
        path = ahead.pop()
        if path in seen or path not in by_path:
            continue
        seen.add(path)
        links = LINK.findall(by_path[path].prose)
        ahead += [(path.parent / link.partition("#")[0]).resolve() for link in links]
    docs = {page.path for page in pages if page.name.startswith("docs/")}
    assert docs <= seen


def test_no_page_speaks_of_one_machine(pages: list[Any]) -> None:
    """No page names a folder of the machine on which it was written."""
    for page in pages:
        assert not re.search(r"(?<![\w.])/(work|root|tmp)\b", page.text), page.name


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}
