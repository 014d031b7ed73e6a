"""What a notebook's metadata ask for, in Colab's words."""

from __future__ import annotations

from typing import Any

import pytest

from ropeway.notebooks.needs import Need, needed


@pytest.mark.parametrize(
    ("metadata", "need"),
    [
        ({}, None),
        ({"accelerator": "None", "colab": {"gpuType": "T4"}}, None),
        ({"accelerator": 3}, None),
        ({"accelerator": "GPU"}, Need()),
        ({"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}, Need(model="T4")),
        ({"accelerator": "GPU", "colab": ["T4"]}, Need()),
        ({"accelerator": "GPU", "colab": {"gpuType": "T4; rm -r"}}, Need()),
        ({"accelerator": "TPU", "colab": {"gpuType": "V28"}}, Need(kind="TPU")),
    ],
)
def test_colabs_words_are_understood(metadata: dict[str, Any], need: Need | None) -> None:
    """An accelerator that Colab knows is a need; of its model only what is a name counts."""
    assert needed(metadata) == need
