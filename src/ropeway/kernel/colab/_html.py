"""Outputs as HTML, for what holds other outputs: it is shown wherever notebooks are."""

from __future__ import annotations

import html
import json
from typing import Any


def of(data: dict[str, Any]) -> str:
    """The richest form of a mime bundle, as HTML."""
    for kind, made in _FORMS:
        if kind in data:
            return made(_text(data[kind]))
    return ""


def printed(text: str) -> str:
    """Printed text."""
    return f'<pre style="margin:0;white-space:pre-wrap">{html.escape(text)}</pre>'


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "".join(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return value if isinstance(value, str) else json.dumps(value)


def _image(kind: str) -> Any:
    def made(data: str) -> str:
        return f'<img alt="" src="data:{kind};base64,{html.escape("".join(data.split()))}">'

    return made


_FORMS = (
    ("text/html", str),
    ("image/svg+xml", str),
    ("image/png", _image("image/png")),
    ("image/jpeg", _image("image/jpeg")),
    ("image/gif", _image("image/gif")),
    ("application/javascript", lambda code: f"<script>{code}</script>"),
    ("text/markdown", printed),
    ("text/latex", html.escape),
    ("text/plain", printed),
)
