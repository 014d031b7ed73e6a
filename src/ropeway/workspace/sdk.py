"""The SDK on its way into a kernel: nothing needs to be installed there.

The workspace runs `bootstrap_code()` silently in each fresh Python kernel. It carries the SDK's
modules, puts them into a folder that only the user can read, and makes it the first place that
`import ropeway` looks at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

_TOP = ("__init__.py", "artefacts.py", "errors.py", "wire.py")


@cache
def bootstrap_code() -> str:
    """Python source for a kernel; running it twice changes nothing."""
    modules = json.dumps(_modules()).encode()
    digest = hashlib.sha256(modules).hexdigest()[:16]
    data = base64.b64encode(zlib.compress(modules, 9)).decode()
    source = (files("ropeway") / "kernel" / "bootstrap.py").read_text("utf-8")
    unpacked = f"json.loads(zlib.decompress(base64.b64decode({data!r})))"
    start = f"import base64, json, zlib\nload({unpacked}, {digest!r})\n"
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


def away_code() -> str:
    """Python source that tells the SDK in a kernel that its notebook's folder is elsewhere."""
    source = (
        "import sys\npresence = sys.modules.get('ropeway.kernel.colab.presence')\n"
        "if presence is not None: presence.away = True"
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


def _modules() -> dict[str, str]:
    """The sources of the SDK's modules by their paths, in the same order every time."""
    package = files("ropeway")
    found = {f"ropeway/{name}": _text(package / name) for name in _TOP}
    found |= _folder("ropeway/kernel", package / "kernel")
    return found


def _folder(path: str, folder: Traversable) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in sorted(folder.iterdir(), key=lambda found: found.name):
        if each.is_dir() and each.name != "__pycache__":
            found |= _folder(f"{path}/{each.name}", each)
        elif each.name.endswith(".py"):
            found[f"{path}/{each.name}"] = _text(each)
    return found


def _text(file: Traversable) -> str:
    return file.read_text("utf-8")
