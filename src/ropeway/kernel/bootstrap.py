"""The first thing that a workspace runs in a fresh kernel: it brings the SDK in.

Its source is sent as text and executed in a namespace of its own, so that no name of it reaches
the user's. It imports nothing of Ropeway before the SDK is in place.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile


def load(modules: dict[str, str], digest: str) -> None:
    """Make the SDK, its `modules` by their paths, the one that `import ropeway` finds.

    Never raises.
    """
    compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        _make_first(_kept(modules, f"sdk-{digest}"))
        # Imported now: whoever cleans the temporary folder later takes nothing away.
        import ropeway.kernel.accelerators.out_of_memory
        import ropeway.kernel.accelerators.use
        import ropeway.kernel.checkpoint
        import ropeway.kernel.colab.presence
        import ropeway.kernel.inband
        import ropeway.kernel.magics
        import ropeway.kernel.on
        import ropeway.kernel.output
        import ropeway.kernel.put
        import ropeway.kernel.resume
        import ropeway.kernel.runtime
        import ropeway.kernel.table
        import ropeway.kernel.usage

        shell = sys.modules["IPython"].get_ipython()
        ropeway.kernel.inband.started_by_home()
        ropeway.kernel.usage.install(shell.kernel)
        ropeway.kernel.output.keep_all(shell)
        ropeway.kernel.magics.install(shell)
        ropeway.kernel.accelerators.out_of_memory.install(shell)
        ropeway.kernel.on.install(shell)
        ropeway.kernel.colab.presence.install(shell)
    except Exception:  # noqa: BLE001, S110  # the user's session must not notice
        pass
    finally:
        sys.dont_write_bytecode = compiled


def _kept(modules: dict[str, str], name: str) -> str:
    """The folder that holds the modules, which only this user can read.

    Python keeps them compiled there for the kernels that come later: 0.15 s for each.
    """
    path = os.path.join(_folder(), name)  # noqa: PTH118  # pathlib would cost the kernel its import
    for each, source in modules.items():
        _keep(os.path.join(path, each), source.encode())  # noqa: PTH118
    return path


def _keep(file: str, source: bytes) -> None:
    """Put it there in one step, where it is not: who cleans temporary folders thins them out."""
    folder = os.path.dirname(file)  # noqa: PTH120
    try:
        if os.stat(file).st_size == len(source):  # noqa: PTH116
            return
    except OSError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    handle, fresh = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as written:
        written.write(source)
    os.replace(fresh, file)  # noqa: PTH105


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
    return os.path.basename(path).startswith("sdk-") and "ropeway-" in path  # noqa: PTH119
