"""Where passwords are kept, and what is a password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest

from ropeway.data import passwords
from support.keyrings import Ring

URL = "postgresql://ann@db.example:5432/shop"


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    made = Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("url", "public", "taken"),
    [
        ("postgresql://ann:p%40w@h:5/d?sslmode=require",
         "postgresql://ann@h:5/d?sslmode=require", {"password": "p@w"}),
        ("mysql://:pw@h/d", "mysql://@h/d", {"password": "pw"}),
        ("s3://KEY:SEC%2FRET@bucket/a/*.csv", "s3://KEY@bucket/a/*.csv", {"password": "SEC/RET"}),
        ("https://h/a.csv?v=1&token=t%2B1", "https://h/a.csv?v=1", {"?token": "t+1"}),
        ("postgresql://h/d?password=x", "postgresql://h/d", {"?password": "x"}),
        ("https://h/a.csv?q=a+b", "https://h/a.csv?q=a+b", {}),
        ("postgresql:///d?host=/run/pg", "postgresql:///d?host=/run/pg", {}),
    ],
)  # fmt: skip
def test_a_url_is_split_from_its_secrets(url: str, public: str, taken: dict[str, str]) -> None:
    """Passwords and signed parameters are taken out; all else stays as it was written."""
    assert passwords.split(url) == (public, taken)
    if taken:
        passwords.keep(public, taken)
        assert passwords.split(passwords.whole(public)) == (public, taken)


def test_a_password_belongs_to_an_address() -> None:
    """Another database of the same server and user has the same password; another user or host
    has none."""
    passwords.keep(URL, {"password": "pw"})
    assert passwords.password("postgresql://ann@db.example:5432/other") == "pw"
    for other in (URL.replace("ann", "bob"), URL.replace("db.", "evil."), URL.replace("5432", "1")):
        assert passwords.password(other) is None
        assert passwords.whole(other) == other


def test_without_a_keyring_it_is_a_private_file(own_home: Path) -> None:
    """Where the system keeps no secrets they are in a file that only its owner can read."""
    told = passwords.keep(URL, {"password": "pw"})
    passwords.keep(URL.replace("ann", "bob"), {"password": "other"})
    path = own_home / "passwords.json"
    assert told == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(path.read_text()).values()) == ["pw", "other"]


def test_a_keyring_is_taken_where_there_is_one(ring: Ring, own_home: Path) -> None:
    """With a keyring no secret is in a file."""
    assert "keyring" in passwords.keep(URL, {"password": "pw"})
    assert passwords.password(URL) == "pw"
    assert ring.kept == {("ropeway", "postgresql://ann@db.example:5432"): "pw"}
    assert not (own_home / "passwords.json").exists()


def test_what_was_in_the_file_is_found_with_a_keyring_too(
    own_home: Path, request: pytest.FixtureRequest
) -> None:
    """A password from before the system had a keyring still counts."""
    passwords.keep(URL, {"password": "pw"})
    request.getfixturevalue("ring")
    assert passwords.password(URL) == "pw"


def test_texts_of_drivers_are_cleaned() -> None:
    """A URL in a driver's text loses its password and its parameters' values."""
    text = "cannot open https://ann:pw@h/a?sig=abc&v=1 or postgresql://bob:x@h/d"
    assert passwords.hidden(text) == (
        "cannot open https://ann:…@h/a?sig=…&v=… or postgresql://bob:…@h/d"
    )
