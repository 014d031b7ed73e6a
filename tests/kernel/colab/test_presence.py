"""Where `google.colab` is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "import sys; print('google.colab' in sys.modules)"


async def test_a_kernel_is_no_colab_until_a_cell_names_it(notebook: Any, tmp_path: Path) -> None:
    """Packages that look see plain Jupyter; the cell that names the package sees it at once, under
    one name and the other, and what of Google's is installed later is found beside it."""
    look = "print([name for name in sys.modules if name.startswith('google')])"
    assert (await notebook.run(f"import sys\n{look}")).ok().text == "[]\n"
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "looks.py").write_text(
        "try:\n    import google.colab as found\nexcept ImportError:\n    found = None"
    )
    seen = f"import sys; sys.path.append({str(package)!r}); import looks; print(looks.found)"
    assert (await notebook.run(seen)).ok().text == "None\n"
    assert (await notebook.run(HERE)).ok().text == "True\n"
    both = (
        "from google.colab import errors\nimport google.colab\nimport ropeway.kernel.colab as r\n"
    )
    same = (
        "print(google.colab is r, errors is google.colab.errors is r.errors, errors.__spec__.name)"
    )
    assert (await notebook.run(both + same)).ok().text == "True True ropeway.kernel.colab.errors\n"
    (tmp_path / "google" / "cloud").mkdir(parents=True)
    (tmp_path / "google" / "cloud" / "__init__.py").write_text("found = 1")
    later = f"sys.path.append({str(tmp_path)!r})\nimport google.cloud\nprint(google.cloud.found)"
    assert (await notebook.run(later)).ok().text == "1\n"
    missing = await notebook.run("import google.colab.nothing")
    assert missing.errors == ["ModuleNotFoundError: No module named 'google.colab.nothing'"]
