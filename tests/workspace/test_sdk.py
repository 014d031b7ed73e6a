"""What a kernel is sent."""

from __future__ import annotations

import sys

from ropeway.workspace import sdk


def test_what_is_brought_is_the_sdk_and_nothing_else() -> None:
    """A kernel gets the SDK, what it shares with home, and nothing that stays at home."""
    names = list(sdk._modules())
    shared = ["__init__", "artefacts", "errors", "wire"]
    rest = [n for n in names if n.count("/") == 1]
    assert sorted(rest) == [f"ropeway/{name}.py" for name in shared]
    assert all(n.startswith("ropeway/kernel/") for n in names if n not in rest)
    assert all(n.endswith(".py") for n in names)


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
