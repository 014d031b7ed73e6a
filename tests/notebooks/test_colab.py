"""What Colab's metadata say, in the page and in the file."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.notebooks.colab import COLLAPSED, is_private, opened, saved


def notebook(*ids: str, **colab: Any) -> dict[str, Any]:
    """A notebook of Colab: a heading with each of these ids, and a cell of code below each."""
    cells: list[dict[str, Any]] = []
    for name in ids:
        cells.append({"cell_type": "markdown", "metadata": {"id": name}, "source": f"# {name}"})
        outputs = [{"output_type": "stream", "name": "stdout", "text": "1"}]
        cells.append({"cell_type": "code", "metadata": {"id": f"{name}-code"}, "outputs": outputs})
        cells[-1]["execution_count"] = 1
    return {"cells": cells, "metadata": {"colab": colab}, "nbformat": 4, "nbformat_minor": 0}


def test_sections_that_colab_left_collapsed_are_so_in_the_page() -> None:
    """The page shows them collapsed; those that are collapsed there stand in the file in Colab's
    way, and nothing of JupyterLab's does."""
    page = notebook("a", "b", "c", collapsed_sections=["b", "gone"])
    opened(page)
    assert [COLLAPSED in cell["metadata"] for cell in page["cells"][::2]] == [False, True, False]
    page["cells"][0]["metadata"][COLLAPSED] = True
    del page["cells"][2]["metadata"][COLLAPSED]
    assert saved(page) == notebook("a", "b", "c", collapsed_sections=["gone", "a"])


@given(
    st.lists(st.sampled_from("abcd"), unique=True),
    st.one_of(
        st.just({}), st.fixed_dictionaries({"collapsed_sections": st.lists(st.sampled_from("abx"))})
    ),
)
def test_what_is_not_changed_stays(ids: list[str], colab: dict[str, Any]) -> None:
    """A notebook that is opened and saved is the same, whatever sections it names."""
    file = notebook(*ids, name="n", **colab)
    page = copy.deepcopy(file)
    opened(page)
    assert saved(page) == file


def test_private_outputs_are_not_saved() -> None:
    """A notebook that omits outputs keeps none in its file; the page's own stay with the page."""
    page = notebook("a", private_outputs=True)
    file = saved(page)
    assert is_private(file)
    assert (file["cells"][1]["outputs"], file["cells"][1]["execution_count"]) == ([], None)
    assert page["cells"][1]["outputs"]


@pytest.mark.parametrize("metadata", [{}, {"colab": None}, {"colab": []}])
def test_other_notebooks_are_not_touched(metadata: dict[str, Any]) -> None:
    """A notebook that is none of Colab's keeps what JupyterLab wrote."""
    page = notebook("a") | {"metadata": metadata}
    page["cells"][0]["metadata"][COLLAPSED] = True
    before = copy.deepcopy(page)
    opened(page)
    assert saved(page) == page == before
    strange = notebook("a", collapsed_sections={"a": 1}, private_outputs="yes")
    opened(strange)
    assert saved(strange) == strange
