"""A VM of Google Colab: had from Google's own `colab` program, then a Jupyter server like others.

The server stands behind a proxy of Google's that wants a token in a header of its own, a new one
each hour. What Colab takes away stays away until somebody asks for another VM.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from ropeway import duration
from ropeway.errors import BadInput, RopewayError, StartFailed, Stopped, Unreachable
from ropeway.workspace.address import Address
from ropeway.workspace.http import FAULTS, TooMuch, new_client, send
from ropeway.workspace.providers import colab_terms
from ropeway.workspace.providers.colab_failure import not_signed_in
from ropeway.workspace.providers.colab_program import Program, Session
from ropeway.workspace.providers.provider import Provider, Site
from ropeway.workspace.remembered import Record

SCHEME = "colab://colab/"
"""The host is what such a runtime is called where nobody says otherwise."""

GPUS = ("T4", "L4", "G4", "A100", "H100")
TPUS = ("v5e1", "v6e1")
STOP_IDLE = "1h"
NEVER = "never"
WORDS = "Google's colab:"
"""Before what Google's program says itself."""

MARGIN = 300.0
"""Seconds before its end from which on a token is renewed."""
LOOK_SECONDS = 15.0
"""Google's program is asked no more often what became of a VM."""
ALLOCATE_SECONDS = 900.0
ANSWER_SECONDS = 180.0
GIVE_UP_SECONDS = 180.0
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Hardware:
    """What is asked of Colab."""

    gpu: str = ""
    tpu: str = ""
    high_mem: bool = False

    @property
    def arguments(self) -> list[str]:
        """As the program takes it."""
        found = ["--gpu", self.gpu] if self.gpu else ["--tpu", self.tpu] if self.tpu else []
        return [*found, *(["--high-mem"] if self.high_mem else [])]

    @property
    def shown(self) -> str:
        """In words."""
        main = f"GPU {self.gpu}" if self.gpu else f"TPU {self.tpu}" if self.tpu else "CPU"
        return f"{main} and more memory" if self.high_mem else main


class Colab(Provider):
    """One VM; the record's URL has the name by which Google's program knows it."""

    kind = "colab"
    stoppable = True

    def __init__(self, record: Record, site: Site) -> None:
        super().__init__(record, site)
        self._hardware, self.stop_idle = parse_options(record.options)
        self._vm = record.url.removeprefix(SCHEME)
        self._program = Program()
        self._http = new_client()
        self._asking: asyncio.Future[str] | None = None
        """What asks for the VM, or has asked for it."""
        self._asked = float("-inf")
        self._problem: RopewayError | None = None
        """What Google's program said when it was asked last."""

    @classmethod
    def read(cls, text: str, token: str, options: dict[str, Any]) -> tuple[str, str]:
        """The word `colab`; what the VM is to have is in the options, see `parse_options`."""
        if text.strip() not in ("colab", "colab://"):
            raise BadInput(f"{text.strip()!r} is no address.", hint="The word colab is enough.")
        if token.strip():
            raise BadInput(
                "Colab wants no token.", hint="`ropeway connect colab --sign-in` signs you in."
            )
        parse_options(options)
        return f"{SCHEME}rw-{secrets.token_hex(4)}", ""

    @property
    def usual_class(self) -> str:
        """Nobody here knows who else can look into it."""
        return "public"

    @property
    def shown(self) -> str:
        """What was asked for."""
        return f"Colab, {self._hardware.shown}"

    async def reach(self) -> Address:
        """Where the VM is, with a token that is good for some minutes at least.

        Raises `Stopped` where Colab or somebody took it away: no other is asked for by itself.
        """
        found = await self._program.session(self._vm)
        if found is None:
            raise self._stopped()
        answers = found.expires > time.time() and await self._answers(found)
        if answers and found.expires - time.time() >= MARGIN:
            return _address(found)
        if time.monotonic() - self._asked >= LOOK_SECONDS:
            found = await self._renewed(found)
        if self._problem is not None and not answers:
            raise self._problem
        return _address(found)

    async def start(self) -> None:
        """Ask Colab for the VM, and wait until its server answers; one that runs is left as it is.

        What was begun and failed, or was given up, is freed: it would cost.
        """
        self.why_stopped = ""
        with contextlib.suppress(Stopped):
            await self.reach()
            return
        colab_terms.check()
        self._program.find()
        if not self._program.signed_in:
            raise not_signed_in()
        self.site.tell(f"Asking Colab for a VM with {self._hardware.shown}…")
        line = ["new", "-s", self._vm, *self._hardware.arguments]
        asking = self._program.run(*line, what=self._hardware.shown, seconds=ALLOCATE_SECONDS)
        self._asking = asyncio.ensure_future(asking)
        try:
            await asyncio.shield(self._asking)
            self.site.tell("Waiting for the VM's Jupyter server…")
            await self._answering()
        except BaseException:
            await self.give_up()
            raise
        await self._tell_costs()

    async def give_up(self) -> None:
        """Give a VM back that was just had, or is still being asked for."""
        asking, self._asking = self._asking, None
        if asking is None:
            return
        with contextlib.suppress(RopewayError, TimeoutError):
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await asking  # only then is it known what there is to give back
                await self.stop()

    async def stop(self) -> None:
        """Give the VM back to Colab, with all that is on it."""
        if await self._program.session(self._vm) is None:
            return
        self.site.tell("Giving the VM back to Colab…")
        await self._program.run("stop", "-s", self._vm)
        if await self._program.session(self._vm) is not None:
            raise Unreachable(
                f"The Colab VM {self.record.name} may still run, and cost.",
                hint="Look at Runtime ▸ Manage sessions in Colab's own page.",
            )

    async def aclose(self) -> None:
        """Let go of it: the VM goes on."""
        await self._http.aclose()

    async def _answering(self) -> None:
        end = time.monotonic() + ANSWER_SECONDS
        while (found := await self._program.session(self._vm)) and not await self._answers(found):
            if time.monotonic() > end:
                raise Unreachable(
                    f"Colab gave a VM whose server did not answer within {ANSWER_SECONDS:.0f} s; "
                    "it was given back.",
                    hint="Try again.",
                )
            await asyncio.sleep(PAUSE)
        if found is None:
            raise StartFailed(
                f"{self._program.find()} was asked for a VM, and has written down none.",
                hint="Is it Google's google-colab-cli? `ropeway connect colab --install` installs "
                "that.",
            )

    async def _answers(self, found: Session) -> bool:
        seconds = min(self.site.timeout, 5.0)
        headers = dict(_address(found).headers)
        try:
            url = f"{found.url}/api"
            answer = await send(self._http, "GET", url, headers=headers, seconds=seconds)
        except (*FAULTS, TooMuch):
            return False
        return answer.status == 200

    async def _renewed(self, known: Session) -> Session:
        """Let the program ask Colab for new tokens, and which VMs there still are.

        Raises `Stopped`; any other problem is kept.
        """
        self._asked, self._problem = time.monotonic(), None
        try:
            await self._program.run("status", "-s", self._vm)
        except RopewayError as error:
            self._problem = error
            return known
        found = await self._program.session(self._vm)
        if found is None:
            raise self._stopped()
        return found

    async def _tell_costs(self) -> None:
        """What the VMs of the account cost, in the words of Google's program."""
        with contextlib.suppress(RopewayError):
            for line in (await self._program.run("usage")).splitlines():
                self.site.tell(f"{WORDS} {line}")

    def _stopped(self) -> Stopped:
        command = f"ropeway start {self.record.name}"
        why = self.why_stopped or "does not run: Colab took it away, or somebody stopped it"
        return Stopped(
            f"The Colab VM {self.record.name} {why}. Ask for another: `{command}`.",
            hint=f"`{command}`, or Connect ▸ Manage runtimes and sessions… ▸ Start.",
        )


def parse_options(options: dict[str, Any]) -> tuple[Hardware, float]:
    """`gpu`, `tpu`, `high_mem` and `stop_idle` (a time, or `never`): the hardware, and seconds.

    Raises `BadInput`. The names are checked here, because Google's program takes the most
    expensive GPU for a name that it does not know.
    """
    for key, value in options.items():
        kind = {"gpu": str, "tpu": str, "high_mem": bool, "stop_idle": str}.get(key)
        if kind is None or not isinstance(value, kind):
            raise BadInput(
                f"Colab knows no option {key}={value!r}.",
                hint="It knows gpu, tpu and stop_idle, as texts, and high_mem, true or false.",
            )
    gpu, tpu = (_known(key, options.get(key, ""), names) for key, names in _NAMES)
    if gpu and tpu:
        raise BadInput("A Colab VM has a GPU or a TPU, not both.", hint="Leave one of them out.")
    idle = options.get("stop_idle") or STOP_IDLE
    seconds = 0.0 if idle == NEVER else duration.seconds("stop_idle", idle)
    if idle != NEVER and not seconds:
        raise BadInput("stop_idle 0 would stop it at once.", hint=f"Such as 30m or 2h, or {NEVER}.")
    return Hardware(gpu, tpu, options.get("high_mem", False)), seconds


_NAMES = (("gpu", GPUS), ("tpu", TPUS))


def _known(key: str, given: str, names: tuple[str, ...]) -> str:
    for name in names:
        if given.lower() == name.lower():
            return name
    if given:
        raise BadInput(
            f"Colab has no {key.upper()} {given!r}, as far as is known here.",
            hint=f"There are {', '.join(names)}; which of them you get is up to your subscription.",
        )
    return ""


def _address(found: Session) -> Address:
    headers = (("X-Colab-Runtime-Proxy-Token", found.token), ("X-Colab-Client-Agent", "ropeway"))
    return Address(found.url, found.token, headers=headers, expires=found.expires)
