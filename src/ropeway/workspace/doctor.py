"""How well a runtime serves: looked at, and tried with a little kernel that ends afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from ropeway import wire
from ropeway.errors import RopewayError, TokenRefused
from ropeway.notebooks.portable import DEFAULT_KERNEL
from ropeway.workspace.headless import run_code, running_kernel
from ropeway.workspace.home import Home
from ropeway.workspace.registry import Runtime
from ropeway.workspace.specs import local_name

PATIENCE = 180.0
"""Seconds that the trial of one runtime may take."""

SKEW = 5.0
"""Seconds by which a clock may be wrong."""

_TRIAL = """\
import json, platform, time
told = {"python": platform.python_version()}
try:
    import ipykernel
    told["ipykernel"] = ipykernel.__version__
except ImportError:
    pass
try:
    import ropeway
    from ropeway.kernel.probe import measure
    told["sdk"] = ropeway.__version__
    told.update(measure())
except Exception as error:
    told["error"] = {"message": f"{type(error).__name__}: {error}", "hint": ""}
told["now"] = time.time()
print("ropeway-doctor", json.dumps(told), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what to do."""

    message: str
    hint: str


@dataclass(slots=True)
class Health:
    """What was found out about one runtime; None where it could not be."""

    name: str
    address: str
    kind: str
    state: str
    agent: bool
    kernels: tuple[str, ...]
    websocket: bool | None = None
    road: str | None = None
    round_trip_ms: float | None = None
    mb_per_s: float | None = None
    python: str | None = None
    ipykernel: str | None = None
    sdk: str | None = None
    clock_s: float | None = None
    """Seconds by which its clock is ahead of ours."""
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, message: str, hint: str) -> None:
        """Note what is wrong."""
        self.problems.append(Problem(message, hint))


async def examine(home: Home, runtime: Runtime) -> Health:
    """Look at a runtime and try it. Never raises for what is wrong with it."""
    await home.registry.look(runtime)
    model = runtime.model()
    health = Health(
        model.name,
        model.address,
        model.kind,
        model.state,
        model.agent,
        tuple(kernel.display_name for kernel in model.kernels),
    )
    if model.state != "connected":
        health.wrong(model.detail or f"It is {model.state}.", _hint(model))
        return health
    kernel = _python(runtime)
    if kernel is None:
        health.wrong(
            "It offers no Python kernel, so nothing could be tried there.",
            "Install ipykernel in the environment of its Jupyter server.",
        )
        return health
    try:
        async with asyncio.timeout(PATIENCE):
            await _try(home, kernel, health)
    except TimeoutError:
        health.wrong(
            f"Its kernel did not end the trial within {PATIENCE:.0f} s.",
            "The machine there may be overloaded; look at its memory and processors.",
        )
    except RopewayError as error:
        if isinstance(error, TokenRefused):
            health.websocket = False
        health.wrong(error.message, error.hint)
    return health


async def _try(home: Home, kernel: wire.Kernel, health: Health) -> None:
    heard: dict[str, Any] = {}
    text = ""

    def hear(message: dict[str, Any]) -> None:
        nonlocal text
        if message["header"]["msg_type"] == "stream":
            text += message["content"]["text"]
            if not heard and (found := _told(text)) is not None:
                heard.update(found, heard=time.time())

    async with running_kernel(home, kernel, home.root) as manager:
        health.websocket = True  # the kernel was spoken to
        outcome = await run_code(manager, _TRIAL, hear, stdin=False)
    if heard:
        _note(health, heard)
    else:
        health.wrong(
            f"The trial failed there: {outcome.error or 'it printed nothing'}.",
            f"Run a cell there to see why: ropeway exec --on {health.name} 'import sys; sys.path'",
        )


def _told(text: str) -> dict[str, Any] | None:
    for line in text.splitlines(keepends=True):
        if line.startswith("ropeway-doctor ") and line.endswith("\n"):
            found: dict[str, Any] = json.loads(line.split(" ", 1)[1])
            return found
    return None


def _note(health: Health, told: dict[str, Any]) -> None:
    for name in ("road", "round_trip_ms", "mb_per_s", "python", "ipykernel", "sdk"):
        setattr(health, name, told.get(name))
    health.clock_s = round(told["now"] - told["heard"], 1)
    if told.get("error"):
        health.wrong(
            "Data at home cannot be asked for from there: " + str(told["error"].get("message")),
            str(told["error"].get("hint") or "The SDK needs Python 3.10 or newer in the kernel."),
        )
    elif told.get("offered") and health.road != "direct":
        health.wrong(
            f"Its tunnel home ({told['offered']} there) does not lead here; data goes in-band.",
            f"Disconnect it and connect it again; a firewall on {health.name} may block loopback.",
        )
    if abs(health.clock_s) > SKEW:
        side = "ahead" if health.clock_s > 0 else "behind"
        health.wrong(
            f"Its clock is {abs(health.clock_s):.0f} s {side}.",
            "Let that machine set its clock by NTP: certificates and logs go by it.",
        )


def _python(runtime: Runtime) -> wire.Kernel | None:
    """The runtime's own python3, or any other Python kernel."""
    found = [kernel for kernel in runtime.kernels if kernel.language.lower() == "python"]
    first = local_name(runtime.name, DEFAULT_KERNEL)
    return min(found, key=lambda kernel: kernel.name != first, default=None)


def _hint(model: wire.Runtime) -> str:
    if model.state == "refused":
        return f"Connect it again with the URL that its server prints now, and --name {model.name}."
    if model.kind == "here":
        return "Start the workspace anew: ropeway."
    return "Is its Jupyter server running, and can this machine reach it? `ropeway connect` says."
