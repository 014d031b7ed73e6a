"""`ropeway runtime --colab`: the runtime's Jupyter server, opened to Colab's page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config as TraitletsConfig

from ropeway.runtime.colab.about import (
    BuildInfoHandler,
    DriveHandler,
    PeopleHandler,
    ResourcesHandler,
)
from ropeway.runtime.colab.gate import TUNNEL, Gate
from ropeway.runtime.colab.origin import COLAB
from ropeway.runtime.colab.record import Record
from ropeway.runtime.colab.static import NbextensionsHandler, folders
from ropeway.runtime.colab.tty import EXTENSION, TtyHandler
from ropeway.runtime.colab.tunnel import DiagnoseHandler, ProxiedHandler, RequestsHandler


@dataclass(frozen=True, slots=True)
class Colab:
    """Pages of `origins` are let in; a `record` is told what they ask."""

    origins: tuple[str, ...] = (COLAB,)
    record: Record | None = None

    def configure(self, config: TraitletsConfig, root: Path) -> None:
        """Before the server is made: what is stock Jupyter's to do.

        The page's list of files shows `content/`, so kernels start there. Whoever has no token is
        told so, pages too. The Host header has to be this machine's.
        """
        content = root / "content"
        content.mkdir(exist_ok=True)
        config.MappingKernelManager.root_dir = str(content)
        config.ServerApp.jpserver_extensions[EXTENSION] = True
        config.ServerApp.allow_origin_pat = "|".join(map(re.escape, self.origins))
        config.ServerApp.allow_unauthenticated_access = False
        config.ServerApp.allow_remote_access = False

    def let_in(self, app: Any) -> None:
        """Once the server is made and before it listens: the paths, and the gate before them."""
        here = {"port": app.port}
        app.web_app.add_handlers(
            ".*$",
            [
                (r"/(?:tree|lab)?", PeopleHandler),
                (r"/api/colab/build-info", BuildInfoHandler),
                (r"/api/colab/drive", DriveHandler),
                (r"/api/colab/resources", ResourcesHandler, {"folder": Path(app.root_dir)}),
                (r"/colab/tty", TtyHandler),
                (r"/nbextensions/(.+)", NbextensionsHandler, {"path": folders()}),
                (TUNNEL, RequestsHandler, here),
                (TUNNEL + "/diagnose", DiagnoseHandler, here),
                (TUNNEL + "/proxied_ws/(.+)", ProxiedHandler, here),
            ],
        )
        told = self.record.add if self.record else lambda request, status: None
        app.http_server.request_callback = Gate(
            app.web_app, self.origins, app.identity_provider.token, told
        )
