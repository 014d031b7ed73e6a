"""`google.colab.auth`: Google's clients find credentials of yours, where this machine has some."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ropeway.kernel.colab.errors import AuthorizationError

__all__ = ["authenticate_service_account", "authenticate_user"]

_KEY = "GOOGLE_APPLICATION_CREDENTIALS"
_TRIES = 3

_MISSING = (
    "This machine has no credentials for Google, and only Colab can ask Google for yours. Make "
    "them once in a terminal of the runtime, `gcloud auth application-default login`; or set "
    f"{_KEY} to the file of a service account's key."
)


def authenticate_user(clear_output: bool = True, project_id: str | None = None) -> None:
    """Make sure that Google's clients find credentials here, and name the project for them.

    Raises `AuthorizationError` at once where there are none. Nobody is asked, so that there is no
    output to clear.
    """
    if not _found():
        raise AuthorizationError(_MISSING)
    if project_id:
        os.environ["GOOGLE_CLOUD_PROJECT"] = os.environ["GOOGLE_CLOUD_QUOTA_PROJECT"] = project_id


def authenticate_service_account(clear_output: bool = True) -> None:
    """Ask for the file of a service account's key, three times at most, and have Google's clients
    use it while this kernel runs. Raises `AuthorizationError` where none came."""
    from ropeway.kernel.colab import files

    for _ in range(_TRIES):
        # Never beside the notebook, where it might be shared with it.
        with tempfile.TemporaryDirectory() as folder:
            uploaded: dict[str, Any] = files.upload(target_dir=folder)
        for content in uploaded.values():
            if _is_key(content):
                handle, path = tempfile.mkstemp(suffix=".json")
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                atexit.register(Path(path).unlink, missing_ok=True)
                os.environ[_KEY] = path
                if clear_output:
                    from IPython.display import clear_output as clear

                    clear()
                return
        print("That is no key of a service account: a JSON file that Google's console made.")
    raise AuthorizationError("No key of a service account was uploaded.")


def _found() -> bool:
    try:
        google = importlib.import_module("google.auth")
    except ImportError:
        named = os.environ.get(_KEY)
        folder = os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud"
        return Path(named or Path(folder) / "application_default_credentials.json").is_file()
    try:
        google.default()
    except google.exceptions.DefaultCredentialsError:
        return False
    return True


def _is_key(content: bytes) -> bool:
    try:
        found = json.loads(content)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("type") == "service_account"
