"""`rw.use_accelerator()`: frameworks set up, and the device in their words.

PyTorch, TensorFlow and JAX are stand-ins (`support/frameworks.py`) that follow their documentation.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ropeway as rw
from ropeway.errors import BadInput, NoAccelerator
from ropeway.kernel.accelerators import imported, use
from ropeway.kernel.accelerators.device import Accelerator, Device
from support.frameworks import FILES
from support.gpus import Nvml, gpu

Put = Callable[..., Nvml]
Load = Callable[[str], Any]

_VARIABLES = (
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "XLA_CLIENT_MEM_FRACTION",
    "JAX_PLATFORMS",
)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nvml: Put) -> Iterator[Load]:
    """Imports a framework, on a machine with two GPUs of 140 GiB."""
    nvml([gpu("GPU-1"), gpu("GPU-2")])
    folder = tmp_path / "frameworks"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    for name in _VARIABLES:
        monkeypatch.setenv(name, "")  # put back afterwards, whoever changes it
        monkeypatch.delenv(name)
    importlib.invalidate_caches()
    yield importlib.import_module
    imported._finder.waiting.clear()
    for name in [n for n in sys.modules if n.split(".")[0] in ("torch", "tensorflow", "jax")]:
        del sys.modules[name]


def test_the_device_has_each_frameworks_name(load: Load) -> None:
    """The device is told in each framework's words, before any is imported."""
    found = rw.use_accelerator()
    assert (found.torch, found.tensorflow, found.jax) == ("cuda:0", "/GPU:0", "gpu")
    assert str(found) == "cuda:0"
    assert "NVIDIA H200" in repr(found)
    assert not {"torch", "tensorflow", "jax"} & set(sys.modules)


@pytest.mark.parametrize("first", [True, False])
def test_growth(load: Load, first: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """`growth`: nothing is taken ahead, whether frameworks were imported before or after."""
    if first:
        rw.use_accelerator("growth")
    torch, tensorflow, jax = load("torch"), load("tensorflow"), load("jax")
    if not first:
        rw.use_accelerator("growth")
    assert tensorflow.growth == {"GPU:0": True, "GPU:1": True}
    assert tensorflow.logical == {}
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert torch.fractions == {}, "it grows by itself, and nothing is started for it"
    assert torch.precision == "high"
    assert jax.default_backend() == "gpu"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("memory", ["70GiB", "70 gib", 0.5])
def test_a_limit(
    load: Load, monkeypatch: pytest.MonkeyPatch, first: bool, memory: str | float
) -> None:
    """An amount or a fraction is the most of each device, in each framework's way."""
    monkeypatch.setenv("XLA_CLIENT_MEM_FRACTION", ".9")  # two names for it are an error of JAX's
    if first:
        rw.use_accelerator(memory)
    torch, tensorflow = load("torch"), load("tensorflow")
    if not first:
        rw.use_accelerator(memory)
    assert torch.fractions == {0: 0.5, 1: 0.5}
    size = [tensorflow.config.LogicalDeviceConfiguration(memory_limit=70 * 1024)]
    assert tensorflow.logical == {"GPU:0": size, "GPU:1": size}
    assert {name: os.environ.get(name) for name in _VARIABLES if "MEM" in name} == {
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5000",
        "XLA_CLIENT_MEM_FRACTION": None,
    }


def test_the_last_call_counts(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """Growth, then a limit, then growth: what the frameworks are told is what was said last."""
    torch, tensorflow = load("torch"), load("tensorflow")
    rw.use_accelerator("growth")
    rw.use_accelerator(0.25)
    assert torch.fractions == {0: 0.25, 1: 0.25}
    assert tensorflow.growth == {"GPU:0": False, "GPU:1": False}
    assert capsys.readouterr().out == ""
    rw.use_accelerator("growth")
    assert torch.fractions == {0: 1.0, 1: 1.0}
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in os.environ
    assert "TensorFlow computes already" in capsys.readouterr().out, "it does not take that back"


def test_too_late_is_told_once(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """Frameworks that compute already say what to do; the same cell run again says nothing new."""
    tensorflow, jax = load("tensorflow"), load("jax")
    rw.use_accelerator(0.5)
    tensorflow.compute()
    jax.default_backend()
    rw.use_accelerator(0.5)
    assert capsys.readouterr().out == ""
    rw.use_accelerator(0.75)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["TensorFlow", "JAX"]
    assert all("until this kernel restarts" in line for line in lines)


def test_a_framework_without_the_accelerator_gets_the_cpu(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build without CUDA is told with its version, and its device is the CPU."""
    torch, tensorflow = load("torch"), load("tensorflow")
    torch.sees = False
    tensorflow.gpus.clear()
    found = rw.use_accelerator()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PyTorch does not see this accelerator (2.9.1+stub)")
    assert lines[1].startswith("TensorFlow does not see this accelerator (2.21.0)")
    assert (found.torch, found.tensorflow) == ("cpu", "/CPU:0")


def test_jax_that_is_held_to_the_cpu_says_so(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """`JAX_PLATFORMS=cpu`, or backends that were made without the GPU: the word is `cpu`."""
    found = rw.use_accelerator()
    assert found.jax == "gpu"
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert found.jax == "cpu"
    load("jax").default_backend()
    monkeypatch.delenv("JAX_PLATFORMS")
    assert found.jax == "cpu"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("rocm", ("cuda:0", "/GPU:0", "gpu")),
        ("mps", ("mps", "/GPU:0", "cpu")),
        ("tpu", ("cpu", "/TPU:0", "tpu")),
    ],
)
def test_other_accelerators_have_their_names(
    load: Load, monkeypatch: pytest.MonkeyPatch, kind: str, words: tuple[str, ...]
) -> None:
    """ROCm goes by CUDA's names in PyTorch; its TPU needs torch_xla; JAX has no Metal."""
    device = Device(0, "Other", 64 << 30)
    monkeypatch.setattr(use, "accelerator", lambda: Accelerator(kind, (device,)))
    torch = load("torch")
    found = rw.use_accelerator(0.5)
    assert (found.torch, found.tensorflow, found.jax) == words
    assert torch.fractions == {"rocm": {0: 0.5, 1: 0.5}, "mps": {"mps": 0.5}}.get(kind, {})


def test_an_import_never_fails_for_it(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A framework of another shape is imported all the same; a sentence says what failed."""
    (tmp_path / "frameworks/torch.py").write_text("__version__ = '9'\n")
    rw.use_accelerator(0.5)
    torch = load("torch")
    assert torch.__version__ == "9"
    assert "torch could not be set up: AttributeError" in capsys.readouterr().out


def test_a_failed_import_is_tried_again(load: Load, tmp_path: Path) -> None:
    """An import that fails, fails as ever; the next one that works is set up."""
    file = tmp_path / "frameworks/torch.py"
    text = file.read_text()
    file.write_text("import nothing_of_that_name")
    rw.use_accelerator(0.5)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        load("torch")
    file.write_text(text)
    os.utime(file, (1, 1))
    torch = load("torch")
    assert torch.fractions == {0: 0.5, 1: 0.5}
    assert torch.__spec__.loader.get_source("torch") == text, "the loader is still the module's own"


def test_a_framework_in_a_zip(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All modules of a zip have one loader: only the framework itself is set up, once."""
    archive = tmp_path / "frameworks.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("torch.py", "import beside\n" + FILES["torch.py"])
        file.writestr("beside.py", "")
    monkeypatch.syspath_prepend(archive)
    rw.use_accelerator(0.5)
    try:
        assert load("torch").fractions == {0: 0.5, 1: 0.5}
    finally:
        sys.modules.pop("beside", None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "memory", ["", "much", "8", 0, -1, 1.5, True, None, "0GB", "0.0000001kB", float("nan")]
)
def test_no_amount(load: Load, memory: Any) -> None:
    """What is no amount of memory is refused, with what is one."""
    with pytest.raises(BadInput, match="no amount of memory") as told:
        rw.use_accelerator(memory)
    assert '"8GB"' in told.value.hint


def test_more_than_there_is(load: Load, nvml: Put) -> None:
    """More than the device has, or a share of something unknown, is refused with its name."""
    with pytest.raises(BadInput, match=r"999\.0 GB were asked for, and NVIDIA H200 has 150\.3 GB"):
        rw.use_accelerator("999GB")
    nvml([gpu("GPU-1", name="NVIDIA GB10", memory=None)])
    for memory in ("8GB", 0.5):
        with pytest.raises(BadInput, match="NVIDIA GB10 does not tell"):
            rw.use_accelerator(memory)
    assert rw.use_accelerator("growth").torch == "cuda:0"


def test_without_an_accelerator_it_says_so_once(
    load: Load, cpu: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fallback="cpu"`: one sentence, every framework on the CPU, JAX without a search."""
    jax = load("jax")
    found = rw.use_accelerator("8GB")
    assert (found.torch, found.tensorflow, found.jax) == ("cpu", "/CPU:0", "cpu")
    assert jax.platforms == os.environ["JAX_PLATFORMS"] == "cpu"
    assert capsys.readouterr().out == (
        "No accelerator can be used here. Frameworks compute on the CPU.\n"
    )


def test_without_an_accelerator_it_may_be_an_error(load: Load, cpu: None) -> None:
    """`fallback="error"`: what was looked for, and what to do."""
    with pytest.raises(NoAccelerator, match="Looked for NVIDIA") as told:
        rw.use_accelerator(fallback="error")
    assert "runtime that has one" in told.value.hint


@pytest.mark.parametrize(
    ("answer", "goes_on"), [("y", True), (" Yes", True), ("n", False), ("", False)]
)
def test_without_an_accelerator_it_may_ask(
    load: Load, cpu: None, monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool
) -> None:
    """`fallback="ask"`: it goes on when somebody says yes."""
    monkeypatch.setattr(builtins, "input", lambda question: answer)
    if goes_on:
        assert rw.use_accelerator(fallback="ask").torch == "cpu"
    else:
        with pytest.raises(NoAccelerator):
            rw.use_accelerator(fallback="ask")


def test_another_fallback_is_refused(load: Load) -> None:
    """A fallback that is none is refused, also where none is needed."""
    with pytest.raises(BadInput, match="fallback='gpu' is none"):
        rw.use_accelerator(fallback="gpu")


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_to_ask_is_an_error(notebook: Any) -> None:
    """A kernel without a page cannot ask: that is `NoAccelerator`."""
    ran = await notebook.run(
        "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
        "import ropeway as rw; rw.use_accelerator(fallback='ask')"
    )
    assert ran.errors[0].startswith("NoAccelerator: No accelerator can be used here.")
