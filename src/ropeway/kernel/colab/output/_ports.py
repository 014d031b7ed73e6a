"""Pages that this kernel serves at a port of its machine, shown in the notebook."""

from __future__ import annotations

import json

_SANDBOX = "allow-scripts allow-forms allow-popups allow-modals allow-downloads allow-pointer-lock"
"""As the workspace says for the page itself: a page of another origin."""


def serve_kernel_port_as_iframe(
    port: int | str,
    path: str = "/",
    width: int | str = "100%",
    height: int | str = "400",
    cache_in_notebook: bool = False,
) -> None:
    """Show the page at `port` and `path` below this cell. Nothing of it is kept in the notebook."""
    frame = {"width": str(width), "height": str(height), "frameBorder": "0"}
    _show(
        port,
        path,
        "const frame = document.createElement('iframe');\n"
        f"Object.assign(frame, {json.dumps(frame)});\n"
        f"frame.setAttribute('sandbox', {json.dumps(_SANDBOX)});\n"
        "frame.referrerPolicy = 'no-referrer';\nframe.src = url;\n"
        "element.appendChild(frame);",
    )


def serve_kernel_port_as_window(
    port: int | str, path: str = "/", anchor_text: str | None = None, skip_warning: bool = False
) -> None:
    """Show a link that opens the page at `port` and `path` in a tab of its own."""
    text = json.dumps(anchor_text or f"https://localhost:{port}{path}")
    _show(
        port,
        path,
        "const link = document.createElement('a');\n"
        f"link.href = url;\nlink.textContent = {text};\n"
        "link.target = '_blank';\nlink.rel = 'noopener noreferrer';\n"
        "element.appendChild(link);",
    )


def _show(port: int | str, path: str, script: str) -> None:
    from IPython.display import Javascript, display

    wanted = f"{int(port)}, {json.dumps('/' + path.lstrip('/'))}"
    code = (
        "(async (element, port, path) => {\n"
        "const base = await google.colab.kernel.proxyPort(port);\n"
        f"const url = base.replace(/\\/$/, '') + path;\n{script}\n"
        f"}})(element, {wanted}).catch(error => {{ element.textContent = error.message; }});"
    )
    display(Javascript(code))
