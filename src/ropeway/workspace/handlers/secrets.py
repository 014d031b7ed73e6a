"""`/ropeway/api/secrets`: which secrets there are and who may read them. No value ever goes out."""

from __future__ import annotations

from anyio.to_thread import run_sync
from tornado import web

from ropeway import wire
from ropeway.data.secrets import OWN
from ropeway.errors import BadInput
from ropeway.workspace.handlers.base import RopewayHandler


class SecretsHandler(RopewayHandler):
    """All secrets."""

    @web.authenticated
    async def get(self) -> None:
        """`{"secrets": [wire.Secret], "questions": [wire.SecretQuestion]}`.

        The secrets as the notebook `?notebook=` may have them; what waits for an answer, whichever
        notebook asks.
        """
        secrets = self.home.secrets
        found = await run_sync(secrets.told, self.get_query_argument("notebook", ""))
        self.answer(
            {
                "secrets": [wire.to_json(each) for each in found],
                "questions": [wire.to_json(each) for each in secrets.questions],
            }
        )


class SecretHandler(RopewayHandler):
    """One secret."""

    @web.authenticated
    async def put(self, name: str) -> None:
        """Keep `{"value"}`; 204."""
        value = self.text(self.body(), "value")
        await run_sync(self.home.secrets.kept.set, name, value)
        self._done()

    @web.authenticated
    async def patch(self, name: str) -> None:
        """Let `{"notebook"}` read it up to the class `{"runtime_class"}` (`own`); 204.

        Where the class is empty it may read it no more.
        """
        body = self.body()
        notebook, kept = self.text(body, "notebook"), self.home.secrets.kept
        if not notebook:
            raise BadInput("notebook must be the path of a notebook.")
        place = self.home.secrets.place(notebook)
        if allowed := self.text({"runtime_class": OWN, **body}, "runtime_class"):
            await run_sync(kept.allow, name, place, allowed)
        else:
            await run_sync(kept.deny, name, place)
        self._done()

    @web.authenticated
    async def delete(self, name: str) -> None:
        """Forget it; 204."""
        await run_sync(self.home.secrets.kept.remove, name)
        self._done()

    def _done(self) -> None:
        self.set_status(204)
        self.finish()


class SecretQuestionHandler(RopewayHandler):
    """A notebook's question."""

    @web.authenticated
    async def post(self, number: str) -> None:
        """Answer it with `{"allowed"}`, true or false; 204."""
        allowed = self.body().get("allowed")
        if not isinstance(allowed, bool):
            raise BadInput("allowed must be true or false.")
        await self.home.secrets.settle(number, allowed=allowed)
        self.set_status(204)
        self.finish()


HANDLERS = [
    (r"/ropeway/api/secrets", SecretsHandler),
    (r"/ropeway/api/secrets/([A-Za-z0-9_.-]+)", SecretHandler),
    (r"/ropeway/api/secret-questions/([0-9a-f]+)", SecretQuestionHandler),
]
