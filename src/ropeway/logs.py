"""What must not be read in a log."""

from __future__ import annotations

import logging
import re

_TOKEN = re.compile(r"(token[=\s:]+)[^\s&'\"]{6,}|(/ports/[0-9]+/)[0-9a-f]{64}", re.IGNORECASE)


class HideTokens(logging.Filter):
    """Leaves tokens out of every message: stock Jupyter logs the URLs that it was asked for."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; always passes it on."""
        message = record.getMessage()
        hidden = _TOKEN.sub(r"\1\2…", message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


def hide_tokens(logger: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
    """Let no handler of a logger, nor of the root, write a token."""
    plain = logger.logger if isinstance(logger, logging.LoggerAdapter) else logger
    for handler in (*plain.handlers, *logging.getLogger().handlers):
        handler.addFilter(HideTokens())
