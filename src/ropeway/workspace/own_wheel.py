"""Ropeway as a wheel, made of the package that runs here: what another machine installs of it.

The front end stays here, and so do the commands and the dependencies: a runtime needs neither.
The same package gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

import ropeway

_TIME = (2020, 1, 1, 0, 0, 0)
_LEFT_OUT = {"labextension", "__pycache__"}
_WHEEL = "Wheel-Version: 1.0\nGenerator: ropeway\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_name() -> str:
    """The file name that installers want to see."""
    return f"ropeway-{ropeway.__version__}-py3-none-any.whl"


@lru_cache(maxsize=1)
def own_wheel() -> bytes:
    """The wheel, from an ordinary and from an editable installation alike."""
    info = f"ropeway-{ropeway.__version__}.dist-info"
    files = _package() | {
        f"{info}/METADATA": _metadata().encode(),
        f"{info}/WHEEL": _WHEEL.encode(),
    }
    record = f"{info}/RECORD"
    rows = [f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Twelve letters that change whenever the package does."""
    digest = hashlib.sha256()
    for name, content in _package().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _package() -> dict[str, bytes]:
    top = Path(ropeway.__file__).parent
    paths = sorted(path for path in top.rglob("*") if path.suffix in (".py", ".sh", ".typed"))
    return {
        path.relative_to(top.parent).as_posix(): path.read_bytes()
        for path in paths
        if not _LEFT_OUT.intersection(path.relative_to(top).parts)
    }


def _metadata() -> str:
    version = ropeway.__version__
    return f"Metadata-Version: 2.1\nName: ropeway\nVersion: {version}\nRequires-Python: >=3.10\n"


def _digest(content: bytes) -> str:
    found = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(found).rstrip(b"=").decode()
