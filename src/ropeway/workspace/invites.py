"""Invitations: what lets a runtime that dials join. One private file that all workspaces share.

An invitation's secret is shown once and never kept: the file holds its SHA-256, which is enough
for a secret of 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ropeway import config
from ropeway.errors import BadInput, LinkRefused, NotFound

SECONDS = 3600.0
"""How long an invitation counts unless it says otherwise."""

LONGEST = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation to join: `name` may be empty (the runtime's host names it), `expires` is in
    seconds since 1970, and one that is not `once` may be used until then; `used` counts that. What
    joins is of the class `runtime_class`; empty: a machine of one's own."""

    id: str
    name: str
    digest: str
    expires: float
    once: bool
    used: int = 0
    runtime_class: str = ""


class InviteList:
    """The file that holds the invitations."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Invite]:
        """The invitations that still count, by id. Raises `BadInput` when the file is broken."""
        try:
            rows = json.loads(self.path.read_text("utf-8"))["invites"]
            found = [Invite(**row) for row in rows]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self.path} does not hold invitations: {error}.", hint="Move that file away."
            ) from error
        return {invite.id: invite for invite in found if invite.expires > time.time()}

    def make(
        self, name: str, seconds: float, *, once: bool = True, runtime_class: str = ""
    ) -> tuple[Invite, str]:
        """A new invitation and its secret. Raises `BadInput`."""
        if not 0 < seconds <= LONGEST:
            raise BadInput(
                f"An invitation for {seconds:.0f} s cannot be made.",
                hint=f"It may count for up to {LONGEST / 86400:.0f} days.",
            )
        secret = secrets.token_urlsafe(32)
        expires = time.time() + seconds
        invite = Invite(
            secrets.token_hex(4),
            name,
            digest(secret),
            expires,
            once,
            runtime_class=runtime_class,
        )
        with config.one_writer(self.path.parent):
            self._write({**self.read(), invite.id: invite})
        return invite, secret

    def revoke(self, number: str) -> None:
        """Take an invitation back. Raises `NotFound`."""
        with config.one_writer(self.path.parent):
            found = self.read()
            if found.pop(number, None) is None:
                raise NotFound(
                    f"There is no invitation {number}.", hint="See `ropeway invite --list`."
                )
            self._write(found)

    def find(self, secret: str) -> Invite:
        """The invitation behind a secret. Raises `LinkRefused`."""
        asked = digest(secret)
        for invite in self.read().values():
            if hmac.compare_digest(invite.digest, asked):
                return invite
        raise LinkRefused(
            "Home knows no such invitation: it was used, has expired or was taken back.",
            hint="Make a new one at home: `ropeway invite`.",
        )

    def redeem(self, secret: str) -> Invite:
        """The invitation behind a secret, used up when it counts once. Raises `LinkRefused`."""
        with config.one_writer(self.path.parent):
            invite = self.find(secret)
            found = self.read()
            if invite.once:
                del found[invite.id]
            else:
                found[invite.id] = replace(invite, used=invite.used + 1)
            self._write(found)
            return invite

    def _write(self, invites: dict[str, Invite]) -> None:
        rows = [asdict(invite) for invite in invites.values()]
        config.write_private(self.path, json.dumps({"version": 1, "invites": rows}, indent=1))


def invite_list() -> InviteList:
    """The user's own invitations."""
    return InviteList(config.state_dir() / "invites.json")


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
