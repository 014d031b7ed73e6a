"""`google.colab.patches`: pictures of OpenCV's in a cell, since a kernel can open no window."""

from __future__ import annotations

from typing import Any

__all__ = ["cv2_imshow", "cv_imshow"]


def cv2_imshow(a: Any) -> None:
    """Show an array of OpenCV's, (height, width) or with 1, 3 (BGR) or 4 (BGRA) channels.

    Values beyond 0 to 255 are cut off. It needs Pillow.
    """
    from IPython.display import display
    from PIL import Image

    picture = a.clip(0, 255).astype("uint8")
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    elif picture.ndim == 3:
        picture = picture[:, :, [2, 1, 0, *range(3, picture.shape[2])]]
    display(Image.fromarray(picture))


cv_imshow = cv2_imshow
