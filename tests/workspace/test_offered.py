"""What a runtime tells of itself, before it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.wire import Amount, Gpu, KernelUsage, Usage
from ropeway.workspace.offered import LONGEST, MOST_KERNELS, checked_usage, offered_kernels

PYTHON = {
    "name": "python3",
    "spec": {"argv": ["rm"], "env": {"A": "1"}, "display_name": "Python 3", "language": "python"},
    "resources": {"logo-64x64": "/kernelspecs/python3/logo-64x64.png"},
}
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_a_kernel_keeps_its_name_language_and_logos() -> None:
    """Of a kernel nothing but what is shown is kept: no command, no environment."""
    found = offered_kernels({"default": "python3", "kernelspecs": {"python3": PYTHON}})
    assert found == {
        "default": "python3",
        "kernelspecs": {
            "python3": {
                "spec": {"display_name": "Python 3", "language": "python", "metadata": {}},
                "resources": PYTHON["resources"],
            }
        },
    }


def test_one_odd_kernel_does_not_hide_the_others() -> None:
    """Models that are none are left out, and a default that is not offered is none."""
    kernels = {"python3": PYTHON, "odd": [], "bare": {}, "x" * 500: PYTHON, "y": {"spec": 7}}
    found = offered_kernels({"default": "odd", "kernelspecs": kernels})
    assert found is not None
    assert list(found["kernelspecs"]) == ["python3"]
    assert found["default"] is None


def test_names_are_one_short_line() -> None:
    """A shown name cannot fill the menu, nor break into a second line."""
    spec = {"display_name": "a\n\u2028b " + "x" * 10_000, "language": 3}
    found = offered_kernels({"kernelspecs": {"k": {"spec": spec}}})
    assert found is not None
    kept = found["kernelspecs"]["k"]["spec"]
    assert kept["display_name"].startswith("a b x")
    assert len(kept["display_name"]) == LONGEST
    assert kept["language"] == ""


def test_thousands_of_kernels_are_cut() -> None:
    """The list of kernels has an end."""
    found = offered_kernels({"kernelspecs": {f"k{n}": PYTHON for n in range(5000)}})
    assert found is not None
    assert len(found["kernelspecs"]) == MOST_KERNELS


def test_kernels_of_other_workspaces_are_not_lent_on() -> None:
    """Two workspaces that are runtimes of each other do not mirror kernels without an end."""
    lent = {**PYTHON, "spec": {**PYTHON["spec"], "metadata": {"ropeway": {"runtime": "x"}}}}  # type: ignore[dict-item]
    assert offered_kernels({"kernelspecs": {"x.python3": lent}}) == {
        "default": None,
        "kernelspecs": {},
    }


@pytest.mark.parametrize("body", [None, [], "x", {}, {"kernelspecs": []}])
def test_what_lists_no_kernels_is_none(body: Any) -> None:
    """An answer of another shape is no answer."""
    assert offered_kernels(body) is None


def test_usage_keeps_what_fits() -> None:
    """Figures that are none are left out; the others stay."""
    body = {
        "ram": {"used": 1, "total": 2},
        "disk": {"used": -1, "total": True},
        "gpus": [{"name": "T4", "used": 1, "total": 2, "busy": 7}, {"name": "odd"}, 3],
        "kernels": [{"id": "a", "ram": 5, "gpu": -1}, {"id": "b"}, {"ram": 6, "gpu": 7}, None],
    }
    kernels = (KernelUsage("a", 5, None), KernelUsage("", 6, 7))
    assert checked_usage(body) == Usage(Amount(1, 2), None, (Gpu("T4", 1, 2, None),), kernels)


@given(ANY_JSON)
def test_no_answer_breaks_the_check(body: Any) -> None:
    """Whatever JSON a server sends, the checks answer and what they keep is plain JSON."""
    for part in (body, {"kernelspecs": body}, {"kernelspecs": {"a": body}}):
        json.dumps(offered_kernels(part), allow_nan=False)
    for part in (body, {"ram": body, "disk": body, "gpus": [body], "kernels": [body]}):
        checked_usage(part)
