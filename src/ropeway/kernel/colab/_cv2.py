"""`cv2.imshow` opens a window, and a kernel that has no screen dies of it."""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType
from typing import Any

from ropeway.kernel.accelerators.imported import when_imported

__all__ = ["DisabledFunctionError", "begin"]


class DisabledFunctionError(ValueError):
    """`cv2.imshow` was called in a notebook."""


def begin() -> None:
    """From now on `cv2.imshow` says what to use in a notebook, unless ENABLE_CV2_IMSHOW is set."""
    when_imported("cv2", _disable)


def _disable(cv2: ModuleType) -> None:
    theirs = getattr(cv2, "imshow", None)

    def imshow(*args: Any, **more: Any) -> Any:
        if theirs is not None and os.environ.get("ENABLE_CV2_IMSHOW"):
            return theirs(*args, **more)
        raise DisabledFunctionError(
            "cv2.imshow() opens a window on the machine of the kernel, and is disabled in "
            "notebooks. Use: from google.colab.patches import cv2_imshow"
        )

    with suppress(Exception):
        cv2.imshow = imshow  # type: ignore[attr-defined]
