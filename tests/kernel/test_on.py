"""The line of a `%%on` cell, and what the magic does before anything leaves the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ropeway
from ropeway.errors import BadInput, HomeUnreachable
from ropeway.kernel.elsewhere import failure
from ropeway.kernel.needs import Need
from ropeway.kernel.on import Line, On, install, parse


@pytest.mark.parametrize(
    ("line", "means"),
    [
        ("gpu", Line("gpu")),
        (" gpu  # the large one", Line("gpu")),
        ("gpu --send df,params --get scores", Line("gpu", ("df", "params"), ("scores",))),
        ("gpu --get=a, b --send c d", Line("gpu", ("c", "d"), ("a", "b"))),
        ("--get a -- gpu", None),
        ("'my box' --send a --send b", Line("my box", ("a", "b"))),
        ("--gpu", Line("", need=Need())),
        ("--gpu 16GB", Line("", need=Need(16 * 10**9))),
        (
            "--gpu=16 GiB --fallback cpu --send df",
            Line("", ("df",), need=Need(16 << 30, "cpu")),
        ),
        ("gpu --gpu 16GB", None),
        ("gpu --fallback cpu", None),
        ("gpu --send a.b", None),
        ("gpu --send 1a", None),
        ("gpu vm", None),
        ("gpu --fast", None),
        ("gpu 'open", None),
        ("--send a", None),
        ("", None),
    ],
)
def test_a_line_is_read_or_refused(line: str, means: Line | None) -> None:
    """The runtime, and the names behind `--send` and `--get`; what else there is is refused, with
    an example."""
    if means is not None:
        assert parse(line) == means
        return
    with pytest.raises(BadInput) as caught:
        parse(line)
    assert caught.value.hint.startswith("%%on gpu --send df,params --get scores")


def test_what_is_no_need_is_refused() -> None:
    """An amount that is none and a fallback that is none are named."""
    with pytest.raises(BadInput, match="--gpu trainer: that is no amount of memory"):
        parse("--gpu trainer")
    with pytest.raises(BadInput, match="no --fallback gpu"):
        parse("--gpu --fallback gpu")


class Manager:
    def __init__(self, **magics: Any) -> None:
        self.magics: dict[str, dict[str, Any]] = {"line": dict(magics), "cell": dict(magics)}


class Shell:
    def __init__(self, **magics: Any) -> None:
        self.magics_manager = Manager(**magics)
        self.user_ns: dict[str, Any] = {"df": 1}


def test_another_on_magic_stays() -> None:
    """An `%%on` of somebody else is not replaced; ours is, by that of a newer SDK."""
    other, free = Shell(on=print), Shell()
    install(other)
    install(free)
    first = free.magics_manager.magics["cell"]["on"]
    install(free)
    assert other.magics_manager.magics["cell"]["on"] is print
    assert isinstance(first, On)
    assert free.magics_manager.magics["cell"]["on"] is not first


def test_nothing_leaves_the_kernel_for_a_cell_that_cannot_run() -> None:
    """A name that is not there, and a line that asks for nothing, are refused at once."""
    on = On(Shell())
    with pytest.raises(BadInput, match="no variable nothing to send"):
        on("gpu --send df,nothing", "1")
    with pytest.raises(BadInput, match="nothing to do"):
        on("gpu")


def test_without_home_it_says_what_it_needs() -> None:
    """In a Python that no workspace started, `%%on` says that it needs one."""
    with pytest.raises(HomeUnreachable, match="no notebook kernel"):
        On(Shell())("gpu --send df")


@pytest.mark.asyncio(loop_scope="module")
async def test_plain_jupyter_says_what_it_needs(bare: Any) -> None:
    """In a kernel that no workspace started, `import ropeway` is enough for `%%on` to say what it
    needs; an `%%on` that is there stays."""
    source = str(Path(ropeway.__file__).parents[1])
    (await bare.run(f"import sys; sys.path.insert(0, {source!r}); import ropeway")).ok()
    ran = await bare.run("%%on gpu --send df\nprint('ran')")
    assert ran.errors[0].startswith("HomeUnreachable: %%on gpu --send df runs a cell on another")
    assert "Run `ropeway` in the notebook's folder" in ran.errors[0]
    assert ran.text == ""
    ran = await bare.run(
        "from IPython.core.magic import register_cell_magic\nimport importlib\n"
        "register_cell_magic('on')(lambda line, cell: print('mine', line))\n"
        "importlib.reload(ropeway)\nget_ipython().run_cell_magic('on', 'gpu', 'x')"
    )
    assert ran.ok().text == "mine gpu\n"


def test_a_failure_has_the_name_and_the_traceback_of_there() -> None:
    """What is raised here bears the name of the error there, and shows its traceback; as an
    interrupt it is one here, too."""
    error = failure("ValueError", "bad wheel", ["line 1", "line 2"])
    assert type(error).__name__ == "ValueError"
    assert str(error) == "bad wheel"
    assert error._render_traceback_() == ["line 1", "line 2"]
    assert not isinstance(error, ValueError)
    assert isinstance(failure("KeyboardInterrupt", "", []), KeyboardInterrupt)
    assert type(failure("ValueError", "", [])) is type(error)
