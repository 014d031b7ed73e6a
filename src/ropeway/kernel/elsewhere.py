"""Code that runs on another runtime, and what it says in the cell here while it runs.

Home runs it on this kernel's companion there, and sends what that says in batches. See
`ropeway.wire` for the conversation.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ropeway.errors import CellFailed
from ropeway.kernel.inband import Talk
from ropeway.kernel.said import Said, unpack
from ropeway.wire import Reply

_CREDIT = 32
"""Batches that may be on their way to us."""


def run(shell: Any, runtime: str, code: str) -> bool:
    """Run code on the runtime; its outputs are said here. False where that is this kernel's own.

    Raises `CellFailed` under the name of what the code failed with, and what home answers. An
    interrupt goes to the code there first; a second one gives up on it.
    """
    wanted = {"runtime": runtime, "code": code, "stdin": bool(shell.kernel._allow_stdin)}
    talk = Talk("place", patient=True, credit=_CREDIT, **wanted)
    cell = _Cell(shell, talk, wanted)
    with _Interrupts(talk) as interrupts:
        try:
            while True:
                reply, buffers = talk.hear(interrupts.pass_on)
                if reply.kind == "end":
                    return _ended(reply.body)
                if reply.kind == "ask":
                    with interrupts.off():
                        _ask(shell, talk, reply.body)
                else:
                    cell.hear(reply, buffers)
        finally:
            talk.close()  # also when an output failed here: home is to stop what nobody hears
            talk.say("over", runtime=runtime)


class _Cell:
    """What of a placement is shown here, whichever home tells of it."""

    def __init__(self, shell: Any, talk: Talk, wanted: dict[str, Any]) -> None:
        self._shell = shell
        self._talk = talk
        self._wanted = wanted
        self._batch = bytearray()
        self._taken = 0
        self._shown = 0

    def hear(self, reply: Reply, buffers: list[Any]) -> None:
        """Home says something of it."""
        if reply.kind == "again":
            # Another home than before, and what the other one said last was perhaps not whole.
            self._batch.clear()
            self._taken = 0
            home = str(reply.body.get("home", ""))
            self._talk.say("shown", credit=_CREDIT, text=home, after=self._shown, **self._wanted)
        elif reply.kind == "said":
            self._batch += buffers[0]
            if reply.body.get("last"):
                for said in unpack(bytes(self._batch)):
                    _say(self._shell, said)
                self._batch.clear()
                self._shown = max(self._shown, int(reply.body.get("number", 0)))
            self._taken += 1
            if self._taken % (_CREDIT // 2) == 0:
                self._talk.say("more", credit=_CREDIT // 2)


def _ended(body: dict[str, Any]) -> bool:
    if body.get("own"):
        return False
    if body.get("status") != "ok":
        name, value = str(body.get("ename") or "Aborted"), str(body.get("evalue") or "")
        raise failure(name, value, body.get("traceback") or [f"{name}: {value}"])
    return True


def failure(name: str, value: str, traceback: Iterable[Any]) -> CellFailed:
    """What is raised here for a failure elsewhere: the page shows it as the runtime would have."""
    return _named(name)(value, ename=name, traceback=[str(line) for line in traceback])


@cache
def _named(name: str) -> type[CellFailed]:
    bases = (CellFailed, KeyboardInterrupt) if name == "KeyboardInterrupt" else (CellFailed,)
    return type(name, bases, {"code": f"{CellFailed.code}.{name}"})


def _ask(shell: Any, talk: Talk, body: dict[str, Any]) -> None:
    """Ask the person at this notebook; an interrupt is an answer, too."""
    ask = shell.kernel.getpass if body.get("password") else shell.kernel.raw_input
    try:
        answer = ask(str(body.get("prompt", "")))
        while not isinstance(answer, str):  # a home that was started anew spoke, no person did
            answer = ask(str(body.get("prompt", "")))
    except KeyboardInterrupt:
        talk.say("interrupt")
    else:
        talk.say("answer", text=answer, after=int(body.get("number", 0)))


def _say(shell: Any, said: Said) -> None:
    """As if this kernel's own cell said it: what captures output here captures it."""
    content = said.content
    if said.kind == "stream":
        stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
        stream.write(content["text"])
    elif said.kind in ("display_data", "update_display_data"):
        shell.display_pub.publish(
            content.get("data", {}),
            content.get("metadata", {}),
            transient=content.get("transient", {}),
            update=said.kind == "update_display_data",
        )
    elif said.kind == "execute_result":
        hook = shell.displayhook
        hook.start_displayhook()
        hook.write_output_prompt()
        hook.write_format_data(content.get("data", {}), content.get("metadata", {}))
        hook.finish_displayhook()
    elif said.kind == "clear_output":
        shell.display_pub.clear_output(bool(content.get("wait")))
    else:
        _pass_on(shell.kernel, said)


def _pass_on(kernel: Any, said: Said) -> None:
    """A widget's message, to the page as it is."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kernel.session.send(
        kernel.iopub_socket,
        said.kind,
        said.content,
        metadata=said.metadata,
        parent=kernel.get_parent("shell"),
        buffers=list(said.buffers),
    )


class _Interrupts:
    """While it holds, an interrupt raises nothing here: it could cost a message that is being
    read. A second one does."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._came = 0
        self._passed = 0
        self._before: Any = None

    def __enter__(self) -> _Interrupts:
        self._set()
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def pass_on(self) -> None:
        """Tell the runtime of an interrupt that came."""
        if self._came > self._passed:
            self._passed = self._came
            self._talk.say("interrupt")

    @contextmanager
    def off(self) -> Iterator[None]:
        """An interrupt raises `KeyboardInterrupt` as ever."""
        self._restore()
        try:
            yield
        finally:
            self._set()

    def _set(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, *_: object) -> None:
        self._came += 1
        if self._came > 1:
            raise KeyboardInterrupt
