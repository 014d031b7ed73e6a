"""`google.colab.ai`: Google answers it in Colab alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from ropeway.kernel.colab.errors import Error

__all__ = ["generate_text", "list_models"]

_HINT = (
    "Colab's own service answers google.colab.ai, in Colab alone, without a key. Elsewhere use a "
    "client with a key of yours: `from google import genai` (google-genai), `openai`, `anthropic`; "
    "userdata.get() gives the key from Ropeway's secrets."
)


def generate_text(
    prompt: str, model_name: str = "google/gemini-2.5-flash", stream: bool = False
) -> str | Iterator[str]:
    """Raises `Error`: only Colab can be asked."""
    _refuse("generate_text")


def list_models() -> list[str]:
    """Raises `Error`: only Colab can be asked."""
    _refuse("list_models")


def _refuse(name: str) -> NoReturn:
    raise Error(f"google.colab.ai.{name} cannot work here. {_HINT}")
