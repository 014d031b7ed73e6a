"""What crosses the network: frozen dataclasses, to and from JSON, versioned.

Three conversations are described here:

- the workspace's REST interface (`/ropeway/api/...`): `Runtime`, `Kernel`, `Session`, `Usage`,
  `Version`, `Change`;
- the in-band road between a kernel and home, over the kernel's own WebSocket: a message of type
  `ropeway_request` on iopub carries a `Request`, the answer comes as `input_reply` on stdin with
  `{"value": {"ropeway": Reply}}` and at most one binary buffer;
- the data service's HTTP interface: `Query` in, an Arrow stream and then a `Summary` out.

Standard library only: the SDK inside kernels carries this file.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

PROTOCOL = 1
"""Version of the in-band road and of the data service; the two ends must agree."""

REQUEST_TYPE = "ropeway_request"
"""`msg_type` of an in-band request on iopub."""

CHUNK_BYTES = 4 * 1024 * 1024
"""The largest binary buffer of one in-band reply: larger messages stall stock servers."""

T = TypeVar("T")


def to_json(value: Any) -> dict[str, Any]:
    """A dataclass of this module as a JSON object."""
    return {name: _plain(getattr(value, name)) for name in _names(value.__class__)}


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _plain(value: Any) -> Any:
    """As `dataclasses.asdict`, which copies deeply and takes five times as long."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return to_json(value) if dataclasses.is_dataclass(value) else value


def from_json(kind: type[T], body: dict[str, Any]) -> T:
    """The dataclass `kind` from a JSON object; unknown keys are ignored, so old meets new.

    Raises `TypeError` when a field without a default is missing.
    """
    hints = typing.get_type_hints(kind)
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: _build(hints[k], v) for k, v in body.items() if k in known})


def _build(hint: Any, value: Any) -> Any:
    options = [hint, *typing.get_args(hint)]
    shape = next((o for o in options if dataclasses.is_dataclass(o)), None)
    if shape is not None and isinstance(value, dict):
        return from_json(typing.cast("type[Any]", shape), value)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_build(item, v) for v in value)
    return value


# --- the workspace's REST interface ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kind of kernel that a runtime offers (a kernelspec)."""

    name: str
    display_name: str
    language: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime as the page and the shell see it. Never carries the token.

    `state` is one of `connected`, `connecting`, `unreachable`, `refused`, `stopped`; `detail` is
    one sentence for people when the state is not `connected`. What is `stoppable` can be stopped
    and started from home.
    """

    name: str
    address: str
    kind: str
    state: str
    detail: str = ""
    agent: bool = False
    kernels: tuple[Kernel, ...] = ()
    default_kernel: str | None = None
    sessions: int = 0
    stoppable: bool = False


@dataclass(frozen=True, slots=True)
class CellRun:
    """One execution of a cell: the `request` that started it, the cell's and the kernel's id.

    `followed`: a page heard its end.
    """

    request: str
    cell: str
    kernel: str
    running: bool
    count: int | None
    followed: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A running kernel on a runtime. `id` is the workspace's own, None for a stranger's kernel."""

    remote_id: str
    name: str
    state: str
    id: str | None = None
    path: str | None = None
    last_activity: str | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes in use out of a total."""

    used: int
    total: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: memory in bytes, `busy` as a share from 0 to 1 where it is known."""

    name: str
    used: int
    total: int
    busy: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a runtime uses right now; None where it cannot be measured."""

    ram: Amount | None = None
    disk: Amount | None = None
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """A kept version of a notebook."""

    id: int
    path: str
    """The notebook's path now: a rename takes its versions along."""
    time: str
    """ISO 8601."""
    why: str
    """ "saved", "run", "found", "dropped", "restored" or "replaced": see `notebooks.keeper`."""
    size: int
    """Bytes of the document."""
    cells: int
    outputs: int
    changed: str
    """What changed since the version before, in a few words."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that differs between two versions.

    `source` and `outputs` are the lines of a diff: each begins with a blank, `+` or `-`, and `@`
    alone stands where unchanged lines were left out.
    """

    kind: str
    """ "added", "removed", "edited", "outputs", "moved" or "metadata"."""
    old: int | None
    """Its place in the old version, from 0; None where it is not there."""
    new: int | None
    type: str
    """The cell's type, or "notebook" for what belongs to none."""
    source: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


# --- the in-band road ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What a kernel asks of home.

    `op` is one of

    - `query`: run `sql` with the bound `params`; answered by `head`, `data`..., `end`;
    - `more`: `credit` further `data` replies may be sent for the request `id`;
    - `cancel`: stop the request `id`, at home too;
    - `datasets`: list what was added; answered by `end` with `body["datasets"]`.

    Home sends at most `credit` data replies before it waits for `more`.
    """

    id: str
    op: str
    v: int = PROTOCOL
    sql: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    credit: int = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What home answers: `kind` is `head`, `data` (with one buffer), `end` or `error`.

    `kind` may also be `wait`: home is still at it. `seq` counts the replies to one request from 0.
    `head` comes at once, before the query runs. `body` holds, by kind: `end` a `Summary` (or
    `{"datasets": [...]}`); `error` an error's `to_json()`; otherwise nothing.
    """

    id: str
    kind: str
    seq: int
    v: int = PROTOCOL
    body: dict[str, Any] = field(default_factory=dict)


# --- the data service ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """`POST /v1/query`: SQL in DuckDB's dialect with named parameters (`$name`).

    A parameter is a JSON value or, for what JSON lacks, an object with one key: `$date`,
    `$datetime`, `$time` (ISO 8601), `$decimal`, `$float` (nan, inf) or `$bytes` (base64).
    """

    sql: str
    params: dict[str, Any] = field(default_factory=dict)
    runtime: str = "here"
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset or a result; `type` in DuckDB's words."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Summary:
    """`GET /v1/queries/ID`: what became of a query. Sizes in bytes, time in seconds.

    `state` is one of `running`, `done`, `failed`, `cancelled`.
    """

    id: str
    state: str
    rows: int = 0
    bytes_scanned: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    error: dict[str, Any] | None = None
    columns: tuple[Column, ...] = ()
    preview: tuple[tuple[str, ...], ...] = ()
    """The first rows as short texts, so that a kernel without pyarrow can show them."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as a kernel may see it: its name and columns, never where it lies."""

    name: str
    columns: tuple[Column, ...] = ()
    error: str = ""
