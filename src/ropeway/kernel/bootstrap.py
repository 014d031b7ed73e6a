"""The first thing that a workspace runs in a fresh kernel: it brings the SDK in.

Its source is sent as text and executed in a namespace of its own, so that no name of it reaches
the user's. It imports nothing of Ropeway before the SDK is in place.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile


def load(archive: bytes, digest: str) -> None:
    """Make the SDK in the zip `archive` the one that `import ropeway` finds. Never raises."""
    try:
        path = _kept(archive, f"sdk-{digest}.zip")
        _make_first(path)
        # Imported now: whoever cleans the temporary folder later takes nothing away.
        import ropeway.kernel.data
        import ropeway.kernel.output
        import ropeway.kernel.usage

        shell = sys.modules["IPython"].get_ipython()
        ropeway.kernel.usage.install(shell.kernel)
        ropeway.kernel.output.keep_all(shell)
    except Exception:  # noqa: BLE001, S110  # the user's session must not notice
        pass


def _kept(archive: bytes, name: str) -> str:
    """The archive in a file that only this user can write, put there in one step."""
    folder = _folder()
    path = os.path.join(folder, name)  # noqa: PTH118  # pathlib would cost the kernel its import
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read() == archive:
                return path
    except OSError:
        pass
    handle, fresh = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(archive)
    os.replace(fresh, path)  # noqa: PTH105
    return path


def _folder() -> str:
    """The user's own folder for temporary files; a fresh one where somebody else took its name."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = os.path.join(tempfile.gettempdir(), f"ropeway-{user}")  # noqa: PTH118
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102
    except FileExistsError:
        seen = os.lstat(folder)
        private = os.name != "posix" or (seen.st_uid == user and not seen.st_mode & 0o077)
        if not (private and stat.S_ISDIR(seen.st_mode)):
            return tempfile.mkdtemp(prefix="ropeway-")
    return folder


def _make_first(path: str) -> None:
    """Put `path` first and forget the modules of any other Ropeway that was imported before."""
    older = [p for p in sys.path if p != path and _is_sdk(p)]
    loaded = getattr(sys.modules.get("ropeway"), "__file__", None) or path
    if not loaded.startswith(path):
        for name in [n for n in sys.modules if n == "ropeway" or n.startswith("ropeway.")]:
            del sys.modules[name]
    sys.path[:] = [path, *(p for p in sys.path if p != path and p not in older)]


def _is_sdk(path: str) -> bool:
    name = os.path.basename(path)  # noqa: PTH119
    return name.startswith("sdk-") and name.endswith(".zip") and "ropeway-" in path
