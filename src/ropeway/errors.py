"""Every error that Ropeway raises on purpose: one tree, each with a sentence, its facts and a hint.

An error says what was asked, what was found and what to do. It becomes an HTTP answer in one
place (`workspace/handlers/base.py`) and an exit code in one place (`cli/__init__.py`).
Standard library only: the SDK inside kernels carries this file.
"""

from __future__ import annotations

from typing import Any


class RopewayError(Exception):
    """The root of the tree.

    `message` is one sentence of what was asked and what was found, `hint` says what to do,
    `facts` are the values behind the sentence, as JSON.
    """

    code = "failed"
    http_status = 500
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def to_json(self) -> dict[str, Any]:
        """`{"code", "message", "hint", "facts"}`, the same over HTTP and in-band."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "facts": self.facts,
        }

    @staticmethod
    def from_json(body: dict[str, Any]) -> RopewayError:
        """The error that `to_json` described; an unknown code becomes a plain `RopewayError`."""
        kind = _by_code().get(str(body.get("code", "")), RopewayError)
        facts = body.get("facts") or {}
        error = kind.__new__(kind)
        RopewayError.__init__(
            error, str(body.get("message", "")), hint=str(body.get("hint", "")), **facts
        )
        return error


class BadInput(RopewayError):
    """What was asked cannot be meant: a malformed name, URL, parameter or file."""

    code = "bad_input"
    http_status = 400
    exit_code = 2


class NotFound(RopewayError):
    """The thing that was named does not exist here."""

    code = "not_found"
    http_status = 404
    exit_code = 2


class UnknownRuntime(NotFound):
    """No runtime of that name is connected."""

    code = "unknown_runtime"


class UnknownDataset(NotFound):
    """No dataset of that name was added at home."""

    code = "unknown_dataset"


class NameTaken(RopewayError):
    """A runtime or dataset of that name exists already."""

    code = "name_taken"
    http_status = 409
    exit_code = 2


class PortInUse(RopewayError):
    """Another program listens on the port that was asked for."""

    code = "port_in_use"
    http_status = 409
    exit_code = 2


class Unreachable(RopewayError):
    """Nothing answers at the runtime's address, or not in time."""

    code = "unreachable"
    http_status = 503
    exit_code = 3


class CertificateRefused(Unreachable):
    """The server's TLS certificate is not trusted here, or is another than the pinned one."""

    code = "certificate_refused"


class Stopped(Unreachable):
    """The runtime's server was stopped; it starts again on request."""

    code = "stopped"


class StartFailed(RopewayError):
    """The runtime's server could not be started."""

    code = "start_failed"
    http_status = 502
    exit_code = 3


class NotJupyter(RopewayError):
    """Something answers at the address, but it is no Jupyter server."""

    code = "not_jupyter"
    http_status = 502
    exit_code = 3


class TokenRefused(RopewayError):
    """The runtime did not accept the token, or wants one."""

    code = "token_refused"
    http_status = 502
    exit_code = 3


class LinkRefused(RopewayError):
    """Home does not accept a runtime that dials it: no invitation, or disconnected there."""

    code = "link_refused"
    http_status = 403
    exit_code = 3


class KernelGone(RopewayError):
    """The kernel vanished from its runtime: its variables are lost."""

    code = "kernel_gone"
    http_status = 410


class CellFailed(RopewayError):
    """A cell that ran on another runtime failed there; it bears the name of what it failed with."""

    code = "cell_failed"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it: the traceback of the runtime."""
        return list(self.facts.get("traceback") or [str(self)])


class Refused(RopewayError):
    """Home does not allow this query."""

    code = "refused"
    http_status = 403


class QueryFailed(RopewayError):
    """The query was allowed but could not be answered."""

    code = "query_failed"
    http_status = 400


class HomeUnreachable(RopewayError):
    """The kernel has no road to home: it was not started by a workspace, or home is away."""

    code = "home_unreachable"
    http_status = 503
    exit_code = 3


class NotSaved(RopewayError):
    """A file could not be written; the one before it is untouched."""

    code = "not_saved"
    http_status = 507


class ReadOnly(NotSaved):
    """A file could not be written because it or its folder is not to be changed."""

    code = "read_only"
    http_status = 403


class NotKept(RopewayError):
    """The history of the notebooks cannot be read or written."""

    code = "not_kept"


class LedgerDamaged(RopewayError):
    """The ledger is not what was written: it can be neither read nor continued."""

    code = "ledger_damaged"
    exit_code = 3


class MissingPackage(RopewayError):
    """The environment lacks a package that this needs: the kernel's, or the one at home."""

    code = "missing_package"


class NoAccelerator(RopewayError):
    """An accelerator was demanded, and none can be used: on the kernel's machine, or anywhere."""

    code = "no_accelerator"


class ProtocolError(RopewayError):
    """The other side spoke out of turn or in another version."""

    code = "protocol"
    http_status = 502


def _by_code() -> dict[str, type[RopewayError]]:
    found: dict[str, type[RopewayError]] = {}
    stack: list[type[RopewayError]] = [RopewayError]
    while stack:
        kind = stack.pop()
        found[kind.code] = kind
        stack.extend(kind.__subclasses__())
    return found
