"""Write the reference from the code: `python docs/generate.py`.

With `--check` nothing is written; the exit code is 1 when a page is not what the code says.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import ropeway
from ropeway import cli, config, errors, wire
from ropeway.data import options
from ropeway.kernel import datasets
from ropeway.kernel.accelerators.device import Accelerator, Device, Holder
from ropeway.kernel.accelerators.use import InUse
from ropeway.kernel.datasets import DatasetList
from ropeway.kernel.road import Road

HERE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code: change that, not this page. -->\n\n"

_REMARK = re.compile(r"^(\S.*?)\s{4,}(\S.*)$")
_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


# --- commands ---------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its help, arguments and options."""
    codes = inspect.cleandoc(cli.__doc__ or "").split("\n\n", 1)[1]
    parts = ["# Commands", f"Exit codes: {' '.join(codes.split())}"]
    root = click.Context(cli.cli, info_name="ropeway")
    parts += _command(root, 2)
    return "\n\n".join(parts) + "\n"


def _command(context: click.Context, level: int) -> Iterator[str]:
    command = context.command
    yield f"{'#' * level} `{context.command_path}`"
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"```text\n{' '.join(usage.split())}\n```"
    yield from _help(command.help or "")
    rows = [_option(each) for each in command.get_params(context) if _is_told(each)]
    if rows:
        yield "| option | |\n|---|---|\n" + "\n".join(rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(click.Context(inner, info_name=name, parent=context), level + 1)


def _help(text: str) -> Iterator[str]:
    """Paragraphs; those that click prints as they are become shell examples."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.startswith("\b"):
            yield " ".join(paragraph.split())
            continue
        head, *lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        shown = (_REMARK.sub(r"\1  # \2", line.strip()) for line in lines)
        yield head
        yield "```sh\n" + "\n".join(shown) + "\n```"


def _is_told(parameter: click.Parameter) -> bool:
    """Not `--help` and `--version`, which are the eager ones."""
    return isinstance(parameter, click.Option) and not parameter.is_eager


def _option(option: click.Parameter) -> str:
    assert isinstance(option, click.Option)
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" {_wanted(option)}"
    default = f" Default: `{option.default}`." if option.show_default else ""
    return f"| {names}{value} | {option.help}{default} |"


def _wanted(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return _cell(" | ".join(f"`{choice}`" for choice in option.type.choices))
    return option.metavar or str(option.type.name).split()[0].upper()


# --- settings ---------------------------------------------------------------------------------


def settings() -> str:
    """The table of settings, and the same as a `ropeway.toml`."""
    told = inspect.cleandoc(config.__doc__ or "").split("\n\n")[1].split(": ", 1)[1]
    rows = [
        f"| `{each.key}` | {_TYPES[each.kind]} | `{_toml(each.default)}` | `{each.env}` "
        f"| {each.help} |"
        for each in config.SETTINGS
    ]
    return "\n\n".join(
        (
            "# Settings",
            f"Which one counts: {' '.join(told.split())} The file is the nearest "
            f"`{config.PROJECT_FILE}`, in the workspace's folder or one above it.",
            "| key | type | default | variable | |\n|---|---|---|---|---|\n" + "\n".join(rows),
            "All of them as a file, with their defaults:",
            f"```toml\n{_as_toml()}\n```",
            _OUTSIDE.replace("{options}", _options()),
        )
    )


def _options() -> str:
    """The table of a dataset's options."""
    kinds = {"text": "text", "number": "whole number", "yes": "true or false"}
    rows = [
        f"| `{each.name}` | {kinds.get(each.kind, 'table')} "
        f"| {', '.join(each.sources) or 'several'} | {each.help} |"
        for each in options.OPTIONS
    ]
    return "| key | type | for | |\n|---|---|---|---|\n" + "\n".join(rows)


_OUTSIDE = """\
The same file holds the datasets, one table each: `[datasets.NAME]`; see
[data at home](../guides/home-data.md).

## A dataset

`source` is a path, counted from the folder of the file, or a URL without a password. What else may
stand in `[datasets.NAME]`:

{options}

## The policy of a dataset

`[datasets.NAME.policy.CLASS]`, where CLASS is `here`, `own`, `shared` or `public`; and, with the
keys that name no columns, `[policy.CLASS]` for datasets that write nothing for that class. See
[the policy](../concepts/policy.md).

| key | type | default | |
|---|---|---|---|
| `allow` | text | none: it must be there | `"rows"`, `"aggregates"` or `"nothing"` |
| `columns` | list of texts | all | The visible columns; all others are hidden, \
also those that come later |
| `hide` | list of texts | none | The hidden columns, instead of `columns` |
| `mask` | table | none | What stands in a column's place, see below |
| `rows` | text | all | A condition of SQL over the file's columns, \
hidden ones too: one expression |
| `min_group` | whole number from 2 | none | Rows that a group has at least; \
with `"aggregates"` it must be there |
| `max_rows`, `rows_per_day` | whole number | no limit | Rows that may cross in a \
query, in a day of UTC |
| `max_bytes`, `bytes_per_day` | bytes or `"10 MB"` | no limit | Bytes that may cross |
| `seconds` | number | `data.seconds` | Time of a query |
| `put` | true or false | `false` | Whether results may be put there as a new version |
| `max_put` | bytes or `"10 MB"` | no limit | Bytes that one put may bring |
| `put_per_day` | bytes or `"10 MB"` | no limit | Bytes that a runtime may put in a day of UTC, \
whatever the name |

| mask | fits | becomes |
|---|---|---|
| `"hash"` | all but lists, structs and maps | HMAC-SHA256 with home's key, 64 letters; NULL stays |
| `"redact"` | texts | `***` |
| `"null"` | all | NULL |
| `{ round = 1000 }` | numbers | the nearest multiple; of whole numbers one, else `DOUBLE` |
| `{ truncate = 3 }` | texts | the first letters |
| `"year"`, `"month"` | dates, timestamps | the beginning of that year or month |
| `"day"`, `"hour"` | timestamps | the beginning of that day or hour |

## Variables that are no settings

| variable | |
|---|---|
| `ROPEWAY_HOME` | The folder in which Ropeway keeps its files (mode 0700): the list of runtimes \
with their tokens, and what each workspace keeps. By default the platform's own place for a \
user's data. |
| `ROPEWAY_RUNTIME_TOKEN` | The token of `ropeway runtime`, instead of a new one at each start. |
| `ROPEWAY_JOIN_TOKEN` | The invitation of `ropeway runtime --join URL`. |
| `ROPEWAY_COLAB_CLI` | Google's `colab` program for `ropeway connect colab`, instead of the one \
on the `PATH` or in Ropeway's own environment. No setting: a project must not say what is run. |
"""


def _as_toml() -> str:
    lines: list[str] = []
    section = ""
    for each in config.SETTINGS:
        head, name = each.key.split(".")
        if head != section:
            lines += [*([""] if lines else []), f"[{head}]"]
            section = head
        lines.append(f"{name} = {_toml(each.default)}")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


# --- the SDK ----------------------------------------------------------------------------------


def sdk() -> str:
    """The names of `import ropeway as rw`, and the values that they give."""
    parts = [
        "# SDK",
        "`import ropeway as rw` inside a kernel. The workspace brings it into each Python kernel "
        "that it starts; nothing is installed there.",
    ]
    public: list[Any] = [getattr(ropeway, name) for name in ropeway.__all__ if name[0] != "_"]
    for each in sorted(public, key=inspect.isclass):
        parts += _class(each, "rw.") if inspect.isclass(each) else _function(each)
    parts += ["## `rw.__version__`", "The version of Ropeway, as text."]
    parts.append("## Values")
    parts += [*_named(DatasetList.__name__, DatasetList), *_class(datasets.Dataset, "", level=3)]
    parts += [*_shape(datasets.Statistics), *_named("Column of statistics", datasets.Column)]
    parts += [*_shape(wire.Column), *_shape(wire.Summary), *_shape(wire.Receipt), *_shape(Road)]
    parts += [*_shape(Accelerator), *_shape(Device), *_shape(Holder)]
    parts += _class(InUse, "", level=3)
    return "\n\n".join(parts) + "\n"


def _function(found: Callable[..., Any]) -> Iterator[str]:
    yield f"## `rw.{found.__name__}{_signature(found)}`"
    yield inspect.getdoc(found) or ""


def _class(found: type[Any], prefix: str, level: int = 2) -> Iterator[str]:
    yield f"{'#' * level} `{prefix}{found.__name__}`"
    yield inspect.getdoc(found) or ""
    rows = []
    for name, member in vars(found).items():
        if not isinstance(member, (property, staticmethod)) and not inspect.isfunction(member):
            continue
        told = _told(member)
        if (name.startswith("_") and name != "__iter__") or not told:
            continue
        shown = "for row in result" if name == "__iter__" else f".{name}{_call(member)}"
        rows.append(f"| `{shown}` | {told} |")
    if rows:
        yield "| member | |\n|---|---|\n" + "\n".join(rows)


def _call(member: Any) -> str:
    function = member.__func__ if isinstance(member, staticmethod) else member
    if not inspect.isfunction(function):
        return ""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return f"({', '.join(names)})"


def _named(name: str, found: type[Any]) -> Iterator[str]:
    yield f"### `{name}`"
    yield inspect.getdoc(found) or ""


def _shape(found: type[Any]) -> Iterator[str]:
    yield from _named(found.__name__, found)
    rows = [f"| `{each.name}` | `{_cell(str(each.type))}` |" for each in dataclasses.fields(found)]
    yield "| field | type |\n|---|---|\n" + "\n".join(rows)


def _cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def _signature(found: Callable[..., Any]) -> str:
    return str(inspect.signature(found)).replace("'", "")


def _told(member: Any) -> str:
    text = inspect.getdoc(member.__func__ if isinstance(member, staticmethod) else member) or ""
    return " ".join(text.split())


# --- errors -----------------------------------------------------------------------------------


def error_tree() -> str:
    """The tree of errors with code, HTTP status and exit code."""
    return "\n\n".join(
        (
            "# Errors",
            "Every error that Ropeway raises on purpose has a sentence of what was asked and what "
            "was found, mostly a hint of what to do, and facts as JSON. In a cell it is an "
            "exception (`rw.RopewayError` is the root; the others are in `ropeway.errors`), over "
            'HTTP `{"message", "error": {"code", "message", "hint", "facts"}}` with the status '
            "below, in the shell two lines (`error:`, `hint:`) and the exit code below.",
            "| error | code | HTTP | exit | |\n|---|---|---|---|---|\n" + "\n".join(_errors()),
            "Two statuses differ on purpose: the data service answers a wrong token of its own "
            "with 401, and a wrong command line ends with exit code 2 before any error of this "
            "tree is made. An interrupt ends with 130.",
        )
    )


def _errors(kind: type[errors.RopewayError] = errors.RopewayError, depth: int = 0) -> Iterator[str]:
    told = (inspect.getdoc(kind) or "").split("\n\n")[0]
    told = "Any other failure." if kind is errors.RopewayError else " ".join(told.split())
    indent = "&nbsp;&nbsp;" * depth
    yield (
        f"| {indent}`{kind.__name__}` | `{kind.code}` | {kind.http_status} | {kind.exit_code} "
        f"| {told} |"
    )
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _errors(each, depth + 1)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "settings.md": settings,
    "sdk.md": sdk,
    "errors.md": error_tree,
}


def main(arguments: list[str]) -> int:
    """Write or check the pages; returns the exit code."""
    stale = []
    for name, make in PAGES.items():
        text = NOTE + make().rstrip("\n") + "\n"
        path = HERE / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    if "--check" in arguments and stale:
        print(f"Stale: {', '.join(stale)}. Run: python docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
