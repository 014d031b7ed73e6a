"""`ropeway connect colab` as a person uses it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ropeway.cli import cli


def test_sign_in_is_googles_own(tmp_path: Path) -> None:
    """Google's program speaks with the person itself; what it keeps is private, its log is gone."""
    program = tmp_path / "colab"
    program.write_text(
        '#!/bin/sh\ncd "$HOME/.config/colab-cli"\necho secret > colab.log\n'
        'echo "Visit this URL" >&2\nread code\necho "$code" > token.json\n'
    )
    program.chmod(0o755)
    state = tmp_path / "ropeway"
    done = subprocess.run(
        [sys.executable, "-m", "ropeway", "connect", "colab", "--sign-in", "--accept-terms"],
        input="the-code\n",
        env={**os.environ, "ROPEWAY_HOME": str(state), "ROPEWAY_COLAB_CLI": str(program)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "tos_v6" in done.stderr
    assert "Visit this URL" in done.stderr
    kept = state / "colab" / "token.json"
    assert kept.read_text() == "the-code\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sorted(path.name for path in (state / "colab").iterdir()) == ["terms.txt", "token.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["colab"], "terms were not confirmed"),
        (["colab", "--gpu", "T5"], "no GPU 'T5'"),
        (["colab", "--token", "abc"], "wants no token"),
        (["http://gpu-box:8888", "--gpu", "T4"], "--gpu: only for a Colab VM"),
    ],
)
def test_what_cannot_be_meant_is_said(own_home: Path, arguments: list[str], words: str) -> None:
    """Without a person to ask nothing is confirmed; odd options are refused before that."""
    result = CliRunner().invoke(cli, ["connect", *arguments])
    assert isinstance(result.exception, Exception)
    assert words in str(result.exception) + result.output
