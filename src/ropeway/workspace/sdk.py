"""The SDK on its way into a kernel: nothing needs to be installed there.

The workspace runs `bootstrap_code()` silently in each fresh Python kernel. It carries the SDK as
a zip, puts it into a file that only the user can read, and makes it the first place that
`import ropeway` looks at.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

_TOP = ("__init__.py", "errors.py", "wire.py")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@cache
def bootstrap_code() -> str:
    """Python source for a kernel; running it twice changes nothing."""
    archive = _archive()
    digest = hashlib.sha256(archive).hexdigest()[:16]
    data = base64.b64encode(archive).decode()
    source = (files("ropeway") / "kernel" / "bootstrap.py").read_text("utf-8")
    start = f"import base64\nload(base64.b64decode({data!r}), {digest!r})\n"
    # In a namespace of its own: no name reaches the user's.
    return f"exec({source + start!r}, {{'__name__': 'ropeway_bootstrap'}})"


def road_code(url: str, grant: str) -> str:
    """Python source that tells the SDK in a kernel by which door home is reached, and with what.

    To be run silently: the grant is a secret of the kernel.
    """
    source = (
        "import sys\nroad = sys.modules.get('ropeway.kernel.road')\n"
        f"if road is not None: road.offer({url!r}, {grant!r})"
    )
    return f"exec({source!r}, {{'__name__': 'ropeway_bootstrap'}})"


def silent(code: str) -> dict[str, Any]:
    """The content of an `execute_request` that leaves no trace in the user's session."""
    return {
        "code": code,
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }


def _archive() -> bytes:
    """The SDK's modules as a zip, the same bytes for the same modules."""
    package = files("ropeway")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in _TOP:
            _put(archive, f"ropeway/{name}", package / name)
        _put_folder(archive, "ropeway/kernel", package / "kernel")
    return held.getvalue()


def _put_folder(archive: zipfile.ZipFile, path: str, folder: Traversable) -> None:
    for each in sorted(folder.iterdir(), key=lambda found: found.name):
        if each.is_dir() and each.name != "__pycache__":
            _put_folder(archive, f"{path}/{each.name}", each)
        elif each.name.endswith(".py"):
            _put(archive, f"{path}/{each.name}", each)


def _put(archive: zipfile.ZipFile, path: str, file: Traversable) -> None:
    entry = zipfile.ZipInfo(path, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, file.read_bytes())
