"""`google.colab.snippets`."""

from __future__ import annotations

__all__ = ["register"]


def register(url: str) -> None:
    """Says that Ropeway has no collections of snippets; nothing else happens."""
    print(f"Ropeway has no panel of snippets; {url} is left alone. Open it as a notebook.")
