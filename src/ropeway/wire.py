"""What crosses the network: frozen dataclasses, to and from JSON, versioned.

Three conversations are described here:

- the workspace's REST interface (`/ropeway/api/...`): `Runtime`, `Attempt`, `Kernel`, `Session`,
  `Usage`, `Sample`, `Choice`, `Version`, `Change`;
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

REPLY_TYPE = "ropeway_reply"
"""`msg_type` of an answer on the control channel, to a thread that asks while cells run."""

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
    hints = _hints(kind)  # type: ignore[arg-type]  # a class can be hashed
    return kind(**{k: _build(hints[k], v) for k, v in body.items() if k in hints})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of its fields; to find them takes longer than all the rest."""
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


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


CLASSES = ("here", "own", "shared", "public")
"""The classes of runtimes that a policy tells apart: this machine, machines of one's own, machines
that others administer (a JupyterHub), and anybody's (Colab, a rented server)."""

GIVEN_CLASSES = CLASSES[1:]
"""Those that a runtime can be given: `here` is this machine alone."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime as the page and the shell see it. Never carries the token.

    `state` is one of `connected`, `connecting`, `unreachable`, `refused`, `stopped`; `detail` is
    one sentence for people when the state is not `connected`. What is `stoppable` can be stopped
    and started from home. After `stop_idle` seconds without a running cell it ends by itself, as
    it says; 0: never, or it does not say.
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
    stop_idle: float = 0.0
    runtime_class: str = "own"
    """One of `CLASSES`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A runtime that is being connected: `steps` are sentences for people, the last one under way.

    `state` is one of `running`, `connected` (then with a `runtime`), `failed` (with an `error` as
    `RopewayError.to_json` makes it), `cancelled`.
    """

    id: str
    state: str
    steps: tuple[str, ...] = ()
    runtime: Runtime | None = None
    error: dict[str, Any] | None = None


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
class KernelUsage:
    """Memory that a kernel and the processes that it started hold, in bytes; `id` is the runtime's.

    `gpu` is that of all GPUs together; None where the driver does not tell whose it is.
    """

    id: str
    ram: int
    gpu: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a runtime uses right now; None where it cannot be measured."""

    ram: Amount | None = None
    disk: Amount | None = None
    gpus: tuple[Gpu, ...] = ()
    kernels: tuple[KernelUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a runtime used `ago` seconds before; of its kernels nothing is kept."""

    ago: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime for what needs a GPU; `told` is what is known of its GPUs, for people.

    `fits`: it has what is needed; `known` is false where nobody can tell. `picked`: it is the one
    that is taken without a question. `own`: the notebook runs there.
    """

    runtime: str
    told: str
    fits: bool = False
    picked: bool = False
    own: bool = False
    known: bool = True


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

    - `query`: run `sql` with the bound `params`; answered by `head`, `data`..., `end`, or by `end`
      alone when the answer is the one that `etag` names;
    - `more`: `credit` further `data` replies may be sent for the request `id`;
    - `cancel`: stop the request `id`, at home too;
    - `datasets`: list what was added; answered by `end` with `body["datasets"]`;
    - `put`: a table for home, as the dataset `name`; `if_exists` is `new version` or `error`.
      Then `piece`, each with one buffer of an Arrow stream, and `whole` behind the last. Answered
      by `more`, which grants pieces, and by `end` with a `Receipt`;
    - `place`: run `code` on the kernel's companion on `runtime`; `stdin` tells whether it may ask.
      Answered by `said`..., `ask` and `end`. While it runs: `interrupt`, `answer` with the `text`
      for what was asked and with its number in `after`, and `there`, which home answers with
      `wait`. A home that was started anew answers them with `again`; then `shown` repeats what the
      request wants, with home's name for itself in `text` and with what was shown up to now in
      `after`, and home goes on behind that. Once the kernel has heard all that it wants to hear,
      it says `over`, with the `runtime`;
    - `pick`: which runtimes have a GPU with `memory` bytes free, 0 for any; answered by `end` with
      `body["choices"]`, the best `Choice` first;
    - `send` and `get`: the value of the variable `name`, to the companion on `runtime` or from
      there. Answered by `cross` with the id of a crossing, then `end`; after `again`, as for
      `place`, the kernel begins another request;
    - `give`: send a value of the type `text` by the crossing `name`, with `piece` and `whole` as
      for a put; answered by `more` and `end`;
    - `take`: receive the value of the crossing `name`; answered by `data`... and `end`;
    - `upload`: `many` or `one` file (`text`) from the person at the page, under the id `name`.
      Answered by `data`..., whose body says of which file it is (`name`, `at`, `size`), and `end`;
    - `download`: the file `name` for that person, with `piece` and `whole` as for a put; answered
      by `more` and `end` with its `id`;
    - `artefacts`: a question of `ropeway.artefacts` in one buffer. Its answers come on the control
      channel, since a thread asks: `wait`, and `end` with one buffer, or `error`.

    Home sends at most `credit` data replies before it waits for `more`, and the kernel at most as
    many pieces as home granted.
    """

    id: str
    op: str
    v: int = PROTOCOL
    sql: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    credit: int = 4
    etag: str = ""
    name: str = ""
    if_exists: str = ""
    runtime: str = ""
    code: str = ""
    text: str = ""
    stdin: bool = False
    memory: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What home answers: `kind` is `head`, `data` (with one buffer), `more`, `end` or `error`; to
    `place` also `said` (with one buffer), `ask` and `again`, to `send` and `get` also `cross`.

    `kind` may also be `wait`: home is still at it; the first comes at once. `seq` counts the
    replies to one request from 0, to a placement anew for each home that takes it up. `head` comes
    with the first rows. `body` holds, by kind: `head` the answer's `etag` ("" for none); `more` the
    `credit`; `end` a `Summary`, a `Receipt`, `{"datasets": [...]}`, `{"choices": [...]}` or
    `{"cached": true}`; `error` an error's `to_json()`; otherwise nothing. Of a placement: `said`
    whether its buffer is the `last` of those that make a batch of outputs (`kernel.said`), and the
    `number` up to which everything is shown with it; `ask` the `prompt`, whether it is for a
    `password`, and the question's `number`; `again` the name of this `home`; `end` how the code
    ended (`status`, `ename`, `evalue`, `traceback`), or `{"own": true}` where the runtime is the
    kernel's own; `cross` the `id` of a crossing, and whether it may carry `pickles`, which are
    code.
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
    runtime_class: str = "here"
    """What a policy knows the runtime as: here, own, shared or public."""
    notebook: str = ""
    cell: str = ""
    road: str = ""
    """ "direct" or "in-band"; empty from the shell. All but the first two are home's knowledge."""
    etag: str = ""
    """Home's name for the answer that the asker has."""


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
class Seen:
    """What one class of runtimes sees of a dataset; `words` are the policy in sentences."""

    runtime_class: str
    allow: str
    """ "rows", "aggregates" or "nothing"; empty where the policy is wrong."""
    columns: tuple[Column, ...] = ()
    words: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A query or put that is or was under way since the data service started, for the page at home.

    `state` is a `Summary`'s or `refused`; `began` is in seconds since 1970. Of a put `bytes_sent`
    is what came home, and `rows` are known at its end.
    """

    id: str
    state: str
    began: float
    sql: str
    datasets: tuple[str, ...]
    runtime: str
    runtime_class: str
    notebook: str = ""
    cell: str = ""
    road: str = ""
    rows: int = 0
    bytes_scanned: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    error: dict[str, Any] | None = None
    what: str = "query"
    """ "query", "put", or "copy": a query that waits while files from elsewhere are copied home."""
    size: int = 0
    """Of a copy: the bytes in all, where that is known."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger is told of a query, a put or a refusal. Sizes in bytes, times in seconds.

    `state` is one of `began`, `done`, `failed`, `cancelled`, `refused` and `cached`; what began and
    what became of it have the same `id`.
    """

    what: str
    """ "query", "put", of a value between kernels "send" or "get", "artefact" (a file that came
    home), "resume" (one that went to a runtime), "secret", "drive" (it was mounted),
    "upload" or "download" (a file between the page and a runtime), or of the ledger itself "anchor"
    or "mended"."""
    state: str
    id: str = ""
    user: str = ""
    notebook: str = ""
    cell: str = ""
    runtime: str = ""
    runtime_class: str = ""
    kernel: str = ""
    road: str = ""
    datasets: tuple[str, ...] = ()
    sql: str = ""
    params: str = ""
    """As JSON."""
    policy: str = ""
    """The versions of the policies that decided."""
    rows: int = 0
    bytes_scanned: int = 0
    bytes_crossed: int = 0
    seconds: float = 0.0
    reason: str = ""
    """Why it was refused, or how it failed."""
    source: str = ""
    """Of a value that crossed between kernels: the runtime that it came from."""
    value: str = ""
    """Its name."""
    type: str = ""
    """Its type, as the sending kernel says."""


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """An entry as it stands in the ledger: the `number` counts from 1, `time` is ISO 8601 in UTC,
    `hash` is the SHA-256 of all the rest, `before` the hash of the record before."""

    number: int
    time: str
    before: str
    entry: LedgerEntry
    hash: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as a kernel may see it: its name and columns, never where it lies."""

    name: str
    columns: tuple[Column, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as home knows it: the kernel, and the notebook and cell that run in it."""

    runtime: str = "here"
    kernel: str = ""
    runtime_class: str = "here"
    notebook: str = ""
    cell: str = ""
    road: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """Who puts what: a table for home, as the dataset `name`.

    `if_exists`: `new version` adds one to what was put under that name before, `error` refuses.
    """

    name: str
    if_exists: str = "new version"
    runtime: str = "here"
    kernel: str = ""
    runtime_class: str = "here"
    notebook: str = ""
    cell: str = ""
    road: str = ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A value on its way from the kernel `sender` on the runtime `source` to the kernel `receiver`
    on `runtime`.

    `what` is "send" from a notebook's kernel to its companion, "get" the other way; `notebook` and
    `cell` are those that asked.
    """

    id: str
    what: str
    name: str
    sender: str
    source: str
    receiver: str
    runtime: str
    runtime_class: str
    notebook: str = ""
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`POST /v1/put/NAME`: what home keeps now. `bytes` is the size of its file at home."""

    name: str
    version: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that home keeps, without its value.

    `runtime_class` is the farthest class of runtimes on which the notebook that was asked about may
    read it, empty for none; `notebooks` is how many may.
    """

    name: str
    runtime_class: str = ""
    notebooks: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """Something for the page that shows `notebook`: `kind` is `download`, of the file `name` with
    `size` bytes, or `view`, of the file at `path` below the workspace's folder."""

    id: str
    kind: str
    notebook: str
    name: str = ""
    size: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class SecretQuestion:
    """A notebook waits for somebody to say whether it may read the secret `name`."""

    id: str
    name: str
    notebook: str
    runtime: str
    runtime_class: str
