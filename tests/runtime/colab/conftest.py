"""One runtime for all of these tests, or another server of which the same is asked.

`COLAB_SERVER=jupyter` asks a stock Jupyter server, `jupyter-options` one that was started with the
options of Google's instructions; see `support/colab_table.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.colab_page import COLAB, Page
from support.servers import Server, lent, plain_jupyter

OPTIONS = (f"--ServerApp.allow_origin={COLAB}", "--ServerApp.allow_credentials=True")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A runtime as `ropeway runtime --colab` starts it."""
    folder = tmp_path_factory.mktemp("colab")
    asked = os.environ.get("COLAB_SERVER", "ropeway")
    if asked == "ropeway":
        with lent(folder, "--colab", "--record", "asked.jsonl") as found:
            yield found
    else:
        options = OPTIONS if asked == "jupyter-options" else ()
        with plain_jupyter(folder, options=options) as found:
            yield found


@pytest.fixture(scope="package")
def page(server: Server) -> Iterator[Page]:
    """Colab's page, connected to it."""
    found = Page(server.url, server.token)
    yield found
    found.close()
