"""The secrets of a user, and who may read them."""

from __future__ import annotations

from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from ropeway.data.secrets import Secrets
from ropeway.errors import BadInput, NotFound
from support.keyrings import Ring

NOTEBOOK, OTHER = Path("/home/ann/a.ipynb"), Path("/home/ann/b.ipynb")


def test_a_notebook_reads_what_it_was_allowed() -> None:
    """A permission is one notebook's, for one secret, up to one class of runtimes, and ends when it
    is taken back or the secret is removed."""
    secrets = Secrets()
    secrets.set("KEY", "v")
    secrets.set("MORE", "w")
    secrets.allow("KEY", NOTEBOOK)
    may = secrets["KEY"].may_read
    assert [may(NOTEBOOK, each) for each in ("here", "own", "shared", "public", "")] == [
        *(True, True, False, False, False)
    ]
    assert not may(OTHER, "here")
    assert not may(None, "here")
    assert not secrets["MORE"].may_read(NOTEBOOK, "here")
    secrets.allow("KEY", NOTEBOOK, "public")
    assert secrets["KEY"].may_read(NOTEBOOK, "public")
    secrets.deny("KEY", NOTEBOOK)
    assert not secrets["KEY"].may_read(NOTEBOOK, "here")
    secrets.allow("KEY", NOTEBOOK)
    secrets.remove("KEY")
    secrets.set("KEY", "another")
    assert not secrets["KEY"].may_read(NOTEBOOK, "here")


def test_a_value_lies_in_a_private_file(own_home: Path) -> None:
    """Where there is no keyring a value is in one file of mode 0600, and gone once removed."""
    secrets = Secrets()
    place = Path(secrets.set("KEY", "a value"))
    assert secrets.value("KEY") == "a value"
    assert place.stat().st_mode & 0o777 == 0o600
    holding = [
        each for each in own_home.rglob("*") if each.is_file() and "a value" in each.read_text()
    ]
    assert holding == [place]
    secrets.remove("KEY")
    assert "a value" not in place.read_text()


def test_a_keyring_has_the_values_where_there_is_one(own_home: Path) -> None:
    """With a keyring no file holds a value, and what is removed is gone from there as well. What
    was kept while it was away is newer than what it holds."""
    before, ring = keyring.get_keyring(), Ring()
    keyring.set_keyring(ring)
    try:
        secrets = Secrets()
        assert secrets.set("KEY", "a value").startswith("the keyring")
        assert secrets.value("KEY") == "a value"
        assert ring.kept == {("ropeway-secrets", "KEY"): "a value"}
        files = [each for each in own_home.rglob("*") if each.is_file()]
        assert not [each for each in files if "a value" in each.read_text()]
        keyring.set_keyring(fail.Keyring())
        secrets.set("KEY", "a newer value")
        keyring.set_keyring(ring)
        assert secrets.value("KEY") == "a newer value"
        secrets.set("KEY", "the newest")
        assert secrets.value("KEY") == "the newest"
        secrets.remove("KEY")
        assert ring.kept == {}
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("name", ["", "a b", "1a", "../x", "a/b", "ä", "x" * 200])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """What could be no name in a cell, a path or a shell is no name; nor is nothing a value."""
    with pytest.raises(BadInput, match="cannot be the name"):
        Secrets().set(name, "v")
    with pytest.raises(BadInput, match="has from 1 to"):
        Secrets().set("KEY", "")
    for ask in (Secrets().value, Secrets().remove, Secrets().__getitem__):
        with pytest.raises(NotFound, match="There is no secret KEY"):
            ask("KEY")
