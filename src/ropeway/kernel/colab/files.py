"""`google.colab.files`: files between the person at the page and the kernel's machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ropeway.errors import RopewayError
from ropeway.kernel import filename, inband
from ropeway.kernel.colab import _message
from ropeway.kernel.progress import Progress
from ropeway.kernel.words import bytes_text, files_text

__all__ = ["download", "upload", "upload_file", "view"]

_UPLOAD = "application/vnd.ropeway.upload+json"
_DOWNLOAD = "application/vnd.ropeway.download+json"

_PIECE = 1024 * 1024


def upload(target_dir: str = "") -> dict[str, bytes]:
    """Ask for files in the page and save them; their contents by the names that they got.

    None is replaced: `a.txt` becomes `a (1).txt`. Whoever cancels gives none. Raises `RopewayError`
    where nobody is there to choose.
    """
    if target_dir:
        Path(target_dir).mkdir(parents=True, exist_ok=True)

    def save(name: str) -> Path:
        place = filename.free(Path(target_dir) / name)
        print(f"Saving {name} to {place}")
        return place

    return {
        str(place): place.read_bytes() for _, place in _receive(Path(target_dir), save, many=True)
    }


def upload_file(filename: str) -> None:
    """Ask for one file in the page and save it as `filename`; `ValueError` where none is chosen."""
    found = _receive(Path(filename).parent, lambda name: Path(filename), many=False)
    if not found:
        raise ValueError(f"No file was chosen, so nothing was saved as {filename}.")
    print(f"Saved {found[0][0]} to {Path(filename).absolute()}")


def download(filename: str) -> None:
    """Hand a file to the browser of the person at the page, which keeps it as it keeps downloads.

    Returns once home has it. Raises `FileNotFoundError`, and `RopewayError` where home has no room.
    """
    place = Path(filename)
    if not place.exists():
        raise FileNotFoundError(f"Cannot find file: {filename}")
    if place.is_dir():
        raise IsADirectoryError(
            f"{filename} is a folder. Pack it first: !zip -r {place.name}.zip {filename}"
        )
    size = place.stat().st_size
    with Progress(total=size, doing="sending", done="sent") as progress:
        told = inband.download(place.name, _read(place, progress), progress.again)
    if number := told.get("id"):
        told = {"id": number, "name": place.name, "size": size}
        _show({_DOWNLOAD: told}, f"{place.name} · {bytes_text(size)}")


def view(filepath: str) -> None:
    """Open a file in the page, where it lies below the workspace; else show it in the output."""
    place = Path(filepath)
    if not place.exists():
        raise FileNotFoundError(f"Cannot find file: {filepath}")
    with suppress(_message.MessageError, TimeoutError):
        told = _message.blocking_request("ropeway_view", {"path": str(place.resolve())}, 10)
        if told.get("opened"):
            return
    _show_here(place)


def _receive(
    folder: Path, place_of: Callable[[str], Path], *, many: bool
) -> list[tuple[str, Path]]:
    """The files that somebody chose, each with its place; what did not come whole is dropped."""
    number = uuid.uuid4().hex
    talk = inband.Talk("upload", name=number, text="many" if many else "one")
    handle = _show({_UPLOAD: {"id": number, "many": many}}, "Choose files in the page.")
    coming = folder / f".{number}.coming"
    found: list[tuple[str, Path]] = []
    told = "The upload was stopped."
    try:
        for name in _files(talk, coming):
            own = filename.plain(name, "file")
            place = place_of(own)
            coming.replace(place)
            found.append((own, place))
        size = sum(place.stat().st_size for _, place in found)
        told = f"{files_text(len(found))}, {bytes_text(size)}" if found else "No file was chosen."
    except RopewayError as error:
        told = str(error)
        raise
    finally:
        talk.close()
        with suppress(FileNotFoundError):
            coming.unlink()
        _show({}, told, handle)
    return found


def _files(talk: inband.Talk, coming: Path) -> Iterator[str]:
    """The name of each file, once `coming` has the whole of it."""
    taken = 0
    while True:
        reply, parts = talk.hear(lambda: None)
        if reply.kind == "end":
            return
        # A page that was reloaded begins with a file anew.
        with coming.open("ab" if reply.body["at"] else "wb") as out:
            out.write(parts[0])
            whole = out.tell() == reply.body["size"]
        taken += 1
        if taken % (inband.CREDIT // 2) == 0:
            talk.say("more", credit=inband.CREDIT // 2)
        if whole:
            yield str(reply.body["name"])


def _read(place: Path, progress: Progress) -> Iterator[bytes]:
    crossed = 0
    with place.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            crossed += len(piece)
            progress(crossed)


def _show(bundle: dict[str, Any], text: str, handle: Any = None) -> Any:
    from IPython.display import display

    data = {**bundle, "text/plain": text}
    if handle is None:
        return display(data, raw=True, display_id=True)
    handle.update(data, raw=True)
    return handle


def _show_here(place: Path) -> None:
    from IPython.display import Code, Image, display

    kinds = {".png": Image, ".jpg": Image, ".jpeg": Image, ".gif": Image}
    if place.suffix.lower() in kinds:
        display(kinds[place.suffix.lower()](filename=str(place)))
        return
    with place.open("rb") as file:
        text = file.read(_PIECE).decode("utf-8", "replace")
    if place.suffix == ".json":
        with suppress(ValueError):
            text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    display(Code(text, language="python" if place.suffix == ".py" else "text"))
