"""What is large and is made once for all cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hub import Hub, jupyterhub


@pytest.fixture(scope="session")
def proxy_folder(request: pytest.FixtureRequest) -> Path:
    """Where JupyterHub's proxy is installed; kept from one session to the next."""
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("configurable-http-proxy")


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, proxy_folder: Path) -> Iterator[Hub]:
    """A JupyterHub below a prefix, with users enough for all tests."""
    with jupyterhub(tmp_path_factory.mktemp("hub"), proxy_folder, "/jupyter/hub/") as made:
        yield made
