"""What stands in the pages as an example can be typed."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import click
import pytest

from ropeway import cli

SHELL = ("", "sh", "bash", "shell", "console")
ENDS = re.compile(r"^(\||\|\||&|&&|;|<|>|>>|2>|2>>|<<|&>)$")


def test_python_examples_are_python(pages: list[Any]) -> None:
    """Every block marked as Python parses, but for the lines that are magics."""
    for page in pages:
        for language, text in page.blocks:
            if language == "python":
                ast.parse(re.sub(r"^%.*$", "", text, flags=re.MULTILINE), page.name)


def test_toml_examples_are_toml(pages: list[Any]) -> None:
    """Every block marked as TOML parses."""
    for page in pages:
        for language, text in page.blocks:
            if language == "toml":
                tomllib.loads(text)


def test_shell_examples_use_commands_that_exist(pages: list[Any]) -> None:
    """Every call of ropeway in a shell block has a subcommand, options and arguments that fit."""
    found = [
        (page.name, words)
        for page in pages
        for language, text in page.blocks
        if language in SHELL
        for words in _calls(text, prompted=language == "console")
    ]
    assert len(found) > 20
    for name, words in found:
        try:
            _parse(words)
        except click.UsageError as error:
            pytest.fail(f"{name}: ropeway {shlex.join(words)}: {error.format_message()}")


def test_commands_in_the_text_exist(pages: list[Any]) -> None:
    """A command named in the text exists, with the options that are named; arguments may lack."""
    for page in pages:
        for text in re.findall(r"`(ropeway [^`]+)`", page.prose):
            for words in _calls(text, prompted=False):
                try:
                    _parse(words)
                except click.MissingParameter:
                    continue
                except click.UsageError as error:
                    pytest.fail(f"{page.name}: {text}: {error.format_message()}")


@pytest.mark.parametrize(
    "words", [["exce"], ["data", "list"], ["run", "--onn", "gpu"], ["connect"], ["--prot", "1"]]
)
def test_a_wrong_example_would_be_noticed(words: list[str]) -> None:
    """A misspelt subcommand or option, or a missing argument, does not pass for an example."""
    with pytest.raises(click.UsageError):
        _parse(words)


def _calls(text: str, *, prompted: bool) -> Iterator[list[str]]:
    """The words behind each `ropeway` of a shell text."""
    for line in text.replace("\\\n", " ").splitlines():
        if prompted and not line.startswith("$ "):
            continue
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        while words:
            end = next((i for i, word in enumerate(words) if ENDS.match(word)), len(words))
            call, words = words[:end], words[end + 1 :]
            while call and re.match(r"[A-Z_]+=", call[0]):
                call = call[1:]
            if call and call[0].rpartition("/")[2] == "ropeway":
                yield call[1:]


def _parse(words: list[str]) -> None:
    """Parse a command line without running it. Raises `click.UsageError`."""
    if words and words[0] in ("--help", "-h", "--version"):
        return
    command: click.Command | None = cli.cli
    context = click.Context(cli.cli, info_name="ropeway")
    if not words or words[0] not in cli.COMMANDS:
        # The default command takes options and a folder, which is spelt as a path in the docs.
        if words and not words[0].startswith(("-", ".", "~", "/")) and words[0] != "FOLDER":
            raise click.UsageError(f"{words[0]} is no command")
        words = ["up", *words]
    while isinstance(command, click.Group):
        if not words:
            return
        if command.invoke_without_command and words[0].startswith("-"):
            break
        name, words = words[0], words[1:]
        command = command.get_command(context, name)
        if command is None:
            raise click.UsageError(f"{name} is no command")
    assert command is not None
    command.make_context("ropeway", list(words))
