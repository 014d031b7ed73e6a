"""One table of settings, where they come from, and where Ropeway keeps its files.

Precedence, told once: a command-line option beats an environment variable (`ROPEWAY_*`), which
beats `ropeway.toml`, which beats the default.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from ropeway.errors import BadInput

PROJECT_FILE = "ropeway.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: `key` is `section.name` in the toml, `kind` its Python type."""

    key: str
    kind: type[str] | type[int] | type[float] | type[bool]
    default: str | int | float | bool
    help: str
    least: float = 0
    most: float | None = None
    """For numbers: the range that makes sense."""
    choices: tuple[str, ...] = ()
    """For texts: those that fit, where not all do."""
    is_path: bool = False
    """In `ropeway.toml` it is relative to that file."""

    @property
    def env(self) -> str:
        """The environment variable: `workspace.port` is `ROPEWAY_WORKSPACE_PORT`."""
        return "ROPEWAY_" + self.key.upper().replace(".", "_")


SETTINGS: tuple[Setting, ...] = (
    Setting("workspace.host", str, "127.0.0.1", "Address the workspace listens on."),
    Setting("workspace.port", int, 8888, "Port of the workspace; 0 takes a free one.", 0, 65535),
    Setting("workspace.browser", bool, True, "Open the browser when the workspace is up."),
    Setting(
        "workspace.tls",
        str,
        "off",
        "`self-signed`: serve https with a certificate of Ropeway's own.",
        choices=("off", "self-signed"),
    ),
    Setting("workspace.certfile", str, "", "Certificate (PEM) to serve https with.", is_path=True),
    Setting("workspace.keyfile", str, "", "Its key, if not in the same file.", is_path=True),
    Setting(
        "workspace.insecure_http",
        bool,
        False,
        "Plain HTTP on addresses that others can reach: behind a proxy, on a network you trust.",
    ),
    Setting(
        "workspace.public_url",
        str,
        "",
        "URL under which a proxy shows the workspace, with the path if it has one.",
    ),
    Setting(
        "runtimes.refresh", float, 5.0, "Seconds between two looks at each runtime.", 0.2, 3600
    ),
    Setting("runtimes.timeout", float, 10.0, "Seconds a runtime may take to answer.", 0.5, 600),
    Setting(
        "placement.trusted",
        str,
        "own",
        "Notebooks on runtimes of this class and closer ones may run cells anywhere (`%%on`), at "
        "home too; others only on runtimes of their own class and less trusted ones.",
        choices=("here", "own", "shared", "public"),
    ),
    Setting(
        "journal.days",
        float,
        7.0,
        "Days for which what cells said is kept besides the notebook.",
        0.01,
        3650,
    ),
    Setting(
        "journal.megabytes", int, 2000, "What is kept of it at most; the oldest goes first.", 1
    ),
    Setting("data.memory", str, "2GB", "Memory the query engine may use at home."),
    Setting("data.seconds", float, 600.0, "Seconds that one query may take at home.", 0.1, 3600.0),
    Setting(
        "data.copies",
        int,
        10_000,
        "Megabytes for copies of remote files, and of those that are turned into Parquet.",
        1,
    ),
    Setting("data.threads", int, 2, "Threads the query engine may use at home.", 1, 1024),
    Setting(
        "artefacts.megabytes", int, 20_000, "Room that the artefacts of one notebook may take.", 1
    ),
    Setting(
        "drive.folder",
        str,
        "",
        "Folder at home that `drive.mount` shows; without one `Ropeway Drive` in your home folder.",
        is_path=True,
    ),
    Setting(
        "drive.farthest",
        str,
        "own",
        "The farthest class of runtimes that may mount the drive.",
        choices=("here", "own", "shared", "public"),
    ),
    Setting(
        "drive.megabytes", int, 2000, "What of the drive is mirrored on another machine at most.", 1
    ),
    Setting(
        "history.days", float, 90.0, "Days for which a replaced version is kept.", 0.01, 36500.0
    ),
    Setting(
        "history.megabytes", int, 1000, "Room that a workspace's history may take.", 1, 1_000_000
    ),
)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force: `config["workspace.port"]`."""

    values: Mapping[str, Any]
    project: Path | None
    """The `ropeway.toml` that was read, or None."""
    given: frozenset[str] = frozenset()
    """The keys that somebody set, even if to the default."""

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def find_project(start: Path) -> Path | None:
    """The nearest `ropeway.toml` in `start` or a folder above it."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def load(start: Path, options: Mapping[str, Any] | None = None) -> Config:
    """The settings for a workspace in the folder `start`.

    `options` are command-line values by key; None means "not given". Raises `BadInput` naming
    the file or variable, what it holds and what fits.
    """
    project = find_project(start)
    table = read_project(project) if project else {}
    values: dict[str, Any] = {}
    asked: set[str] = set()
    for setting in SETTINGS:
        section, name = setting.key.split(".")
        given = (options or {}).get(setting.key)
        if given is None and (text := os.environ.get(setting.env)) is not None:
            given = _parse(setting, text)
        body = table.get(section, {})
        if not isinstance(body, dict):
            raise BadInput(f"{project}: [{section}] must be a table, such as [workspace].")
        if given is None and name in body:
            given = _check(setting, body[name], project)
            if setting.is_path and given and project:
                given = str(project.parent / Path(given).expanduser())
        if given is not None:
            _check_fits(setting, given)
        values[setting.key] = setting.default if given is None else given
        if given is not None:
            asked.add(setting.key)
    return Config(values, project, frozenset(asked))


def read_project(path: Path) -> dict[str, Any]:
    """`ropeway.toml` as a dictionary. Raises `BadInput` with the line that is wrong."""
    import tomllib  # a runtime on Python 3.10 has none, and reads no settings

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} is not valid TOML: {error}.", hint="Mend that line, then try again."
        ) from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _parse(setting: Setting, text: str) -> Any:
    if setting.kind is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
    else:
        try:
            return setting.kind(text)
        except ValueError:
            pass
    raise BadInput(f"{setting.env} is {text!r}, but {_wanted(setting)} is wanted.")


def _check(setting: Setting, value: Any, project: Path | None) -> Any:
    if setting.kind is float and type(value) is int:
        return float(value)
    if type(value) is not setting.kind:
        raise BadInput(f"{project}: {setting.key} is {value!r}, but {_wanted(setting)} is wanted.")
    return value


def _check_fits(setting: Setting, value: Any) -> None:
    if setting.choices and value not in setting.choices:
        fitting = " or ".join(setting.choices)
        raise BadInput(f"{setting.key} is {value!r}; it must be {fitting}.")
    if setting.most is not None and not setting.least <= value <= setting.most:
        raise BadInput(
            f"{setting.key} is {value}; it must lie between {setting.least:g} and {setting.most:g}."
        )


def _wanted(setting: Setting) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return words[setting.kind]


# --- where Ropeway keeps its files ------------------------------------------------------------


def state_dir() -> Path:
    """The user's own folder of Ropeway (mode 0700): `ROPEWAY_HOME`, or the platform's."""
    given = os.environ.get("ROPEWAY_HOME")
    folder = Path(given).expanduser() if given else Path(platformdirs.user_data_dir("ropeway"))
    return private_dir(folder.absolute())


def workspace_state_path(root: Path) -> Path:
    """What one workspace keeps between two starts; a workspace is known by its root folder."""
    root = root.resolve()
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return state_dir() / "workspaces" / f"{root.name or 'root'}-{digest}"


def workspace_state_dir(root: Path) -> Path:
    """`workspace_state_path`, made if needed."""
    return private_dir(workspace_state_path(root))


def private_dir(path: Path) -> Path:
    """`path`, readable by its owner alone, made if needed. Raises `BadInput`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadInput(
            f"The folder {path} cannot be made: {error.strerror}.",
            hint="Set ROPEWAY_HOME to a folder of yours.",
        ) from error
    if path.stat().st_mode & 0o077:
        if any(path.iterdir()):
            raise BadInput(
                f"Others can read {path}, where Ropeway is to keep its secrets.",
                hint=f"Run `chmod 700 {path}`, or set ROPEWAY_HOME to a folder of its own.",
            )
        path.chmod(0o700)
    return path


class Claim:
    """A lock file that is held for the life of a process, shared or alone.

    The system lets go of it when the process ends, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Hold it beside others; waits for who holds it alone."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def take(self) -> bool:
        """Hold it alone; False when somebody else holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def held(self) -> bool:
        """Whether somebody else holds it alone."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def release(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def sync(path: Path) -> None:
    """Return once a file, or what a folder names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """One process at a time reads and writes in `folder`: no change is lost between the two."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` in one step with a file that only its owner can read (mode 0600).

    One that need not be `durable` may be lost with the power, and costs no wait for the disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
