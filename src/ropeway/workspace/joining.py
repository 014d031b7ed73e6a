"""Runtimes that dial in: who may join, under which name, and with which key afterwards.

A key is `NAME.SECRET`; home keeps the SHA-256 of the secret with the remembered runtime. It is
renewed from time to time over the link, and the old one counts until the runtime has the new one.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ropeway import config
from ropeway.errors import BadInput, NameTaken, RopewayError
from ropeway.link.link import Link
from ropeway.workspace.address import HERE, NAME
from ropeway.workspace.connect import check_class
from ropeway.workspace.invites import InviteList, digest, invite_list
from ropeway.workspace.remembered import Record, RuntimeList, name_taken, runtime_list

SCHEME = "join://"
RENEW_SECONDS = 86400.0


class Joining:
    """Invitations become remembered runtimes with keys."""

    def __init__(
        self, runtimes: RuntimeList | None = None, invites: InviteList | None = None
    ) -> None:
        self._runtimes = runtimes or runtime_list()
        self._invites = invites or invite_list()
        self._seen = (-1, 0, 0)
        self._records: dict[str, Record] = {}

    def invite(
        self, name: str, seconds: float, *, once: bool = True, runtime_class: str = ""
    ) -> tuple[str, str]:
        """A new invitation: its id and secret. A name in use may only be a joined runtime's, which
        then is replaced. Raises `NameTaken`, `BadInput`."""
        if name and not once:
            raise BadInput(
                "An invitation for many machines cannot have one name.",
                hint="Leave the name away: each machine then gets its own.",
            )
        check_class(runtime_class)
        if name:
            self._check_free(name)
        invite, secret = self._invites.make(name, seconds, once=once, runtime_class=runtime_class)
        return invite.id, secret

    def check(self, secret: str) -> None:
        """Raise `LinkRefused` unless an invitation has this secret."""
        self._invites.find(secret)

    def join(self, secret: str, suggested: str) -> str:
        """The key of a runtime that shows an invitation. Raises `LinkRefused`, `NameTaken`."""
        named = self._invites.find(secret).name
        if named:
            self._check_free(named)
        invite = self._invites.redeem(secret)
        name = invite.name or self._free_name(suggested)
        key = secrets.token_urlsafe(32)
        options = {"key": digest(key), "since": time.time()}
        record = Record(name, SCHEME + _host(suggested), "", options, invite.runtime_class)
        if invite.name:
            self._runtimes.put(record)
        else:
            self._runtimes.add(record)
        return f"{name}.{key}"

    def owner(self, key: str) -> str | None:
        """The runtime whose key this is, or None."""
        name, _, secret = key.partition(".")
        record = self._known().get(name)
        if record is None or not record.url.startswith(SCHEME):
            return None
        given = digest(secret)
        if hmac.compare_digest(str(record.options.get("key", "")), given):
            return name
        if hmac.compare_digest(str(record.options.get("next", "")), given):
            self.renewed(name)  # it kept the new one, though we never heard so
            return name
        return None

    def next_key(self, name: str) -> str | None:
        """A fresh key for a runtime whose key has grown old, else None."""
        record = self._known().get(name)
        if record is None or time.time() - float(record.options.get("since", 0)) < RENEW_SECONDS:
            return None
        secret = secrets.token_urlsafe(32)
        new = replace(record, options={**record.options, "next": digest(secret)})
        return f"{name}.{secret}" if self._runtimes.change(record, new) else None

    def renewed(self, name: str) -> None:
        """The runtime keeps the new key: the old one no longer counts."""
        record = self._known().get(name)
        if record is not None and "next" in record.options:
            options = {"key": record.options["next"], "since": time.time()}
            # Whoever was disconnected in this moment stays so.
            self._runtimes.change(record, replace(record, options=options))

    def _known(self) -> dict[str, Record]:
        stamp = self._runtimes.stamp()
        if stamp != self._seen:
            self._records = self._runtimes.read()
            self._seen = stamp
        return self._records

    def _check_free(self, name: str) -> None:
        known = self._runtimes.read().get(name)
        if name == HERE or (known is not None and not known.url.startswith(SCHEME)):
            raise name_taken(name)

    def _free_name(self, suggested: str) -> str:
        taken = self._runtimes.read()
        base = _host(suggested)
        for count in range(1, 10_000):
            name = base if count == 1 else f"{base}-{count}"
            if name not in taken and name != HERE:
                return name
        raise NameTaken(f"There are too many runtimes named {base}.", hint="Give it a --name.")


def _host(suggested: str) -> str:
    """What a runtime calls its machine, as a name."""
    plain = re.sub(r"[^a-z0-9-]+", "-", suggested.lower()).strip("-")[:30]
    return plain if NAME.fullmatch(plain) and plain != HERE else "runtime"


# --- where a joined runtime is right now --------------------------------------------------------
# The process that holds the link says it in a private file, for every process of the user.


def link_file(name: str) -> Path:
    """Where the state of a runtime's link is told."""
    return config.private_dir(config.state_dir() / "links") / f"{name}.json"


def tell_link(link: Link, root: Path) -> None:
    """Say how the link of a runtime is, which ends at the workspace of the folder `root`."""
    state: dict[str, Any] = {"pid": os.getpid(), "why": link.why_down, "root": str(root)}
    if link.hello is not None:
        door = f"http://127.0.0.1:{link.hello.door}" if link.hello.door else ""
        url = f"http://127.0.0.1:{link.port}"
        state |= {"url": url, "token": link.hello.token, "door": door}
    # A runtime may come and go as often as it likes: no wait for the disk.
    config.write_private(link_file(link.name), json.dumps(state), durable=False)


def told_link(name: str) -> dict[str, Any]:
    """What was told last, `{}` when nothing counts any more; `url` is there while it is up."""
    try:
        state = json.loads(link_file(name).read_text("utf-8"))
    except (OSError, ValueError, RopewayError):
        return {}
    if not isinstance(state, dict):
        return {}
    if "url" in state and not psutil.pid_exists(int(state.get("pid", 0))):
        return {"why": "the workspace that it had joined has ended"}
    return state
