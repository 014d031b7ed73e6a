"""The ways to reach a runtime, one file each.

A provider is chosen by the scheme of what was pasted. A new one is a file here with a subclass of
`Provider`, a line in `PROVIDERS`, and a case in `tests/conformance`; Colab's tests stand by
themselves (`tests/workspace/test_colab.py`), since each start there is one of Google's program.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from ropeway.workspace.providers.provider import Provider, Site
from ropeway.workspace.remembered import Record

PROVIDERS = {
    "colab": "colab:Colab",
    "http": "url:Url",
    "https": "url:Url",
    "hub+http": "hub:Hub",
    "hub+https": "hub:Hub",
    "join": "joined:Joined",
    "ssh": "ssh:Ssh",
}
"""Scheme -> `module:class`; imported when first needed."""

__all__ = ["PROVIDERS", "Provider", "Site", "provider_for", "provider_type"]


def provider_type(text: str) -> type[Provider]:
    """The kind of provider for what a person pasted; a text without a scheme is a URL's, but for
    the word `colab`."""
    text = "colab://" if text.strip() == "colab" else text
    match = re.match(r"\s*['\"<]?([a-z+]+)://", text)
    module, _, name = PROVIDERS.get(match[1] if match else "http", PROVIDERS["http"]).partition(":")
    found: Any = getattr(import_module(f"{__name__}.{module}"), name)
    kind: type[Provider] = found
    return kind


def provider_for(record: Record, site: Site) -> Provider:
    """The provider that reaches a remembered runtime."""
    return provider_type(record.url)(record, site)
