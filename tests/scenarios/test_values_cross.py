"""`%%on --send --get`: values between a notebook and its companions, with real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from support.kernel_client import KernelClient
from support.notebook import Notebook, until
from support.placed import failure, notebook, placed, records
from support.servers import Server


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace with several runtimes."""
    with placed(tmp_path_factory.mktemp("values")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(work: Server) -> AsyncIterator[KernelClient]:
    """A page on a notebook at home."""
    async with notebook(work, "here", "values.ipynb") as made:
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = """
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
df = pd.DataFrame({"n": [1, 2, None], "s": ["a", None, "ü"]}, index=pd.Index([7, 9, 11], name="k"))
frame, table = pl.DataFrame({"n": [1, None]}), pa.table({"m": [{"a": 1}]})
params = {"rate": 0.1, 5: (1, {2})}
"""


async def test_values_go_there_and_come_back(page: KernelClient) -> None:
    """Tables, arrays and plain values are the same there, and what is made of them is the same
    here; the cell between sees them."""
    await page.execute(TABLES)
    run = await page.execute(
        "%%on gpu --send df, frame, table --send params --get df2,frame2 --get=table2 params2\n"
        "import os\n"
        "df2, frame2, table2, params2 = df, frame, table, params\n"
        "print(type(df), type(frame), type(table), params, os.getpid(), sep=';')"
    )
    assert not failure(run)
    there = run.text.strip().split(";")
    assert [each.split("'")[1].split(".")[0] for each in there[:3]] == [
        "pandas",
        "polars",
        "pyarrow",
    ]
    assert there[3] == "{'rate': 0.1, 5: (1, {2})}"
    same = await page.execute(
        "import os\nprint(df2.equals(df), df2.index.name, frame2.equals(frame), "
        "table2.equals(table), params2 == params, df2 is not df, os.getpid())"
    )
    assert same.text.startswith("True k True True True True ")
    assert same.text.split()[-1] != there[4]


async def test_a_large_array_crosses_and_says_how_far_it_is(page: KernelClient) -> None:
    """50 MB cross whole, both ways; the ledger holds their size."""
    run = await page.execute(
        "%%on gpu --get big\nimport numpy as np\n"
        "big = np.arange(6_250_000, dtype='f8'); total = big.sum()"
    )
    assert not failure(run)
    run = await page.execute(
        "back = big * 2\nget_ipython().run_line_magic('on', 'gpu --send back')\n"
        "print(big.sum(), big.shape, big.flags.writeable)"
    )
    assert run.text == f"{float(sum(range(6_250_000)))} (6250000,) True\n"
    run = await page.execute("%%on gpu\nprint((back == 2 * np.arange(6_250_000)).all())")
    assert run.text == "True\n"


async def test_the_ledger_holds_what_crossed(work: Server) -> None:
    """Each value is one crossing in the ledger: its name, type and size, from where to where, and
    for which cell of which notebook."""
    source = "values = list(range(1000))\nget_ipython().run_line_magic('on', 'gpu --send values')"
    made = Notebook(work, "ledger.ipynb", [source, "%%on gpu --get returned\nreturned = values"])
    async with made.page() as page:
        for index in (0, 1):
            made.run(page, index)
        until(lambda: made.opened()["cells"][1]["execution_count"] == 2, 60, "the cells' end")
        sent, got = (records(work, value=name)[0] for name in ("values", "returned"))
    assert (sent["what"], sent["state"], sent["source"], sent["runtime"]) == (
        *("send", "done", "here", "gpu"),
    )
    assert (sent["runtime_class"], sent["type"], sent["notebook"]) == (
        *("own", "list", "ledger.ipynb"),
    )
    assert sent["cell"] == made.ids[0]
    assert 1000 < sent["bytes_crossed"] < 10_000
    assert (got["what"], got["source"], got["runtime"]) == ("get", "gpu", "here")
    assert (got["runtime_class"], got["state"]) == ("here", "done")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("gpu --send nowhere", "BadInput: The notebook has no variable nowhere to send."),
        ("gpu --get nowhere", "NotFound: On gpu: There is no variable nowhere."),
        ("gpu --send lock", "BadInput: A lock cannot cross to another kernel:"),
        ("gpu --get lock", "BadInput: On gpu: A lock cannot cross to another kernel:"),
        ("gpu --send a.b", "BadInput: 'a.b' is not the name of a variable."),
    ],
)
async def test_what_cannot_cross_is_told(page: KernelClient, line: str, says: str) -> None:
    """A value that is not there or has no form is refused with its name and what to do."""
    made = "import threading; lock = threading.Lock()"
    await page.execute(made)
    await page.execute(f"%%on gpu\n{made}")
    assert failure(await page.execute(f"%on {line}")).startswith(says)
    assert (await page.execute("%%on gpu\nprint('goes on')")).text == "goes on\n"


BOMB = """
class Bomb:
    def __reduce__(self):
        return exec, ("import builtins; builtins.bombed = True",)
bomb = {"plain": [Bomb()]}
"""


async def test_no_code_comes_from_a_strangers_machine(work: Server, page: KernelClient) -> None:
    """Of a public runtime a notebook at home takes tables, arrays and plain values, and no pickle:
    not even one that the runtime sends against the rules."""
    run = await page.execute(
        "%%on vm --get scores,frame\nimport numpy as np, pandas as pd\n"
        "scores = {'acc': np.float64(.9), 'w': np.eye(2)}\nframe = pd.DataFrame({'a': [1]})"
    )
    assert not failure(run)
    assert (await page.execute("print(scores['acc'], frame.a.sum())")).text == "0.9 1\n"
    run = await page.execute(f"%%on vm --get bomb\n{BOMB}")
    assert failure(run).startswith(
        "Refused: On vm: A dict can cross only as a pickle, which is code"
    )
    cheat = (
        "import ropeway.kernel.values as v\nhonest = v.pack\n"
        "v.pack = lambda value, *, code: honest(value, code=True)"
    )
    await page.execute(f"%%on vm\n{cheat}")
    run = await page.execute("%on vm --get bomb")
    assert failure(run).startswith("Refused: A dict can cross only as a pickle, which is code")
    await page.execute("%%on vm\nv.pack = honest")
    assert (
        await page.execute("import builtins; print(hasattr(builtins, 'bombed'))")
    ).text == "False\n"
    run = await page.execute(f"%%on gpu --get bomb\n{BOMB}")
    assert not failure(run)
    assert (await page.execute("print(builtins.bombed)")).text == "True\n"


async def test_values_do_not_reach_the_notebooks_file(work: Server, page: KernelClient) -> None:
    """What crosses is in no message that a page sees, so no file can hold it."""
    await page.execute("secret = 'x1y2z3' * 1000")
    run = await page.execute("%%on gpu --send secret\nprint(len(secret))")
    assert run.text == "6000\n"
    assert "x1y2z3" not in repr((run.messages, page.unclaimed))


FUNCTION = """
import ropeway as rw
factor = 10
def scaled(n): return n * factor

@rw.on("gpu")
def work(n, fail=False):
    import os
    print("working", n, flush=True)
    if fail:
        raise ValueError("as asked")
    return {"pid": os.getpid(), "n": scaled(n)}
"""


async def test_a_functions_calls_run_there(page: KernelClient) -> None:
    """`@rw.on` moves calls: what the function uses goes along, its prints appear here, its result
    comes back, and its error has the lines of the notebook's cell."""
    await page.execute(FUNCTION)
    run = await page.execute(
        "found = work(4)\nimport os; print(found['n'], found['pid'] == os.getpid())"
    )
    assert run.text == "working 4\n40 False\n"
    failed = await page.execute("work(5, fail=True)")
    assert failure(failed) == "ValueError: as asked"
    assert "as asked" in "".join(failed.of("error")[0]["traceback"])
    assert "raise" in "".join(failed.of("error")[0]["traceback"])
    left = await page.execute("%%on gpu\nprint([n for n in globals() if n.startswith('_ropeway')])")
    assert left.text == "[]\n"


async def test_code_and_values_from_python(page: KernelClient) -> None:
    """`rw.on(…).run`, `.send` and `.get` do what `%%on` does; on the notebook's own runtime they
    are the notebook's own."""
    run = await page.execute(
        "import ropeway as rw\nimport os\ngpu, own = rw.on('gpu'), rw.on('here')\n"
        "gpu.send(a=[1], b=2)\ngpu.run('import os; c = a + [b, os.getpid()]; print(a)')\n"
        "c = gpu.get('c'); print(c[:2], c[2] == os.getpid())\n"
        "own.send(d=5); own.run('e = d + 1'); print(own.get('e'), e)\n"
        "print(own(os.getpid)() == os.getpid(), gpu(os.getpid)() == os.getpid())"
    )
    assert not failure(run)
    assert run.text == "[1]\n[1, 2] False\n6 6\nTrue False\n"


async def test_a_strangers_machine_returns_no_code(page: KernelClient) -> None:
    """What a function returns on a public runtime is data, or refused."""
    await page.execute("import ropeway as rw\nvm = rw.on('vm')")
    run = await page.execute("print(vm(lambda n: {'n': [n]})(3))")
    assert run.text == "{'n': [3]}\n"
    run = await page.execute("vm(lambda: object())()")
    assert failure(run).startswith("Refused: On vm: A object can cross only as a pickle")
