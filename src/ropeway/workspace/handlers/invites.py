"""`/ropeway/api/invites`: invitations for runtimes that dial in."""

from __future__ import annotations

from tornado import web

from ropeway.errors import BadInput
from ropeway.workspace.address import check_name
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.invites import SECONDS, invite_list
from ropeway.workspace.running import running_workspace


class InvitesHandler(RopewayHandler):
    """All invitations."""

    @web.authenticated
    async def get(self) -> None:
        """`{"invites": [{"id", "name", "expires", "once"}]}`, never a secret."""
        found = invite_list().read().values()
        rows = [
            {"id": each.id, "name": each.name, "expires": each.expires, "once": each.once}
            for each in found
        ]
        self.answer({"invites": rows})

    @web.authenticated
    async def post(self) -> None:
        """Invite: `{"name"?, "seconds"?, "once"?, "runtime_class"?}`.

        Answers 201 and `{"id", "token", "name", "fingerprint"}`, the last where the
        workspace's certificate is to be pinned.
        """
        body = self.body()
        name = self.text(body, "name")
        seconds, once = body.get("seconds", SECONDS), body.get("once", True)
        if not isinstance(seconds, (int, float)) or not isinstance(once, bool):
            raise BadInput("seconds must be a number and once true or false.")
        joining = self.home.joining
        number, token = joining.invite(
            check_name(name) if name else "",
            seconds,
            once=once,
            runtime_class=self.text(body, "runtime_class"),
        )
        state = running_workspace(self.home.root) or {}
        pin = state.get("fingerprint", "")
        self.answer({"id": number, "token": token, "name": name, "fingerprint": pin}, 201)


class InviteHandler(RopewayHandler):
    """One invitation."""

    @web.authenticated
    async def delete(self, number: str) -> None:
        """Take it back; answers 204."""
        invite_list().revoke(number)
        self.set_status(204)
        self.finish()


HANDLERS = [
    (r"/ropeway/api/invites", InvitesHandler),
    (r"/ropeway/api/invites/([0-9A-Za-z-]+)", InviteHandler),
]
