"""A small Hub for the conformance suite: anybody may log in, servers are processes.

Its spawner has a list of profiles and tells how far it is, as KubeSpawner does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets.config import Config, get_config

given = json.loads(os.environ["ROPEWAY_TEST_HUB"])
folder = Path(given["folder"])
c: Config = get_config()

PROFILES = ("small", "slow", "distant", "broken")


class ProfileSpawner(SimpleLocalProcessSpawner):
    """Its profile `slow` takes its time, `distant` more of it, `broken` fails while it starts."""

    async def start(self) -> Any:
        """Start the server, if its profile exists."""
        profile = self.user_options.get("profile", "small")
        if profile not in PROFILES:
            raise ValueError(f"No such profile: {profile}. Options include: {', '.join(PROFILES)}")
        if profile == "broken":
            await asyncio.sleep(1.2)
            raise RuntimeError("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
        await asyncio.sleep({"slow": 1, "distant": 7}.get(profile, 0))
        return await super().start()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What it is doing."""
        yield {"progress": 10, "message": "Looking for a node."}
        if self.user_options.get("profile") in ("slow", "distant"):
            await asyncio.sleep(0.5)
            yield {"progress": 60, "message": "Pulling the image."}


c.JupyterHub.base_url = given["base_url"]
c.JupyterHub.bind_url = given["url"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{given['hub_port']}"
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 2
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = given["password"]
c.Authenticator.allow_all = True
c.Authenticator.allowed_users = set(given["users"])
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{given['proxy_port']}"
c.JupyterHub.spawner_class = ProfileSpawner
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 1, "slow_stop_timeout": 1}
c.ProfileSpawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.ProfileSpawner.args = ["--allow-root", "--ServerApp.jpserver_extensions={}"]
c.ProfileSpawner.poll_interval = 1
c.ProfileSpawner.home_dir_template = str(folder / "home" / "{username}")
