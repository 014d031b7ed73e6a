"""What cases share because it takes long to make."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ropeway.workspace.connect import check
from ropeway.workspace.remembered import Record
from support.far_machine import ALIAS, FarMachine


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a far machine on which connecting has installed a runtime."""
    machine = FarMachine(tmp_path_factory.mktemp("prepared"))
    try:
        machine.start()
        record = Record("far", f"ssh://{ALIAS}", "", {"config": str(machine.config)})
        asyncio.run(check(record, timeout=10))
    finally:
        machine.end()
    return machine.home
