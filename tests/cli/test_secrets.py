"""`ropeway secrets` in a shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ropeway.cli.secrets import secrets
from ropeway.data.secrets import Secrets
from ropeway.errors import BadInput


def ran(*words: str, given: str = "") -> str:
    result = CliRunner().invoke(secrets, list(words), input=given, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_set_allow_list_deny_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value comes from standard input and is shown nowhere; who may read it is listed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").touch()
    said = ran("set", "HF_TOKEN", given="hf_123\n")
    assert Secrets().value("HF_TOKEN") == "hf_123"
    assert "no notebook may" in ran("ls")
    said += ran("allow", "HF_TOKEN", "a.ipynb", "--class", "public")
    listed = ran("ls")
    assert listed == f"HF_TOKEN\n  {tmp_path / 'a.ipynb'}  up to public\n"
    with pytest.raises(BadInput, match=r"There is no notebook b\.ipynb"):
        ran("allow", "HF_TOKEN", "b.ipynb")
    said += ran("deny", "HF_TOKEN", "a.ipynb")
    assert "no notebook may" in ran("ls")
    said += ran("rm", "HF_TOKEN")
    assert "No secret is kept yet" in ran("ls")
    assert "hf_123" not in said + listed
