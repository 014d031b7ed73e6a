"""`google.colab.errors`."""

from __future__ import annotations

__all__ = ["AuthorizationError", "Error", "RuntimeManagementError", "WidgetException"]


class Error(Exception):
    """What `google.colab` raises on purpose."""


class AuthorizationError(Error):
    """Somebody could not be signed in."""


class RuntimeManagementError(Error):
    """The runtime could not be managed."""


class WidgetException(Error):
    """A widget was used where it cannot be."""
