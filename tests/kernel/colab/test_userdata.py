"""`google.colab.userdata`: secrets of home in cells."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ropeway.data import ledger
from ropeway.data.ledger import Ledger
from ropeway.data.secrets import Secrets as Kept
from ropeway.workspace import secrets as answering
from ropeway.workspace.secrets import Secrets

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = """\
from google.colab import errors, userdata
try:
    print(userdata.get({key!r}))
except Exception as error:
    print(type(error).__name__, isinstance(error, errors.Error), error)
"""


@pytest.fixture
def kept(notebook: Any, tmp_path: Path) -> Secrets:
    """A home whose page is not there, until a test says so."""
    made = Secrets(tmp_path, Ledger(ledger.folder_of(tmp_path)), lambda kernel: False)
    notebook.answered["GetSecret"] = made.get
    return made


async def asked(notebook: Any, key: Any) -> str:
    return str((await notebook.run(ASK.format(key=key))).ok().text).strip()


async def test_a_notebook_reads_what_it_may(notebook: Any, kept: Secrets) -> None:
    """A notebook that was allowed reads the value, in threads too; what does not exist, is another
    notebook's or no key raises what Colab raises, and the ledger has each read and each refusal."""
    kept.kept.set("HF_TOKEN", "hf_123")
    kept.kept.set("OTHER", "hf_456")
    kept.kept.allow("HF_TOKEN", kept.place("train.ipynb"))
    kept.kept.allow("OTHER", kept.place("other.ipynb"))
    assert await asked(notebook, "HF_TOKEN") == "hf_123"
    many = (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n"
        "    print(set(pool.map(userdata.get, ['HF_TOKEN'] * 8)))"
    )
    assert (await notebook.run(many)).ok().text == "{'hf_123'}\n"
    missing = "SecretNotFoundError True Secret NO does not exist."
    assert (await asked(notebook, "NO")).startswith(missing)
    refused = "NotebookAccessError False Notebook does not have access to secret OTHER. At home: "
    assert await asked(notebook, "OTHER") == f"{refused}ropeway secrets allow OTHER train.ipynb"
    for key in ("", "A B"):
        assert (await asked(notebook, key)).startswith("ValueError False")
    entries = [each.entry for each in ledger.read(ledger.folder_of(kept.place("")))]
    told = {(each.what, each.value, each.state, each.notebook) for each in entries}
    assert told == {
        ("secret", "HF_TOKEN", "done", "train.ipynb"),
        ("secret", "OTHER", "refused", "train.ipynb"),
        ("secret", "NO", "refused", "train.ipynb"),
    }
    assert "hf_" not in str(entries)


async def test_the_page_is_asked(
    notebook: Any, kept: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a page the cell waits for a person: who allows it is not asked again, three denials
    hold for a while, and silence ends in time."""
    kept.kept.set("KEY", "v1")
    kept = Secrets(tmp_path, Ledger(ledger.folder_of(tmp_path)), lambda kernel: True)
    notebook.answered["GetSecret"] = kept.get
    changed = asyncio.Event()
    kept.changed = changed.set

    async def answer(allowed: bool) -> str:
        changed.clear()
        asking = asyncio.create_task(asked(notebook, "KEY"))
        await asyncio.wait_for(changed.wait(), 60)
        (question,) = kept.questions
        assert (question.name, question.notebook) == ("KEY", "train.ipynb")
        await kept.settle(question.id, allowed=allowed)
        return await asking

    for _ in range(3):
        assert (await answer(False)).startswith("NotebookAccessError False")
    assert (await asked(notebook, "KEY")).startswith("NotebookAccessError False")
    kept._denied.clear()
    assert await answer(True) == "v1"
    assert await asked(notebook, "KEY") == "v1"
    assert kept.questions == []
    Kept().deny("KEY", kept.place("train.ipynb"))
    monkeypatch.setattr(answering, "PATIENCE", 0.1)
    assert (await asked(notebook, "KEY")).startswith("TimeoutException True")
