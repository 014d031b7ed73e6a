"""The reference is what the code says, and nothing that a user meets is left out."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import ropeway
from ropeway import cli, config, errors, wire
from ropeway.data.http import ROUTES
from ropeway.workspace.handlers import HANDLERS


def test_the_generated_pages_are_fresh(root: Path) -> None:
    """The generated pages say what the code says now."""
    command = [sys.executable, "docs/generate.py", "--check"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_a_stale_page_is_noticed(root: Path, tmp_path: Path) -> None:
    """The check fails, and names the page, when a page differs from the code."""
    script = tmp_path / "docs" / "generate.py"
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    script.write_text((root / "docs" / "generate.py").read_text("utf-8"), "utf-8")
    subprocess.run([sys.executable, script], check=True)
    page = script.parent / "reference" / "errors.md"
    page.write_text(page.read_text("utf-8").replace("bad_input", "worse_input"), "utf-8")
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert found.returncode == 1
    assert "errors.md" in found.stderr


def _commands() -> list[str]:
    context = click.Context(cli.cli)
    names = []
    for name in cli.COMMANDS:
        command = cli.cli.get_command(context, name)
        names.append(f"ropeway {name}")
        if isinstance(command, click.Group):
            names += [f"ropeway {name} {inner}" for inner in command.commands]
    return names


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_in_the_reference(pages: list[Any], command: str) -> None:
    """Each command has a section of its own in the reference."""
    assert f"# `{command}`" in _reference(pages, "commands")


@pytest.mark.parametrize("command", [c for c in _commands() if c != "ropeway up"])
def test_every_command_is_in_a_guide(pages: list[Any], command: str) -> None:
    """Each command is met outside the reference too, where a user learns what it is for.

    `ropeway up` is what plain `ropeway` does.
    """
    written = [page.text for page in pages if not page.is_generated]
    last = command.split()[-1]
    assert any(command in text or f"`{last}" in text for text in written)


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_is_in_the_reference(pages: list[Any], setting: config.Setting) -> None:
    """Each setting is there with its key, its variable and its help."""
    text = _reference(pages, "settings")
    for each in (f"`{setting.key}`", f"`{setting.env}`", setting.help):
        assert each in text


def test_every_variable_is_in_the_reference(root: Path, pages: list[Any]) -> None:
    """Each environment variable that the code names is documented."""
    source = "".join(path.read_text("utf-8") for path in root.glob("src/ropeway/**/*.py"))
    for name in set(re.findall(r'"(ROPEWAY_[A-Z_]*[A-Z])"', source)):
        assert f"`{name}`" in _reference(pages, "settings")


@pytest.mark.parametrize("name", ropeway.__all__)
def test_every_name_of_the_sdk_is_in_the_reference(pages: list[Any], name: str) -> None:
    """Each name that `import ropeway as rw` offers has a section."""
    assert f"## `rw.{name}" in _reference(pages, "sdk")


def _kinds(kind: type[errors.RopewayError]) -> list[type[errors.RopewayError]]:
    return [kind, *(deeper for each in kind.__subclasses__() for deeper in _kinds(each))]


@pytest.mark.parametrize("kind", _kinds(errors.RopewayError), ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_reference(pages: list[Any], kind: type[errors.RopewayError]) -> None:
    """Each error is there with its code, HTTP status and exit code."""
    row = f"`{kind.__name__}` | `{kind.code}` | {kind.http_status} | {kind.exit_code} |"
    assert row in _reference(pages, "errors")


def test_every_endpoint_is_in_the_reference(pages: list[Any]) -> None:
    """Each endpoint of the workspace and of the data service is there with its methods."""
    text = _reference(pages, "rest")
    for pattern, handler in HANDLERS:
        path = pattern.replace("([a-z0-9-]+)", "NAME").replace("([0-9A-Za-z-]+)", "ID")
        path = path.replace("([0-9]{1,18})", "ID").replace("([0-9]{1,5})", "PORT")
        path = path.replace("([0-9A-Za-z_-]+)", "REQUEST")
        path = path.replace("([a-z0-9_]+)", "NAME").replace("([0-9a-f]+)", "ID")
        path = path.replace("([A-Za-z0-9_.-]+)", "SECRET")
        for method in ("get", "post", "put", "patch", "delete"):
            if method in vars(handler):
                assert f"`{method.upper()} {path}`" in text
    for method, path in ROUTES:
        assert f"`{method} {path}`" in text


def test_every_field_on_the_wire_is_in_the_reference(pages: list[Any]) -> None:
    """Each field of each shape that crosses the network is there."""
    text = _reference(pages, "rest")
    shapes = [each for each in vars(wire).values() if dataclasses.is_dataclass(each)]
    assert shapes
    for shape in shapes:
        found = re.search(rf"^{shape.__name__} .*(\n {{9}}.*)*", text, re.MULTILINE)
        assert found, shape.__name__
        for each in dataclasses.fields(shape):
            assert re.search(rf"\b{each.name}\b", found[0]), f"{shape.__name__}.{each.name}"


def _reference(pages: list[Any], name: str) -> str:
    return next(page.text for page in pages if page.name == f"docs/reference/{name}.md")
