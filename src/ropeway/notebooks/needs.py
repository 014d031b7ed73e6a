"""What a notebook's file says that it needs, in Colab's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MODEL = re.compile(r"[A-Za-z0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Need:
    """A GPU with `memory` bytes free, 0 for any; one of the `model` is preferred.

    Or another `kind` of accelerator: a TPU.
    """

    memory: int = 0
    model: str = ""
    kind: str = "GPU"

    def __str__(self) -> str:
        return f"a {self.kind} ({self.model})" if self.model else f"a {self.kind}"


def needed(metadata: Mapping[str, Any]) -> Need | None:
    """What `accelerator` and `colab.gpuType` in a notebook's metadata ask for, if anything."""
    kind = metadata.get("accelerator")
    if kind not in ("GPU", "TPU"):
        return None
    colab = metadata.get("colab")
    model = colab.get("gpuType") if isinstance(colab, Mapping) else None
    # It may be anybody's notebook: what is no name goes no further.
    known = kind == "GPU" and isinstance(model, str) and _MODEL.fullmatch(model)
    return Need(model=str(model) if known else "", kind=str(kind))
