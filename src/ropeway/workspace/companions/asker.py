"""The kernel of a notebook that runs cells elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as home knows it: the kernel's id, its runtime, and that one's class."""

    kernel: str
    runtime: str
    runtime_class: str
