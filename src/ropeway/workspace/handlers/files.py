"""`/ropeway/api/uploads`, `/downloads` and `/offers`: files between the page and cells."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from tornado import web

from ropeway import wire
from ropeway.errors import BadInput
from ropeway.workspace.handlers.base import RopewayHandler
from ropeway.workspace.uploads import Piece

_AT_ONCE = 1024 * 1024


class UploadHandler(RopewayHandler):
    """Files that a cell waits for."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """`{}` while it waits, else 404."""
        self.home.files.uploads.check(number)
        self.answer({})

    @web.authenticated
    async def post(self, number: str) -> None:
        """The next piece, of at most 4 MB: the bytes of the file `?name=` from `?at=` on, of
        `?size=`. `{}`, once the kernel has room for the next."""
        data, name = self.request.body, self.get_query_argument("name", "")
        if not name or len(name) > 1000 or len(data) > wire.CHUNK_BYTES:
            raise BadInput("A piece has the name of its file, and at most 4 MB.")
        piece = Piece(name, self._number("at"), self._number("size"), data)
        await self.home.files.uploads.give(number, piece)
        self.answer({})

    @web.authenticated
    async def delete(self, number: str) -> None:
        """There are no more files; 204."""
        self.home.files.uploads.end(number)
        self.set_status(204)
        self.finish()

    def _number(self, name: str) -> int:
        text = self.get_query_argument(name, "")
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise BadInput(f"?{name}= wants a number of bytes.")
        return int(text)


class DownloadHandler(RopewayHandler):
    """A file that a cell has for the person at the page."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """Its bytes, for the browser to keep."""
        found = self.home.files.downloads[number]
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "sandbox")
        self.set_header("Content-Encoding", "identity")
        self.set_header("Content-Length", str(found.path.stat().st_size))
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(found.name)}")
        with found.path.open("rb") as file:
            while data := await asyncio.to_thread(file.read, _AT_ONCE):
                self.write(data)
                await self.flush()


class OffersHandler(RopewayHandler):
    """What cells have for pages."""

    @web.authenticated
    async def get(self) -> None:
        """`{"offers": [wire.Offer]}` that no page took, the oldest first."""
        self.answer({"offers": [wire.to_json(each) for each in self.home.files.offers.all()]})


class OfferHandler(RopewayHandler):
    """One of them."""

    @web.authenticated
    async def delete(self, number: str) -> None:
        """This page takes it; 204, or 404 where another one did."""
        self.home.files.offers.take(number)
        self.set_status(204)
        self.finish()


_ID = r"([0-9a-f]+)"

HANDLERS = [
    (rf"/ropeway/api/uploads/{_ID}", UploadHandler),
    (rf"/ropeway/api/downloads/{_ID}", DownloadHandler),
    (r"/ropeway/api/offers", OffersHandler),
    (rf"/ropeway/api/offers/{_ID}", OfferHandler),
]
