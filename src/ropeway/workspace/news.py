"""Word to the pages that something at home is different, by Jupyter's own events.

A page hears what it is about and asks for it; nothing of its content is in the word.
"""

from __future__ import annotations

from jupyter_events import EventLogger

NAME = "https://ropeway.dev/events/news"

SCHEMA = {
    "$id": NAME,
    "version": "1",
    "title": "Something at home is different",
    "type": "object",
    "properties": {"of": {"type": "string", "description": "Such as `secrets`."}},
    "required": ["of"],
}


class News:
    """Tells the pages of one server."""

    def __init__(self, events: EventLogger) -> None:
        self._events = events
        events.register_event_schema(SCHEMA)

    def tell(self, of: str) -> None:
        """Whoever shows these should look again. Call it in the event loop."""
        self._events.emit(schema_id=NAME, data={"of": of})
