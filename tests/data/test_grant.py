"""Grants: signed texts, and the folder in which they count."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.data import grant as grants_text
from ropeway.data.grant import LONGEST, VERSION, Grant, read, sign
from ropeway.data.grants import Grants
from ropeway.errors import BadInput, TokenRefused

KEY = bytes(range(32))
GRANT = Grant("0123456789abcdef" * 2, "gpu", "k1", "own")


def signed(told: object, key: bytes = KEY) -> str:
    """Any JSON, signed as home would."""
    body = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.new(key, body, hashlib.sha256).digest()).rstrip(b"=")
    return f"{body.decode()}.{mac.decode()}"


def test_a_grant_comes_back_as_it_was_signed() -> None:
    """What home signed it reads again, runtime and kernel included."""
    assert read(sign(GRANT, KEY), KEY) == GRANT
    odd = Grant(GRANT.id, "gpü.", "k " * 20, "own")
    assert read(sign(odd, KEY), KEY) == odd


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.b",
        "..",
        "é.é",
        "\x00",
        sign(GRANT, KEY)[:-1],
        sign(GRANT, KEY) + "A",
        sign(GRANT, KEY) + "=",
        sign(GRANT, KEY).replace(".", ""),
        sign(GRANT, KEY).split(".")[0] + ".",
        "." + sign(GRANT, KEY).split(".")[1],
        sign(GRANT, b"another key" * 3),
        signed({"v": VERSION, "id": GRANT.id, "runtime": "gpu", "kernel": "x" * LONGEST}),
        signed({"v": VERSION + 1, "id": GRANT.id, "runtime": "gpu", "kernel": "k1"}),
        signed({"id": GRANT.id, "runtime": "gpu", "kernel": "k1"}),
        signed({"v": VERSION, "id": "../../key", "runtime": "gpu", "kernel": "k1"}),
        signed({"v": VERSION, "id": GRANT.id, "runtime": "gpu"}),
        signed({"v": VERSION, "id": GRANT.id, "runtime": 1, "kernel": "k1"}),
        signed([]),
        "x" * 10_000_000,
    ],
)
def test_odd_grants_are_refused(text: str) -> None:
    """Garbage, another key, another version, a changed byte: all are refused alike."""
    with pytest.raises(TokenRefused):
        read(text, KEY)


@given(st.text())
def test_no_text_is_a_grant_by_chance(text: str) -> None:
    """Whatever is read, it is refused in order."""
    with pytest.raises(TokenRefused):
        read(text, KEY)


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is judged by `hmac.compare_digest`, a long one too."""
    asked: list[int] = []
    real = hmac.compare_digest

    def compare(a: str, b: str) -> bool:
        asked.append(1)
        return real(a, b)

    monkeypatch.setattr(grants_text.hmac, "compare_digest", compare)
    for text in ("", "a.b", "x" * 5000, sign(GRANT, KEY)):
        with contextlib.suppress(TokenRefused):
            read(text, KEY)
    assert len(asked) == 4


def test_a_grant_counts_until_it_is_taken_back(tmp_path: Path) -> None:
    """Given, it counts for whoever shares the folder; taken back, for nobody."""
    home, service = Grants(tmp_path / "grants"), Grants(tmp_path / "grants")
    held = home.give("gpu", "k1", "own")
    found = service.check(held.text)
    assert (found.runtime, found.kernel) == ("gpu", "k1")
    assert Grants(tmp_path / "grants").check(held.text) == found
    held.take_back()
    held.take_back()
    assert not service.counts(found)
    with pytest.raises(TokenRefused, match="ended"):
        service.check(held.text)
    assert [p.name for p in (tmp_path / "grants").iterdir()] == ["key"]


def test_a_grant_that_was_signed_but_never_given_is_refused(tmp_path: Path) -> None:
    """The key alone opens nothing."""
    grants = Grants(tmp_path / "grants")
    forged = Grant(uuid.uuid4().hex, "gpu", "k1", "own")
    with pytest.raises(TokenRefused):
        grants.check(sign(forged, grants._key))


def test_the_key_is_the_owners_alone_and_made_once(tmp_path: Path) -> None:
    """The key's file has mode 0600, and a second process finds the same key."""
    first, second = Grants(tmp_path / "grants"), Grants(tmp_path / "grants")
    key = tmp_path / "grants" / "key"
    assert first._key == second._key
    assert len(first._key) == 32
    assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "grants").stat().st_mode & 0o777 == 0o700


def test_others_may_not_read_the_folder(tmp_path: Path) -> None:
    """A folder with a key that others can read is not used."""
    Grants(tmp_path / "grants")
    (tmp_path / "grants").chmod(0o755)
    with pytest.raises(BadInput, match="Others can read"):
        Grants(tmp_path / "grants")


def test_a_process_that_is_killed_takes_its_grants_along(tmp_path: Path) -> None:
    """The grants of a workspace that was killed count no more, and the next one sweeps them up."""
    code = (
        "import sys, pathlib; from ropeway.data.grants import Grants\n"
        f"held = Grants(pathlib.Path({str(tmp_path / 'grants')!r})).give('gpu', 'k1', 'own')\n"
        "print(held.text, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = process.stdout.readline().strip()
        grants = Grants(tmp_path / "grants")
        assert grants.check(text).kernel == "k1"
        process.kill()
        process.wait(10)
    with pytest.raises(TokenRefused):
        grants.check(text)
    held = grants.give("gpu", "k2", "own")
    assert len(list((tmp_path / "grants").glob("*.grant"))) == 1
    held.take_back()
