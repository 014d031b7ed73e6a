"""Google's real `colab` program, but for the two addresses that it speaks to: Colab's, and where a
code is turned into a sign-in. Everything else of it runs as it is; see `support/colab_vm.py`."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from colab_cli import cli, common
from colab_cli.client import Prod
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import InstalledAppFlow


class Flow(InstalledAppFlow):
    """Google's own, which sends no code anywhere."""

    def fetch_token(self, **kwargs):
        """The code is the token."""
        self.code = kwargs["code"]

    @property
    def credentials(self):
        """As Google answers."""
        return Credentials(
            self.code,
            refresh_token="refresh",
            token_uri="https://127.0.0.1:1/",
            client_id="id",
            client_secret="secret",
            expiry=datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1),
        )


auth = __import__("colab_cli.auth", fromlist=["auth"])
auth.InstalledAppFlow = Flow
common.Prod = lambda: Prod(domain=os.environ["STAND_IN"], api=os.environ["STAND_IN"])
cli.main()
