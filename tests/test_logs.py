"""Tokens in logs."""

import io
import logging

from ropeway.logs import hide_tokens


def test_no_token_is_written() -> None:
    """A URL's token, or one in a header, is left out of the line; the rest is kept."""
    stream = io.StringIO()
    logger = logging.Logger("of-the-test")
    logger.addHandler(logging.StreamHandler(stream))
    hide_tokens(logger)
    logger.warning("404 GET %s referer=%s", "/api?token=abcdef123&x=1", "None")
    logger.warning("Authorization: token abcdef123")
    logger.warning("no token here")
    assert "abcdef123" not in stream.getvalue()
    assert "/api?token=…&x=1 referer=None" in stream.getvalue()
    assert "no token here" in stream.getvalue()
