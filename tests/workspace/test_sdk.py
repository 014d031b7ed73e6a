"""What a kernel is sent."""

from __future__ import annotations

import io
import sys
import zipfile

from ropeway.workspace import sdk


def test_the_archive_holds_the_sdk_and_nothing_else() -> None:
    """The zip has the SDK, the errors and the wire, and nothing that stays at home."""
    names = zipfile.ZipFile(io.BytesIO(sdk._archive())).namelist()
    assert {"ropeway/__init__.py", "ropeway/errors.py", "ropeway/wire.py"} <= set(names)
    rest = [n for n in names if n.count("/") == 1]
    assert sorted(rest) == ["ropeway/__init__.py", "ropeway/errors.py", "ropeway/wire.py"]
    assert all(n.startswith("ropeway/kernel/") for n in names if n not in rest)
    assert all(n.endswith(".py") for n in names)


def test_the_same_code_every_time() -> None:
    """The archive is the same bytes for the same sources, so a kernel writes it once."""
    assert sdk._archive() == sdk._archive()


def test_the_code_is_one_statement_without_names() -> None:
    """Running it defines nothing where it runs, here where no kernel is either."""
    space: dict[str, object] = {}
    path, modules = list(sys.path), dict(sys.modules)
    code = compile(sdk.bootstrap_code(), "<bootstrap>", "exec")
    try:
        exec(code, space)
        new = set(sys.modules) - set(modules)
    finally:
        sys.path[:] = path
        sys.modules.clear()
        sys.modules.update(modules)
    assert set(space) == {"__builtins__"}
    assert not {m for m in new if "jupyter" in m}


def test_the_road_is_data_in_the_code() -> None:
    """Whatever a URL holds, it stays a text, and where no SDK is nothing happens."""
    space: dict[str, object] = {}
    exec(sdk.road_code("http://x/'\"\\\n#", "g'\""), space)
    assert set(space) == {"__builtins__"}
