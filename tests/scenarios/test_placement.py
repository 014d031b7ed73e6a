"""`%%on`: cells of one notebook that run on several runtimes, with real servers."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import pytest_asyncio

from support.kernel_client import KernelClient
from support.notebook import until
from support.placed import failure, notebook, placed, shown, started
from support.servers import Server, clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace with several runtimes."""
    with placed(tmp_path_factory.mktemp("placement")) as made:
        yield made


@pytest_asyncio.fixture
async def page(work: Server, request: pytest.FixtureRequest) -> AsyncIterator[KernelClient]:
    """A page on a notebook of its own at home, or on the runtime that the test names."""
    runtime = getattr(request, "param", "here")
    async with notebook(work, runtime, f"{request.node.name[:40]}.ipynb") as made:
        yield made


async def test_outputs_come_in_order(page: KernelClient) -> None:
    """Texts, displays, their updates and the result of a cell that runs elsewhere are the
    notebook's cell's own, in the order in which they were said."""
    run = await page.execute(
        "%%on gpu\nfrom IPython.display import display\nprint('one')\n"
        "h = display('two', display_id=True)\nprint('three')\nh.update('four')\n'five'"
    )
    assert shown(run) == [
        "stream:one",
        "display_data:'two'",
        "stream:three",
        "update_display_data:'four'",
        "execute_result:'five'",
    ]
    first, second = run.of("display_data")[0], run.of("update_display_data")[0]
    assert first["transient"]["display_id"] == second["transient"]["display_id"]
    assert run.of("execute_result")[0]["execution_count"] == run.reply["execution_count"]


async def test_outputs_come_as_they_happen(page: KernelClient) -> None:
    """What a cell elsewhere prints is there while it still runs."""
    await page.execute("%%on gpu\n1")
    code = "%%on gpu\nimport time\nprint('early', flush=True)\ntime.sleep(3)\nprint('late')"
    number = page.send("shell", "execute_request", {"code": code})
    clock, heard = asyncio.get_running_loop().time, {}
    while "late\n" not in heard:
        _, message = await asyncio.wait_for(page.receive(), 20)
        if message["header"]["msg_type"] == "stream":
            assert message["parent_header"]["msg_id"] == number
            heard[message["content"]["text"]] = clock()
    assert heard["late\n"] - heard["early\n"] > 2


async def test_variables_stay(page: KernelClient) -> None:
    """A companion keeps its variables from cell to cell, apart from the notebook's own."""
    await page.execute("x = 'home'")
    await page.execute("%%on gpu\nx = 41")
    assert (await page.execute("%%on gpu\nprint(x + 1)")).text == "42\n"
    assert (await page.execute("print(x)")).text == "home\n"


async def test_an_error_is_the_cells_own(page: KernelClient) -> None:
    """A cell that fails elsewhere fails here, under the error's name, with the traceback from
    there; the cells behind it do not run."""
    run = await page.execute("%%on gpu\ndef f():\n    raise ValueError('bad wheel')\nf()")
    assert failure(run) == "ValueError: bad wheel"
    traceback = "\n".join(run.of("error")[0]["traceback"])
    assert "raise" in traceback
    assert "elsewhere.py" not in traceback
    assert run.reply["status"] == "error"
    assert shown(await page.execute("%%on gpu\nprint('goes on')")) == ["stream:goes on"]


async def test_input_is_asked_here(page: KernelClient) -> None:
    """`input()` elsewhere asks whoever sits at the notebook."""
    asking = "%%on gpu\nprint('hi', input('who? '), input('and? '))"
    assert (await page.execute(asking, answers=["ann", "bob"])).text == "hi ann bob\n"
    refused = await page.execute("%%on gpu\ninput('who? ')")
    assert "StdinNotImplementedError" in failure(refused)


async def test_an_interrupt_reaches_it(work: Server, page: KernelClient) -> None:
    """An interrupt of the notebook's kernel ends the cell elsewhere; both kernels go on."""
    await page.execute("%%on gpu\nx = 1")
    code = "%%on gpu\nimport time\nprint('begun', flush=True)\nfor _ in range(600): time.sleep(.1)"
    number = page.send("shell", "execute_request", {"code": code, "stop_on_error": False})
    run = asyncio.create_task(page.collect(number, []))
    await asyncio.sleep(1.5)
    kernel = page._url.split("/")[-2]
    await asyncio.to_thread(work.api, f"/api/kernels/{kernel}/interrupt", "POST")
    ended = await asyncio.wait_for(run, 20)
    assert failure(ended).startswith("KeyboardInterrupt")
    assert ended.text == "begun\n"
    assert (await page.execute("%%on gpu\nprint(x)")).text == "1\n"


async def test_widgets_are_shown_and_move(page: KernelClient) -> None:
    """A widget that is made elsewhere comes to the page whole, with what changes it later; a plot
    is a picture."""
    run = await page.execute(
        "%%on gpu\nfrom ipywidgets import IntProgress\nbar = IntProgress(max=7)\ndisplay(bar)\n"
        "bar.value = 5\n"
        "display({'image/png': 'iVBORw0='}, raw=True)"
    )
    opened = [each for each in run.of("comm_open") if each["target_name"] == "jupyter.widget"]
    model = next(e for e in opened if e["data"]["state"].get("_model_name") == "IntProgressModel")
    (view, picture) = run.of("display_data")
    shown = view["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert shown == model["comm_id"]
    changes = [each["data"] for each in run.of("comm_msg") if each["comm_id"] == shown]
    assert changes[-1]["state"] == {"value": 5}
    assert picture["data"]["image/png"] == "iVBORw0="


async def test_a_plain_server_will_do(page: KernelClient) -> None:
    """A Jupyter server that never heard of Ropeway runs such cells as well."""
    run = await page.execute("%%on plain\nfor i in range(2000): print(i)")
    assert run.text.split() == [str(i) for i in range(2000)]


async def test_its_own_runtime_is_the_notebook_itself(page: KernelClient) -> None:
    """A cell for the runtime that the notebook is on runs in the notebook's own kernel."""
    await page.execute("y = 5")
    assert shown(await page.execute("%%on here\nprint(y)")) == ["stream:5"]
    run = await page.execute("%%on here\n1/0")
    assert shown(run) == ["error:"]
    assert failure(run) == "ZeroDivisionError: division by zero"


async def test_a_dead_companion_is_told(page: KernelClient) -> None:
    """A companion that dies ends its cell with a clear error, and the next cell says that its
    variables are gone."""
    await page.execute("%%on gpu\nx = 1")
    died = failure(await page.execute("%%on gpu\nimport os; os._exit(1)"))
    assert died.startswith("KernelGone: The companion kernel on gpu died while the cell ran.")
    run = await page.execute("%%on gpu\nprint('x' in globals())")
    assert "variables of the one before are gone" in run.stream("stderr")
    assert run.text == "False\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "nowhere",
            "UnknownRuntime: No runtime named 'nowhere' is connected.\n"
            "hint: Connected are: gpu, here, plain, vm.",
        ),
        ("", "BadInput: %%on wants the name of a runtime."),
        ("gpu --fast", "BadInput: %%on has no option --fast."),
        ("gpu vm", "BadInput: %%on wants one runtime, not gpu and vm."),
    ],
)
async def test_a_wrong_line_is_told(page: KernelClient, line: str, says: str) -> None:
    """What cannot be meant is refused with what was asked."""
    assert failure(await page.execute(f"%%on {line}\n1")).startswith(says)


@pytest.mark.parametrize("page", ["vm"], indirect=True)
async def test_a_strangers_machine_runs_nothing_closer_to_home(page: KernelClient) -> None:
    """A notebook on a public runtime may run cells neither at home nor on machines of one's own."""
    for runtime in ("here", "gpu"):
        told = failure(await page.execute(f"%%on {runtime}\nprint(open('ropeway.toml').read())"))
        assert told.startswith("Refused: A notebook on a public runtime may not run code")
        assert "placement.trusted" in told


@pytest.mark.parametrize("page", ["gpu"], indirect=True)
async def test_home_runs_cells_of_ones_own_machine(page: KernelClient) -> None:
    """`%%on here` works from a machine of one's own; what its query sees at home is no more than
    that machine may see, since the answer goes there."""
    count = (
        "import ropeway as rw\nprint(rw.sql('select count(*) n from sales').arrow().to_pylist())"
    )
    assert (await page.execute(f"%%on here\n{count}")).text == "[{'n': 10}]\n"


async def test_a_companion_reads_what_its_machine_may(page: KernelClient) -> None:
    """`rw.sql` in a companion is answered as to any kernel of that runtime."""
    count = (
        "import ropeway as rw\nprint(rw.sql('select count(*) n from sales').arrow().to_pylist())"
    )
    assert (await page.execute(count)).text == "[{'n': 100}]\n"
    assert (await page.execute(f"%%on gpu\n{count}")).text == "[{'n': 10}]\n"
    assert failure(await page.execute(f"%%on vm\n{count}")).startswith("Refused")


async def test_each_notebook_has_its_own(work: Server, page: KernelClient) -> None:
    """Another notebook's companion on the same runtime is another kernel."""
    await page.execute("%%on gpu\nsecret = 1")
    other = started(work, "here", "other.ipynb")
    async with KernelClient(work.url, work.token, other) as theirs:
        run = await theirs.execute("%%on gpu\nprint('secret' in globals())")
    assert run.text == "False\n"
    work.api(f"/api/kernels/{other}", "DELETE")


async def test_no_companion_of_a_companion(page: KernelClient) -> None:
    """A cell that runs elsewhere cannot run another one elsewhere."""
    run = await page.execute("%%on gpu\nget_ipython().run_cell_magic('on', 'plain', '1')")
    assert failure(run).startswith("Refused: This cell runs by %%on already")


def companions(work: Server, runtime: str) -> int:
    """How many kernels run on a runtime for this workspace."""
    found = work.api("/ropeway/api/runtimes")[1]["runtimes"]
    return int(next(each["sessions"] for each in found if each["name"] == runtime))


async def test_companions_end_with_the_notebook(work: Server, page: KernelClient) -> None:
    """A restart or the end of the notebook's kernel ends its companions."""

    async def fewer(than: int) -> None:
        async with asyncio.timeout(20):
            while await asyncio.to_thread(companions, work, "plain") >= than:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    before = companions(work, "plain")
    await page.execute("%%on plain\nx = 1")
    assert companions(work, "plain") == before + 1
    kernel = page._url.split("/")[-2]
    await asyncio.to_thread(work.api, f"/api/kernels/{kernel}/restart", "POST")
    await fewer(before + 1)
    async with KernelClient(work.url, work.token, kernel) as again:
        run: Any = await again.execute("%%on plain\nprint('x' in globals())")
        assert run.text == "False\n"
        assert companions(work, "plain") == before + 1
    await asyncio.to_thread(work.api, f"/api/kernels/{kernel}", "DELETE")
    await fewer(before + 1)


WHERE = "import os\nprint(os.getcwd())"


def _held(work: Server) -> int:
    """What kernels on `gpu` hold of its GPU."""
    usage = work.api("/ropeway/api/runtimes/gpu/usage")[1]
    return sum(kernel["gpu"] or 0 for kernel in usage["kernels"])


async def test_a_cell_says_what_it_needs(work: Server, page: KernelClient) -> None:
    """`%%on --gpu` picks the runtime that has it, says so once, and keeps the variables there; what
    the companion itself holds of the GPU is free for its cells; anybody's machine is not picked."""
    far = str(work.root.parent / "far")
    await page.execute("x = 20")
    first = await page.execute(f"%%on --gpu 16GB --send x --get y\ny = 2 * x\n{WHERE}")
    assert (first.text, (await page.execute("print(y)")).text) == (f"{far}\n", "40\n")
    told = "This cell runs on gpu (NVIDIA H200, 107.4 GB of 150.3 GB free).\n"
    assert first.stream("stderr") == told
    assert shown(await page.execute("%%on --gpu 16GB\nprint(y)")) == ["stream:40"]
    # 107.4 GB are free, and the companion holds 3.2 besides, once the driver was asked again.
    await asyncio.to_thread(until, lambda: _held(work) > 0)
    assert (await page.execute("%%on --gpu 110GB\nprint(y)")).text == "40\n"
    assert "No runtime is known" in failure(await page.execute("%%on --gpu 111GB\n1"))


@pytest.mark.parametrize("page", ["vm"], indirect=True)
async def test_a_need_takes_nothing_closer_to_home(page: KernelClient) -> None:
    """A notebook on a public runtime gets what it may have: its own kernel."""
    await page.execute("z = 7")
    assert (await page.execute("%%on --gpu\nprint(z)")).text == "7\n"


async def test_what_no_runtime_has_is_asked_before(page: KernelClient) -> None:
    """Where nothing fits, the cell asks with what there is, once; the CPU at home is a choice."""
    run = await page.execute("%%on --gpu 140GB\nprint('ran')", answers=["7", "5"])
    assert "No runtime is known to have a GPU with 140.0 GB free" in run.stream("stderr")
    for number, choice in enumerate(
        (
            "gpu: NVIDIA H200, 107.4 GB of 150.3 GB free",
            "vm: NVIDIA H200, 107.4 GB of 150.3 GB free",
            "plain: its GPUs are not known",
            "here: the CPU alone",
            "nowhere",
        ),
        1,
    ):
        assert f"  {number}  {choice}\n" in run.stream("stderr")
    assert failure(run).startswith("NoAccelerator: No runtime is known")
    assert run.text == ""
    await page.execute("x = 'home'")
    asked = await page.execute("%%on --gpu 140GB\nprint(x)", answers=["here"])
    assert asked.text == "home\n"
    assert shown(await page.execute("%%on --gpu 140GB\nprint(x)")) == ["stream:home"]


async def test_a_need_without_anybody_to_ask(page: KernelClient) -> None:
    """Where nobody can be asked, the error has the choices and what to write; `--fallback cpu` runs
    the cell in the notebook's own kernel and says so."""
    told = failure(await page.execute("%%on --gpu 140GB\n1"))
    assert "plain (its GPUs are not known), here (the CPU alone)." in told
    assert "hint: %%on gpu or %%on vm or %%on plain names a runtime that may do" in told
    await page.execute("x = 'home'")
    run = await page.execute("%%on --gpu 140GB --fallback cpu\nprint(x)")
    assert run.text == "home\n"
    assert run.stream("stderr").endswith("free: this cell runs on here (the CPU alone).\n")


async def test_a_notebook_that_needs_a_gpu_runs_on_one(work: Server) -> None:
    """`ropeway run` picks a runtime for what Colab's metadata ask for; where none is known it says
    that it runs without, and with `--gpu` it does not run. The metadata stay."""
    environment = clean_environment(work.root.parent / "home")

    async def ran(accelerator: str, *options: str) -> tuple[int, str, list[Any]]:
        path = work.root / "colab.ipynb"
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WHERE)])
        made.metadata |= {"accelerator": accelerator, "colab": {"gpuType": "T4"}}
        nbformat.write(made, path)
        command = [sys.executable, "-m", "ropeway", "run", path.name, *options]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=work.root, env=environment, capture_output=True, text=True
        )
        kept = nbformat.read(path, 4)
        assert kept.metadata.items() >= made.metadata.items()
        return done.returncode, done.stderr, kept.cells[0].outputs

    code, said, outputs = await ran("GPU")
    assert (code, outputs[0]["text"]) == (0, f"{work.root.parent / 'far'}\n")
    assert "The notebook needs a GPU (T4): it runs on gpu (NVIDIA H200" in said
    code, said, outputs = await ran("TPU")
    assert (code, outputs[0]["text"]) == (0, f"{work.root}\n")
    assert "none is known that may be picked: it runs on the CPU of here." in said
    code, said, outputs = await ran("GPU", "--gpu", "140GB")
    assert (code, outputs) == (1, [])
    assert "--on gpu or --on vm or --on plain or --on here runs the notebook" in said
    code, said, _ = await ran("GPU", "--gpu", "16GB", "--on", "gpu")
    assert (code, "Say one of them" in said) == (2, True)


async def test_a_notebook_runs_without_a_page(work: Server) -> None:
    """`ropeway run` honours `%%on`: each cell runs where it says; the file holds its outputs."""
    cells = [
        "x = [1, 2]",
        "%%on gpu --send x --get total\nimport os\ntotal = sum(x)\nprint(os.getcwd())",
        "print(total)",
    ]
    path = work.root / "headless.ipynb"
    sources = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=sources), path)
    environment = clean_environment(work.root.parent / "home")
    command = [sys.executable, "-m", "ropeway", "run", "headless.ipynb"]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=work.root, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    _, there, here = (cell.outputs for cell in nbformat.read(path, 4).cells)
    assert "".join(each["text"] for each in there).strip() == str(work.root.parent / "far")
    assert here[0]["text"] == "3\n"
    failing = work.root / "failing.ipynb"
    sources = [nbformat.v4.new_code_cell("%%on gpu\n1/0"), nbformat.v4.new_code_cell("print(1)")]
    nbformat.write(nbformat.v4.new_notebook(cells=sources), failing)
    ran = await asyncio.to_thread(
        subprocess.run,
        [*command[:-1], "failing.ipynb"],
        cwd=work.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "ZeroDivisionError: division by zero" in ran.stderr
    assert nbformat.read(failing, 4).cells[1].outputs == []


async def test_one_function_trains_on_both(work: Server) -> None:
    """The example trains the same small network at home and on another runtime, and compares time
    and accuracy in one table."""
    path = work.root / "train-on-both.ipynb"
    path.write_text((EXAMPLES / path.name).read_text("utf-8"), "utf-8")
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ropeway", "run", path.name],
        cwd=work.root,
        env=clean_environment(work.root.parent / "home"),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (table,) = nbformat.read(path, 4).cells[-1].outputs
    heads = re.findall("<th>(.*?)</th>", table["data"]["text/html"])
    figures = re.findall("<td>(.*?)</td>", table["data"]["text/html"])
    assert heads == ["", "device", "by", "seconds", "accuracy", "at home", "on gpu"]
    assert len(figures) == 8
    assert min(float(figures[3]), float(figures[7])) > 0.5
