"""A kernel's shell once a cell was written for Colab."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOVED = "import pathlib, ropeway.kernel.colab._content as c; c.CONTENT = pathlib.Path({!r})"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def colab(notebook: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A kernel that behaves as Colab's, with a `/content` of the test's."""
    content = tmp_path_factory.mktemp("root") / "content"
    (await notebook.run(MOVED.format(str(content)))).ok()
    (await notebook.run("import google.colab")).ok()
    assert (content / "sample_data" / "anscombe.json").is_file()
    return notebook


def kept(name: str, command: str) -> str:
    """As `name = !command`, which IPython 7 does not know on Python 3.12."""
    return f"{name} = get_ipython().getoutput({command!r})\n"


async def text(colab: Any, code: str) -> str:
    said: str = (await colab.run(code)).ok().text
    return said


async def answered(colab: Any, code: str, *turns: tuple[str, str]) -> tuple[str, list[bool]]:
    """What a cell says besides its prompts to whom this is typed behind each, and whether what is
    typed is hidden."""
    ran, done = await colab.begin(code, answers=True)
    early, hidden = [], []
    for prompt, answer in turns:
        question = (await colab.client.get_stdin_msg(timeout=30))["content"]
        assert prompt.endswith(question["prompt"])
        # Where the machine is busy the beginning of a prompt may be said before it is asked.
        early.append(prompt.removesuffix(question["prompt"]))
        hidden.append(question["password"])
        colab.client.input(answer)
    await asyncio.wait_for(done.wait(), 30)
    said = ran.ok().text
    for each in early:
        said = said.replace(each, "", 1)
    return said, hidden


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended; nobody may have asked how it did."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


async def test_a_command_runs_in_bash_on_a_terminal(colab: Any) -> None:
    """Its output and its errors are one, line ends as they are; no failure raises; variables of the
    notebook are put in, and `pip` is that of the kernel's Python."""
    line = "word = 'ü'\n!echo [[ -t 1 ]] && [[ -t 1 ]] && echo $word; echo {word * 2} >&2; exit 3\n"
    assert await text(colab, line + "print(_exit_code)") == "[[ -t 1 ]]\nü\nüü\n3\n"
    assert (
        await text(colab, "!python -c 'import os; os.kill(os.getpid(), 9)'\nprint(_exit_code)")
        == "-9\n"
    )
    same = "import os, sys\nprint(_pip[0].split()[3].startswith(sys.prefix))\n"
    assert await text(colab, kept("_pip", "pip --version") + same) == "True\n"
    asked = "print('google.colab' in str(get_ipython()), os.environ['COLAB_GPU'] in '01')"
    assert await text(colab, asked) == "True True\n"


async def test_output_is_kept(colab: Any) -> None:
    """`x = !cmd` is a list of lines that were shown nowhere; a flood comes whole."""
    shown = "print(type(x).__name__, list(x), x.n.split())"
    lines = kept("x", "echo a; echo b; echo c >&2")
    assert await text(colab, lines + shown) == "SList ['a', 'b', 'c'] ['a', 'b', 'c']\n"
    assert len(await text(colab, "!yes ü | head -c 3000000")) == 2_000_000
    assert await text(colab, "!printf 'a\\303'; printf '\\274\\377'") == "aü\ufffd"


async def test_what_a_command_reads_is_asked_for(colab: Any) -> None:
    """A program that waits at its terminal is answered by the person at the notebook, a password
    unseen; where nobody is asked its input is at the end."""
    line = '!read -p \'name: \' n; echo "<$n>"; read -s m; echo "<$m>"'
    shown = await answered(colab, line, ("name: ", "Ann"), ("", "x"))
    assert shown == ("<Ann>\n<x>\n", [False, True])
    lines = kept("x", "read -p 'name: ' n; echo \"<$n>\"") + "print(x)"
    ran, done = await colab.begin(lines, answers=True)
    await colab.client.get_stdin_msg(timeout=30)
    colab.client.input("Bo")
    await asyncio.wait_for(done.wait(), 30)
    assert ran.ok().text == "['name: <Bo>']\n"
    letters = "[print(x, end='', flush=True) or time.sleep(0.01) for x in 'who? ']"
    line = f'!python -c "import time; {letters}; print(input())"'
    assert await answered(colab, line, ("who? ", "Cy")) == ("Cy\n", [False])
    assert await text(colab, '!read n; echo "<$n> $?"; test -t 0 || echo none') == "<> 1\nnone\n"


@pytest.mark.parametrize(
    "wait",
    [
        "select.select([0], [], [])",
        "p = select.poll(); p.register(0, 1); p.poll()",
        "p = select.epoll(); p.register(0, 1); p.poll()",
    ],
)
async def test_who_waits_for_more_than_one_thing(colab: Any, wait: str) -> None:
    """A program that selects or polls is asked for once it has written a prompt, and no sooner."""
    start = "import select, time; print('begins', flush=True)"
    script = f"{start}; print('go? ', end='', flush=True); {wait}; print(input())"
    shown = await answered(colab, f'!python -c "{script}"', ("go? ", "yes"))
    assert shown == ("begins\nyes\n", [False])


async def test_an_interrupt_reaches_the_command(colab: Any) -> None:
    """It ends and the cell goes on; one that takes no notice is ended by a second interrupt, and so
    are all of its processes."""
    ran, done = await colab.begin("!echo up; sleep 60\nprint(_exit_code)")
    await until(lambda: "up" in ran.text)
    await colab.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 30)
    assert ran.ok().text == "up\n^C\n-2\n"
    deaf = "!trap '' INT TERM; (while :; do sleep 0.1; done); echo never\nprint(_exit_code)"
    ran, done = await colab.begin(f"!echo up\n{deaf}")
    await until(lambda: "up" in ran.text)
    await asyncio.sleep(0.5)
    await colab.manager.interrupt_kernel()
    await until(lambda: "^C" in ran.text)
    await colab.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 30)
    assert ran.ok().text == "up\n^C\n-9\n"


async def test_an_interrupt_while_a_command_asks(colab: Any) -> None:
    """It ends the command, not the cell."""
    ran, done = await colab.begin("!read x\nprint(_exit_code)", answers=True)
    await colab.client.get_stdin_msg(timeout=30)
    await colab.manager.interrupt_kernel()
    await asyncio.wait_for(done.wait(), 30)
    assert ran.ok().text == "^C\n-2\n"


async def test_what_runs_in_the_background_goes_on(colab: Any, tmp_path: Path) -> None:
    """The cell ends before it, and it may go on to write to its terminal; it ends with the kernel,
    however that ends."""
    loop = f"while ! test -e {tmp_path}/go; do sleep 0.1; done; echo more && touch {tmp_path}/done"
    begun, _ = await answered(colab, f"!({loop}) & echo begun")
    assert begun == "begun\n"
    (tmp_path / "go").touch()
    await until((tmp_path / "done").exists)
    script = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        "from ropeway.kernel.colab import _command\n"
        "die = lambda *_: os.kill(os.getpid(), 9)\n"
        "_command.run(sys.argv[1], die)\n"
        "die()"
    )
    pid = tmp_path / "pid"
    behind = f"sleep 600 >/dev/null & echo $! >{pid}"
    before = f"echo $$ >{pid}; echo now; exec sleep 600"
    for command in (behind, before):
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, command])
        await until(lambda: gone(int(pid.read_text())))


async def test_the_shell_magic_raises(colab: Any) -> None:
    """`%shell` gives what was said and raises where the command fails, unless told not to; a cell
    magic with a line needs no body."""
    failed = await colab.run("%%shell\necho one\nexit 4")
    assert failed.text == "one\n"
    assert "CalledProcessError: Command" in failed.errors[0]
    assert "exit status 4" in failed.errors[0]
    assert await text(colab, "%%shell --ignore-errors\nfalse") == ""
    assert (
        await text(colab, "r = %shell echo two\nprint(r.returncode, r.output)") == "two\n0 two\n\n"
    )
    shown = await colab.run("%%shell echo three")
    assert (shown.ok().text, shown.shown) == ("three\n", [])
    # Bash's own braces and variables are not the notebook's.
    (await colab.run("i = 9")).ok()
    assert await text(colab, "%%shell\nfor i in {1..2}; do echo $i; done") == "1\n2\n"


async def test_other_magics(colab: Any, tmp_path: Path) -> None:
    """There is one TensorFlow; BigQuery is Google's package, loaded once it is asked for."""
    only = "Colab only includes TensorFlow 2.x; %tensorflow_version has no effect.\n"
    assert await text(colab, "%tensorflow_version 2.x") == only
    assert "ValueError: TensorFlow 1" in (await colab.run("%tensorflow_version 1.x")).errors[0]
    missing = await colab.run("%%bigquery\nselect 1")
    assert "%pip install" in missing.text + "".join(missing.errors)
    (tmp_path / "bigquery_magics.py").write_text(
        "def load_ipython_extension(shell):\n"
        "    query = lambda line, cell: print(line, cell.strip())\n"
        "    shell.register_magic_function(query, 'cell', 'bigquery')"
    )
    (await colab.run(f"import sys; sys.path.append({str(tmp_path)!r})")).ok()
    for _ in range(2):
        assert await text(colab, "%%bigquery table\nselect 1") == "table select 1\n"


async def test_packages_that_are_in_use(colab: Any, tmp_path: Path) -> None:
    """Who installs a package anew that is imported is told to restart, and nobody else is."""
    for version in ("1.0", "2.0"):
        name = f"ropeway_tried-{version}"
        with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
            info = f"{name}.dist-info"
            wheel.writestr("ropeway_tried.py", f"version = {version}")
            about = f"Metadata-Version: 2.1\nName: ropeway-tried\nVersion: {version}\n"
            wheel.writestr(f"{info}/METADATA", about)
            tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{info}/WHEEL", tag)
            names = ["ropeway_tried.py", *(f"{info}/{n}" for n in ("METADATA", "WHEEL", "RECORD"))]
            wheel.writestr(f"{info}/RECORD", "".join(f"{n},,\n" for n in names))
    install = f"import sys; sys.path.append('{tmp_path}/site')\n%pip install -q --no-deps --upgrade"
    install += f" --no-index --target {tmp_path}/site {tmp_path}/ropeway_tried"
    first = await colab.run(f"{install}-1.0-py3-none-any.whl\nimport ropeway_tried")
    assert first.ok().shown == []
    (again,) = (await colab.run(f"{install}-2.0-py3-none-any.whl")).ok().shown
    assert "[ropeway_tried]\nYou must restart the runtime" in again["text/plain"]
    warning = again["application/vnd.colab-display-data+json"]["pip_warning"]
    assert warning == {"packages": ["ropeway_tried"]}


async def test_content_that_cannot_be_made(colab: Any) -> None:
    """A cell that wants it is followed by the command that makes it, once."""
    asked = MOVED.format("/proc/content") + "\nopen('/proc/content/a.csv')"
    first = await colab.run(asked)
    assert "sudo install -d -o $USER /proc/content" in first.text
    assert (await colab.run(asked)).text == ""


async def test_the_runtime_is_told_to_end_this_kernel(colab: Any) -> None:
    """Where nobody can end it the cell says so, and a kernel away from its notebook works in
    `/content`."""
    ended = await text(colab, "from google.colab import runtime\nruntime.unassign()")
    assert "it ends with this run" in ended
