"""A runtime that SSH reaches: a real sshd, and a far home in which a runtime was installed."""

from __future__ import annotations

import signal
from typing import Any

import psutil

from conformance.case import Case
from support.far_machine import ALIAS, FarMachine


class SshMachine(Case):
    """A machine known to the user's ssh_config."""

    kind = "ssh"
    stoppable = True
    needs = "installed"

    def start(self) -> None:
        """Start its sshd."""
        prepared, _ = self.ground  # the home of a machine where a runtime was installed
        self.machine = FarMachine(self.folder, prepared=prepared)
        self.machine.start()
        self.text = f"ssh://{ALIAS}"
        self.options = {"config": str(self.machine.config)}

    def end(self) -> None:
        """End the sshd and all that runs there."""
        self.machine.end()

    def drop(self) -> None:
        """The connections stay open and carry nothing."""
        self.machine.freeze()

    def restore(self) -> None:
        """They go on."""
        self.machine.thaw()

    def vanish(self) -> None:
        """Kill the runtime and the sshd."""
        for server in self.machine.servers():
            psutil.Process(server["pid"]).send_signal(signal.SIGKILL)
        self.machine.stop_listening()

    def wrong(self) -> tuple[str, str, dict[str, Any]]:
        """A key that the machine does not know."""
        config = self.folder / "wrong_config"
        self.machine.write_client_config(config, key="other_key")
        return self.text, "", {"config": str(config)}

    def stopped(self) -> bool:
        """Nothing but the connection itself is left there."""
        return self.machine.processes(connections=False) == []
