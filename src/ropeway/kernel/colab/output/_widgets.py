"""Colab's switch for widgets of other packages: JupyterLab finds them by itself."""

from __future__ import annotations

_VERSIONS = ("5.0.0a",)


def enable_custom_widget_manager(version: str = "5.0.0a") -> None:
    """Nothing has to be enabled. Raises `ValueError` for a version that Colab does not know."""
    if version not in _VERSIONS:
        raise ValueError(f"Unknown widget manager version: {version}")


def disable_custom_widget_manager() -> None:
    """Nothing was enabled."""
