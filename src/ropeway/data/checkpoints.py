"""What kernels ask of the artefacts at home: policy decides, the ledger knows. See
`ropeway.artefacts` for the questions."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropeway import artefacts, config
from ropeway.artefacts import AT_ONCE, File
from ropeway.data.artefacts import Artefacts, Kept, Origin, folder_of
from ropeway.data.drive import Drive
from ropeway.data.ledger import Ledger, entry_of
from ropeway.data.project import Project
from ropeway.errors import BadInput, Refused, RopewayError, TokenRefused
from ropeway.wire import CLASSES, Asker

SHARED = "shared.json"
"""Beside a notebook's artefacts: the classes of runtimes that somebody at home let have them."""


class Checkpoints:
    """Answers the questions of all kernels, over the notebooks below `root`."""

    def __init__(self, root: Path, project: Project, ledger: Ledger) -> None:
        self._root = root
        self._project = project
        self._ledger = ledger
        self._drive = Drive(project.settings, ledger)
        self._kept: dict[str, Artefacts] = {}
        self._described: dict[str, tuple[str, File]] = {}
        """By kernel: the notebook and the file that was described last."""
        self._ops: dict[str, Callable[[Asker, Artefacts, dict[str, Any], memoryview], bytes]] = {
            "open": self._open,
            "offer": self._offer,
            "chunks": self._chunks,
            "forget": self._forget,
            "describe": self._describe,
            "fetch": self._fetch,
        }

    def answer(self, asker: Asker, question: bytes) -> bytes:
        """The answer to one question. Raises `RopewayError`."""
        told, data = artefacts.unpack(question)
        op = self._ops.get(str(told.get("op")))
        if op is None:
            raise BadInput(f"Home knows no question {told.get('op')!r} about artefacts.")
        if told["op"] != "open" or told.get("ticket"):
            asker = replace(asker, notebook=self._shown(asker, told.get("ticket")))
        elif not asker.notebook:
            raise BadInput(
                "Artefacts belong to a notebook, and home does not know which one asks.",
                hint="Call rw.checkpoint in a cell of a notebook that a workspace opened.",
            )
        if told.get("drive"):
            return self._drive.answer(asker, told, data, self._ticket(asker))
        return op(asker, self._of(asker.notebook), told, data)

    def _of(self, notebook: str) -> Artefacts:
        kept = self._kept.get(notebook)
        if kept is None:
            kept = self._kept[notebook] = Artefacts(folder_of(self._root / notebook))
        kept.most = int(self._project.settings()["artefacts.megabytes"]) * 1_000_000
        return kept

    def _open(self, asker: Asker, kept: Artefacts, told: dict[str, Any], _: memoryview) -> bytes:
        folder, around = told.get("folder"), told.get("environment")
        if folder is not None:
            artefacts.check_path(folder)
            self._check_may_send(asker, folder)
            if around is not None:
                around = artefacts.environment(around)
                around |= {"runtime": asker.runtime, "runtime_class": asker.runtime_class}
            kept.begin(around)
        found = kept.files()
        files = [replace(each.file, chunks=()).to_json() for each in found.values()]
        before = kept.environment() if folder is None else {}
        return artefacts.pack(
            {"ticket": self._ticket(asker), "files": files, "environment": before}
        )

    def _offer(self, asker: Asker, kept: Artefacts, told: dict[str, Any], _: memoryview) -> bytes:
        file = artefacts.file(told.get("file"))
        self._check_may_send(asker, file.path)
        missing = kept.keep(file, Origin(asker.runtime, asker.runtime_class))
        if not missing:
            crossed = told.get("crossed")
            self._note(asker, "artefact", file, crossed if type(crossed) is int else file.size)
        return artefacts.pack({"missing": missing})

    def _chunks(
        self, asker: Asker, kept: Artefacts, told: dict[str, Any], data: memoryview
    ) -> bytes:
        self._check_may_send(asker, "a chunk")
        for chunk in artefacts.parts(told.get("sizes"), data):
            kept.take(chunk)
        return artefacts.pack({})

    def _forget(self, asker: Asker, kept: Artefacts, told: dict[str, Any], _: memoryview) -> bytes:
        path: Any = told.get("path")
        artefacts.check_path(path)
        self._check_may_send(asker, path)
        kept.forget(path)
        return artefacts.pack({})

    def _describe(
        self, asker: Asker, kept: Artefacts, told: dict[str, Any], _: memoryview
    ) -> bytes:
        found = kept[str(told.get("path"))]
        self._check_may_fetch(asker, kept, found)
        # Written down before the first byte leaves.
        self._note(asker, "resume", found.file, found.file.size)
        self._described[asker.kernel] = asker.notebook, found.file
        return artefacts.pack({"file": found.file.to_json()})

    def _fetch(self, asker: Asker, kept: Artefacts, told: dict[str, Any], _: memoryview) -> bytes:
        notebook, file = self._described.get(asker.kernel, ("", None))
        start = told.get("start")
        if file is None or (notebook, file.path) != (asker.notebook, told.get("path")):
            raise BadInput("Home is asked for an artefact that it has not described.")
        if type(start) is not int or not 0 <= start < len(file.chunks):
            raise BadInput(f"The artefact {file.path} has no such part.")
        return artefacts.pack({}, kept.read(file, start, AT_ONCE))

    def _check_may_send(self, asker: Asker, path: Any) -> None:
        """The one place that decides what may come home."""
        if not self._project.rule("", asker.runtime_class).put:
            error = Refused(
                f"Runtimes of the class {asker.runtime_class} may send no artefacts home.",
                hint=f"It is decided at home, in ropeway.toml: put = true in "
                f"[policy.{asker.runtime_class}].",
            )
            self._refused(asker, "artefact", path, error)
            raise error

    def _check_may_fetch(self, asker: Asker, kept: Artefacts, found: Kept) -> None:
        """The one place that decides which runtime gets an artefact: one that is trusted as much
        as where it comes from, or that somebody at home allowed."""
        origin, wanted = found.origin.runtime_class, asker.runtime_class
        if CLASSES.index(wanted) <= CLASSES.index(origin) or wanted in shared_with(kept.folder):
            return
        error = Refused(
            f"{found.file.path} comes from a runtime of the class {origin} and may not go to one "
            f"of the class {wanted}.",
            hint="Allow it at home: ropeway resume --share.",
        )
        self._refused(asker, "resume", found.file.path, error)
        raise error

    def _refused(self, asker: Asker, what: str, path: str, error: RopewayError) -> None:
        reason = f"{path}: {error.message}"
        self._ledger.append(replace(entry_of(asker, what, "refused"), reason=reason))

    def _note(self, asker: Asker, what: str, file: File, crossed: int) -> None:
        digest = hashlib.sha256("".join(file.chunks).encode()).hexdigest()[:16]
        reason = f"{file.path}, {file.size:,} bytes, {digest}"
        self._ledger.append(
            replace(entry_of(asker, what, "done"), bytes_crossed=crossed, reason=reason)
        )

    def _ticket(self, asker: Asker) -> str:
        """What tells home later which notebook a kernel sends for, also between two cells."""
        said = json.dumps([asker.runtime, asker.kernel, asker.notebook]).encode()
        signed = hmac.new(self._project.key(), b"artefacts" + said, hashlib.sha256).hexdigest()
        return f"{signed}:{asker.notebook}"

    def _shown(self, asker: Asker, ticket: Any) -> str:
        _, _, notebook = str(ticket).partition(":")
        wanted = self._ticket(replace(asker, notebook=notebook))
        if not hmac.compare_digest(wanted.encode(), str(ticket).encode("utf-8", "replace")):
            raise TokenRefused("Home gave this kernel no such ticket.", hint="Run the cell again.")
        return notebook


def share(folder: Path, runtime_class: str) -> None:
    """Let runtimes of a class have the artefacts in `folder`, wherever they come from."""
    found = sorted({*shared_with(folder), runtime_class})
    config.write_private(folder / SHARED, json.dumps(found))


def shared_with(folder: Path) -> list[str]:
    """The classes that `share` named."""
    try:
        told = json.loads((folder / SHARED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [str(each) for each in told] if isinstance(told, list) else []
