"""The sandbox by itself: each harm is tried from inside."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ATTEMPTS = {
    "read another file": "open('{other}').read()",
    "read this process's environment": "open('/proc/self/environ').read()",
    "read the password file": "open('/etc/passwd').read()",
    "list a folder": "os.listdir('/')",
    "overwrite the file": "open('{own}', 'w')",
    "make a file": "open('{new}', 'w')",
    "delete the file": "os.unlink('{own}')",
    "open TCP": "socket.socket()",
    "open UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "open a local socket": "socket.socket(socket.AF_UNIX)",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "look into another process": "ctypes_ptrace()",
    "take much memory": "bytearray(3_000_000_000)",
    "get more memory": "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "read another file from a thread": "in_thread(lambda: open('{other}').read())",
}

PROGRAM = """
import ctypes, os, resource, socket, sys, threading
from pathlib import Path
from ropeway.data.sandbox import confine

def ctypes_ptrace():
    if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")

def in_thread(call):
    failed = []
    def run():
        try:
            call()
        except OSError as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]

found = confine([Path({own!r})], 1_000_000_000)
assert found.whole, found
assert open({own!r}).read() == "mine"
try:
    {attempt}
except (OSError, MemoryError, ValueError):
    print("refused")
else:
    print("done")
"""


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_what_a_confined_process_cannot_do(tmp_path: Path, attempt: str) -> None:
    """From inside the sandbox only the given file can be read, and nothing else reached."""
    own, other, new = (str(tmp_path / name) for name in ("own", "other", "new"))
    Path(own).write_text("mine")
    Path(other).write_text("theirs")
    filled = attempt.format(own=own, other=other, new=new)
    program = PROGRAM.format(own=own, attempt=filled)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "refused\n", done.stderr
    assert Path(own).read_text() == "mine"
    assert not Path(new).exists()
