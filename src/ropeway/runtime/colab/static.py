"""`/nbextensions/…`: what outputs in Colab's page load, ours and what packages brought."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_path
from jupyter_server.base.handlers import FileFindHandler
from tornado import web

OURS = Path(__file__).parent / "nbextensions"


def folders() -> list[str]:
    """Where they are looked for; ours come first."""
    return [str(OURS), *jupyter_path("nbextensions")]


class NbextensionsHandler(FileFindHandler):
    """Stock's files on a path of folders, for who has the token."""

    def get_login_url(self) -> str:
        """A page cannot use a login form."""
        raise web.HTTPError(403)

    @web.authenticated
    def get(self, path: str, include_body: bool = True) -> Any:
        """A file."""
        return super().get(path, include_body)

    @web.authenticated
    def head(self, path: str) -> Awaitable[None]:
        """Its size."""
        found: Awaitable[None] = super().head(path)
        return found
