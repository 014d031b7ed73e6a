"""Home's side of the SDK in one kernel: it is brought there, answered, and told its road."""

from __future__ import annotations

from functools import partial

from ropeway.workspace.address import HERE
from ropeway.workspace.bridge import Bridge
from ropeway.workspace.colab import Asker, ColabRequests
from ropeway.workspace.home import Home
from ropeway.workspace.inband import InBand
from ropeway.workspace.road import Road
from ropeway.workspace.sdk import away_code, bootstrap_code, silent


class KernelSdk:
    """For the kernel behind a bridge, over its restarts: `serve` each fresh one, then `close`."""

    def __init__(
        self, home: Home, runtime: str, kernel: str, bridge: Bridge, *, python: bool
    ) -> None:
        self._home = home
        self._runtime = runtime
        self._kernel = kernel
        self._bridge = bridge
        self._python = python
        self._road: Road | None = None

    def serve(self) -> None:
        """Answer a fresh kernel's requests, and bring the SDK to it."""
        self.forget()
        self.bring()

    def forget(self) -> None:
        """Stop at home what a kernel asked for that is no more, and end its companions."""
        self.end()
        if self._bridge.in_band is not None:
            self._bridge.in_band.close()
        self._bridge.in_band = InBand(
            self._home.data,
            self._runtime,
            self._kernel,
            self._bridge.answer_in_band,
            beside=self._bridge.answer_beside,
            runtime_class=self._class(),
            asking=self._asking,
            files=self._home.files,
            placements=self._home.companions.placements(self._kernel, self._runtime),
        )
        if self._bridge.colab is not None:
            self._bridge.colab.close()
        self._bridge.colab = ColabRequests(
            self._home.colab,
            self._bridge.answer_in_band,
            self._asker,
            partial(self._home.followed, self._kernel),
        )

    def bring(self) -> None:
        """Bring the SDK to the kernel as it is now, where that speaks Python."""
        if not self._python:
            return
        code = f"{bootstrap_code()}\n{self._new_road().code(self._door())}"
        if self._runtime != HERE:
            code += f"\n{away_code()}"
        self.began()
        self._bridge.tell("shell", "execute_request", silent(code))

    def follow(self, door: str) -> None:
        """The way home may have changed: the kernel hears of it."""
        if self._road is not None:
            self._road.follow(door, self._bridge)

    def began(self) -> None:
        """The kernel begins with another cell: what it asks by the direct road is asked there."""
        if self._road is not None:
            self._road.runs(*self._asking())

    def end(self) -> None:
        """The kernel is no more: nothing that was its own is left."""
        self.close()
        self._home.companions.end(self._kernel)

    def close(self) -> None:
        """Whatever was granted to the kernel counts no more."""
        if self._road is not None:
            self._road.close()

    def _new_road(self) -> Road:
        self.close()
        self._road = Road(self._home.data.grants, self._runtime, self._kernel, self._class())
        return self._road

    def _class(self) -> str:
        """What a policy knows the runtime as; one that is gone is nobody's."""
        return self._home.companions.runtime_class(self._kernel, self._runtime)

    def _asking(self) -> tuple[str, str]:
        """The notebook and the cell that run, as far as the journal knows."""
        recorder, asker = self._home.recorder, self._home.companions.asks_for(self._kernel)
        running = recorder.journal.runs.running(asker) if recorder is not None else []
        return (running[0].path, running[0].cell) if running else (self._home.notebook, "")

    def _asker(self) -> Asker:
        return Asker(self._kernel, self._runtime, self._class(), *self._asking())

    def _door(self) -> str:
        runtime = self._home.registry.runtimes.get(self._runtime)
        return runtime.provider.door if runtime is not None else ""
