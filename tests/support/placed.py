"""A workspace whose notebooks run cells on several runtimes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from support.gpus import with_a_gpu
from support.kernel_client import KernelClient, Run
from support.servers import Server, lent, plain_jupyter, workspace

SALES = "region,amount\n" + "".join(f"{'north' if i % 2 else 'south'},{i}\n" for i in range(100))

POLICY = """
[datasets.sales]
source = "sales.csv"

[datasets.sales.policy.own]
allow = "rows"
rows = "amount < 10"
"""


@contextmanager
def placed(folder: Path) -> Iterator[Server]:
    """A workspace with a machine of one's own (`gpu`), a plain server of one's own (`plain`), and
    anybody's (`vm`); the first and the last have a GPU."""
    files = folder / "files"
    files.mkdir()
    (files / "sales.csv").write_text(SALES)
    (files / "ropeway.toml").write_text(POLICY)
    (folder / "far").mkdir()
    with (
        lent(folder / "far", prefix=with_a_gpu(folder)) as far,
        plain_jupyter(folder / "plain") as plain,
        workspace(folder / "home", files) as made,
    ):
        for name, server, its in (
            ("gpu", far, "own"),
            ("plain", plain, "own"),
            ("vm", far, "public"),
        ):
            body = {"url": server.url, "token": server.token, "name": name, "runtime_class": its}
            status, answer = made.api("/ropeway/api/runtimes", "POST", body)
            assert status == 201, answer
        yield made


@asynccontextmanager
async def notebook(work: Server, runtime: str, path: str) -> AsyncIterator[KernelClient]:
    """A page on a fresh notebook that a runtime runs; its kernel ends with the block."""
    kernel = started(work, runtime, path)
    async with KernelClient(work.url, work.token, kernel) as page:
        yield page
    work.api(f"/api/kernels/{kernel}", "DELETE")


def started(work: Server, runtime: str, path: str) -> str:
    """The kernel of a fresh notebook on a runtime."""
    name = "python3" if runtime == "here" else f"{runtime}.python3"
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": name}}
    status, session = work.api("/api/sessions", "POST", body)
    assert status == 201, session
    return str(session["kernel"]["id"])


def shown(run: Run) -> list[str]:
    """What a cell shows, in order, as short words."""
    return [
        f"{kind}:{content.get('text') or content.get('data', {}).get('text/plain', '')}".strip()
        for kind, content in run.messages
        if kind in ("stream", "display_data", "update_display_data", "execute_result", "error")
    ]


def failure(run: Run) -> str:
    """The name and value of what a cell failed with."""
    return "".join(f"{each['ename']}: {each['evalue']}" for each in run.of("error"))


def records(work: Server, **wanted: Any) -> list[dict[str, Any]]:
    """The ledger's entries that hold what is wanted, the newest first."""
    found = [record["entry"] for record in work.api("/ropeway/api/ledger")[1]["records"]]
    return [each for each in found if wanted.items() <= each.items()]
