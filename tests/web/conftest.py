"""In every test here a log line that nobody expected is a failure."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from tests.web.support import LogBook


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    """The warnings and errors of the framework and of asyncio; the test takes what is due."""
    book = LogBook()
    loggers = [
        logging.getLogger(name) for name in ("tornado.application", "tornado.general", "asyncio")
    ]
    for logger in loggers:
        logger.addHandler(book)
    try:
        yield book
    finally:
        for logger in loggers:
            logger.removeHandler(book)
    assert [book.format(record) for record in book.unread] == []
