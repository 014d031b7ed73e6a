"""`ropeway run` and `ropeway exec` as a user calls them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ropeway.notebooks.file import write_notebook
from ropeway.notebooks.welcome import welcome_notebook
from support.servers import Server, clean_environment


@pytest.fixture
def place(tmp_path: Path, gpu: Server) -> Path:
    """A folder of a user who has connected the runtime gpu."""
    folder = tmp_path / "project"
    folder.mkdir()
    ran = call(folder, "connect", gpu.url, "--token", gpu.token, "--name", "gpu")
    assert ran.returncode == 0, ran.stderr
    return folder


def call(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ropeway", *arguments],
        cwd=folder,
        env=clean_environment(folder.parent / "home"),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
    )


def notebook(folder: Path, *cells: str, **metadata: Any) -> Path:
    """A notebook with these cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    made.metadata.update(metadata)
    path = folder / "a.ipynb"
    nbformat.write(made, path)
    return path


def outputs(path: Path) -> list[list[dict[str, Any]]]:
    """The outputs of each cell on disk."""
    return [cell.get("outputs", []) for cell in nbformat.read(path, 4).cells]


def test_a_notebook_runs_on_another_runtime(place: Path, gpu: Server) -> None:
    """The cells run on the runtime named, the outputs land in the output file."""
    path = notebook(place, "import os; print(os.getcwd())", "6 * 7")
    before = path.read_bytes()
    ran = call(place, "run", "a.ipynb", "--on", "gpu", "--output", "out.ipynb")
    assert ran.returncode == 0, ran.stderr
    printed, result = outputs(place / "out.ipynb")
    assert printed[0]["text"] == f"{gpu.root}\n"
    assert result[0]["data"]["text/plain"] == "42"
    assert path.read_bytes() == before
    assert "[2/2]" in ran.stderr
    assert gpu.api("/api/kernels")[1] == []


def test_a_notebook_runs_here_in_its_own_folder(place: Path) -> None:
    """Without --on a notebook runs here, in its folder, and is saved in place."""
    path = notebook(place, "import os; print(os.getcwd())")
    assert call(place.parent, "run", "project/a.ipynb").returncode == 0
    assert outputs(path)[0][0]["text"] == f"{place}\n"


def test_the_welcome_notebook_runs(place: Path) -> None:
    """The notebook that a new workspace opens with runs from top to bottom."""
    write_notebook(welcome_notebook(), place / "welcome.ipynb")
    ran = call(place, "run", "welcome.ipynb")
    assert ran.returncode == 0, ran.stderr
    assert "This cell ran on" in str(outputs(place / "welcome.ipynb"))


def test_a_notebook_remembers_its_runtime(place: Path, gpu: Server) -> None:
    """Without --on a notebook runs where its metadata says."""
    path = notebook(place, "import os; print(os.getcwd())", ropeway={"runtime": "gpu"})
    assert call(place, "run", "a.ipynb").returncode == 0
    assert outputs(path)[0][0]["text"] == f"{gpu.root}\n"
    metadata = json.loads(path.read_text())["metadata"]
    assert metadata["ropeway"] == {"runtime": "gpu"}
    assert metadata["kernelspec"]["name"] == "python3"


def test_parameters_are_set(place: Path) -> None:
    """--param overrides the defaults, with the type that was written."""
    path = notebook(place, "n, s = 1, ''", "print(n + 1, s)")
    document = nbformat.read(path, 4)
    document.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(document, path)
    ran = call(place, "run", "a.ipynb", "--param", "n=41", "-p", "s=a b", "-o", "b.ipynb")
    assert ran.returncode == 0, ran.stderr
    assert outputs(place / "b.ipynb")[2][0]["text"] == "42 a b\n"


def test_a_failing_cell_is_saved_and_ends_with_1(place: Path) -> None:
    """Outputs up to the failing cell are saved; the cells behind it do not run."""
    path = notebook(place, "print('before')", "1 / 0", "print('after')")
    ran = call(place, "run", "a.ipynb")
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr
    before, failed, after = outputs(path)
    assert before[0]["text"] == "before\n"
    assert failed[0]["ename"] == "ZeroDivisionError"
    assert after == []


def test_errors_can_be_allowed(place: Path) -> None:
    """With --allow-errors the run goes on and ends with 0."""
    path = notebook(place, "1 / 0", "print('after')")
    assert call(place, "run", "a.ipynb", "--allow-errors").returncode == 0
    assert outputs(path)[1][0]["text"] == "after\n"


def test_a_kernel_that_dies_ends_the_run(place: Path) -> None:
    """A kernel's death ends the run with 1 and keeps what was printed before."""
    path = notebook(place, "print('before')", "import os; os._exit(3)")
    ran = call(place, "run", "a.ipynb", "--on", "gpu")
    assert ran.returncode == 1, ran.stderr
    assert "kernel died" in ran.stderr
    assert outputs(path)[0][0]["text"] == "before\n"


def test_ctrl_c_interrupts_saves_and_ends_with_130(place: Path) -> None:
    """An interrupt ends the cell at its runtime, saves, and leaves no process."""
    path = notebook(
        place, "print('before')", "import time; print('on', flush=True); time.sleep(90)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "ropeway", "run", "a.ipynb"],
        cwd=place,
        env=clean_environment(place.parent / "home"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "[1/2]" in process.stderr.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.stderr.close()
    before, stopped = outputs(path)
    assert before[0]["text"] == "before\n"
    assert [output.get("ename", output.get("text")) for output in stopped] == [
        "on\n",
        "KeyboardInterrupt",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "none.ipynb"), 2, "no notebook"),
        (("run", "a.ipynb", "--on", "nobody"), 2, "No runtime named 'nobody'"),
        (("run", "a.ipynb", "--param", "x"), 2, "not a parameter"),
        (("run", "a.ipynb", "-o", "no/such/b.ipynb"), 2, "no folder"),
        (("exec", "--on", "nobody", "1"), 2, "No runtime named 'nobody'"),
        (("connect", "ftp://x"), 2, "runtime speaks http"),
        (("connect", "http://127.0.0.1:9"), 3, "cannot be reached"),
        (("disconnect", "nobody"), 2, "No runtime named 'nobody'"),
        (("disconect",), 2, "neither a folder nor a command"),
        (("run",), 2, "NOTEBOOK"),
    ],
)
def test_bad_input_has_its_words_and_its_exit_code(
    place: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """What cannot be is told in one or two lines, without a traceback."""
    path = notebook(place, "1")
    before = path.read_bytes()
    ran = call(place, *arguments)
    assert ran.returncode == code, ran.stderr
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert path.read_bytes() == before


def test_code_runs_and_prints_as_it_goes(place: Path) -> None:
    """exec prints what the code prints and the last value, on the runtime named."""
    ran = call(place, "exec", "--on", "gpu", "import sys; print(1); print(2, file=sys.stderr); 3")
    assert (ran.returncode, ran.stdout) == (0, "1\n3\n"), ran.stderr
    assert "2\n" in ran.stderr


def test_progress_is_not_what_the_code_prints(place: Path) -> None:
    """The line that tells how far data is goes beside what exec prints, to standard error."""
    code = "import ropeway as rw, ropeway.kernel.progress as p; p._SHOW_AFTER = p._REFRESH = 0\n"
    code += "print(rw.sql('select 7 a').df().a[0])"
    ran = call(place, "exec", "--on", "gpu", code)
    assert ran.stdout == "7\n"
    assert "received" in ran.stderr or "receiving" in ran.stderr or "waiting" in ran.stderr


def test_code_comes_from_standard_input(place: Path) -> None:
    """Without code exec runs what comes on standard input; a failure ends with 1."""
    ran = call(place, "exec", "--on", "gpu", stdin="print('from a file')\n1 / 0\n")
    assert (ran.returncode, ran.stdout) == (1, "from a file\n")
    assert "ZeroDivisionError" in ran.stderr


def test_data_is_asked_for_and_results_come_home(place: Path) -> None:
    """A notebook on another machine asks home, by a magic too, streams, and puts its result there,
    where the shell and the next query find it."""
    (place / "sales.csv").write_text("region,amount\n" + "n,1\ns,2\n" * 1000)
    assert call(place, "data", "add", "sales", "sales.csv").returncode == 0
    notebook(
        place,
        "low = 1\nimport ropeway as rw; print(rw.road())",
        "%%sql some <<\nselect region, amount from sales where amount > $low",
        "print(len(some), sum(b.num_rows for b in rw.sql('select * from sales').batches()))",
        "rw.put(some.df().assign(score=lambda t: t.amount * 2), 'scores')",
        "t = rw.table('scores'); print(t.score.sum().execute())",
    )
    ran = call(place, "run", "a.ipynb", "--on", "gpu")
    assert ran.returncode == 0, ran.stderr
    cells = nbformat.read(place / "a.ipynb", 4).cells
    said = ["".join(o.get("text", "") for o in cell.outputs) for cell in cells]
    assert (said[0], said[2], said[4]) == ("in-band\n", "1000 2000\n", "4000\n")
    sql = "select count(*) n, sum(score) s from scores"
    found = call(place, "data", "query", sql, "--format", "json")
    assert json.loads(found.stdout) == {"n": 1000, "s": 4000}


def test_runtimes_are_listed(place: Path, gpu: Server) -> None:
    """The list shows each runtime's state and address and no token."""
    ran = call(place, "runtimes")
    assert ran.returncode == 0
    assert "gpu" in ran.stdout
    assert "connected" in ran.stdout
    assert gpu.token not in ran.stdout
    assert call(place, "disconnect", "gpu").returncode == 0
    assert "gpu" not in call(place, "runtimes").stdout


def test_no_process_is_left_behind(place: Path) -> None:
    """After a run here the runtime that was started for it is gone."""
    notebook(place, "1")
    assert call(place, "run", "a.ipynb").returncode == 0
    listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True).stdout
    assert str(place.parent / "home") not in listed


def test_a_notebook_of_colab_has_files_secrets_and_the_drive(place: Path, gpu: Server) -> None:
    """Without a page, cells that ask for files get those that were given, on another runtime too;
    what they hand out lands beside the output, a secret is read once it was allowed, and
    what a cell wrote to the drive is at home when the run ends."""
    (place / "people.csv").write_text("ann")
    (place / "drive").mkdir()
    (place / "drive" / "names.txt").write_text("ann")
    (place / "ropeway.toml").write_text('[drive]\nfolder = "drive"\nfarthest = "public"\n')
    notebook(
        place,
        f"%cd {gpu.root}\nfrom google.colab import files, userdata\nprint(files.upload('up'))",
        "open('scores.txt', 'w').write('42'); files.download('scores.txt')",
        "print(len(userdata.get('KEY')))",
        "from google.colab import drive; drive.mount('colab-drive')\n"
        "with open('colab-drive/My Drive/names.txt', 'a') as f: f.write(' and bob')",
        "files.upload()",
    )
    assert call(place, "secrets", "set", "KEY", stdin="value\n").returncode == 0
    given = ("run", "a.ipynb", "--on", "gpu", "-o", "b.ipynb", "--upload", "people.csv")
    allowed = call(place, "secrets", "allow", "KEY", "a.ipynb", "--class", "public")
    assert allowed.returncode == 0, allowed.stderr
    missing = call(place, *given[:-1], "nowhere.csv")
    assert (missing.returncode, "There is no file nowhere.csv" in missing.stderr) == (2, True)
    ran = call(place, *given)
    uploaded, _, secret, _, asked = outputs(place / "b.ipynb")
    assert "{'up/people.csv': b'ann'}" in str(uploaded)
    assert secret[0]["text"] == "5\n"
    assert (place / "drive" / "names.txt").read_text() == "ann and bob"
    assert "none is left" in str(asked)
    assert ran.stderr.count("Downloaded") == 1
    assert (place / "b-downloads" / "scores.txt").read_text() == "42"
