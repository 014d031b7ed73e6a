"""The list of runtimes: one private file that the shell and every workspace share."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ropeway.errors import (
    BadInput,
    NameTaken,
    NotJupyter,
    TokenRefused,
    UnknownRuntime,
    Unreachable,
)
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.remembered import Record, RuntimeList, runtime_list
from support.servers import Server, free_port


def test_the_file_is_private(own_home: Path) -> None:
    """The file with the tokens can be read by its owner alone."""
    remembered = runtime_list()
    remembered.add(Record("gpu", "http://gpu", "secret"))
    assert stat.S_IMODE(remembered.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(own_home.stat().st_mode) == 0o700


def test_runtimes_are_remembered(tmp_path: Path) -> None:
    """What was added is there for the next process, until it is removed."""
    path = tmp_path / "runtimes.json"
    RuntimeList(path).add(Record("gpu", "http://gpu", "t"))
    assert RuntimeList(path).read() == {"gpu": Record("gpu", "http://gpu", "t")}
    RuntimeList(path).remove("gpu")
    assert RuntimeList(path).read() == {}


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """A name that is taken is refused, and the first runtime stays."""
    remembered = RuntimeList(tmp_path / "runtimes.json")
    remembered.add(Record("gpu", "http://one", "t"))
    with pytest.raises(NameTaken, match="gpu"):
        remembered.add(Record("gpu", "http://two", "t"))
    assert remembered.read()["gpu"].url == "http://one"


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """Removing what is not there says what is."""
    remembered = RuntimeList(tmp_path / "runtimes.json")
    remembered.add(Record("gpu", "http://one", "t"))
    with pytest.raises(UnknownRuntime) as caught:
        remembered.remove("cpu")
    assert "gpu, here" in caught.value.hint


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    """A list that cannot be read is an error, not an empty list."""
    path = tmp_path / "runtimes.json"
    path.write_text("{")
    with pytest.raises(BadInput, match="does not hold"):
        RuntimeList(path).add(Record("gpu", "http://one", "t"))
    assert path.read_text() == "{"


async def test_a_server_is_asked_before_it_is_remembered(gpu: Server) -> None:
    """A good URL is remembered by its base and token; the name is free to choose."""
    url = f"{gpu.url}/lab/tree/x.ipynb?token={gpu.token}"
    record = await check_and_remember(runtime_list(), url, "", "gpu", timeout=5)
    assert record == Record("gpu", gpu.url, gpu.token)
    assert runtime_list().read() == {"gpu": record}


async def test_a_wrong_token_is_told(gpu: Server) -> None:
    """A token that the server refuses is an error of its own, and nothing is remembered."""
    for token in ("", "wrong"):
        with pytest.raises(TokenRefused):
            await check_and_remember(runtime_list(), gpu.url, token, None, timeout=5)
    assert runtime_list().read() == {}


async def test_nothing_there_is_told() -> None:
    """An address where nobody answers is unreachable, in words."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match="cannot be reached"):
        await check_and_remember(runtime_list(), url, "t", None, timeout=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<ht>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_another_web_server_is_no_runtime(answer: bytes) -> None:
    """A server that is no Jupyter server is told as such."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotJupyter, match="no Jupyter server"):
            await check_and_remember(
                runtime_list(), f"http://127.0.0.1:{port}", "t", None, timeout=5
            )


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Six processes that each remember ten runtimes at once leave sixty."""
    path = tmp_path / "runtimes.json"
    code = (
        "import sys, pathlib\n"
        "from ropeway.workspace.remembered import Record, RuntimeList\n"
        "for i in range(10):\n"
        "    name = f'runtime-{sys.argv[2]}-{i}'\n"
        "    RuntimeList(pathlib.Path(sys.argv[1])).add(Record(name, 'http://x', 't'))\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(6)]
    assert [writer.wait(60) for writer in writers] == [0] * 6
    assert len(RuntimeList(path).read()) == 60
