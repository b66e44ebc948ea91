"""What the server logged, and that it logged nothing else."""

from __future__ import annotations

import logging
from typing import Final, Literal

import pytest

_PHASES: Final[tuple[Literal["setup", "call", "teardown"], ...]] = ("setup", "call", "teardown")


class Log:
    """The records of Tornado's loggers and of asyncio.

    Every record has to be asked for, or the test fails at its end; only the access log may have
    its line for each request, none of them an error.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._taken: set[int] = set()
        self._allowed = 0
        caplog.set_level(logging.DEBUG, logger="tornado")

    def take(self, access: bool = False) -> list[logging.LogRecord]:
        """The records that were not taken before; those of the access log only if ``access``."""
        found = []
        for record in self._records():
            if id(record) not in self._taken and (access or record.name != "tornado.access"):
                self._taken.add(id(record))
                found.append(record)
        return found

    def at_most_one(self) -> None:
        """Take what a bad request may leave behind: one line, and no traceback."""
        records = self.take()
        assert len(records) <= 1, [record.getMessage() for record in records]
        for record in records:
            self._check_line(record)

    def allow(self, count: int) -> None:
        """Let there be so many lines more by the end, for whose moment nobody can wait."""
        self._allowed += count

    def one(self, text: str) -> None:
        """Take the one line that there must be, which contains ``text``."""
        [record] = self.take()
        assert text in record.getMessage()
        self._check_line(record)

    def check_end(self) -> None:
        """Nothing is left that nobody asked for."""
        left = self.take()
        assert len(left) <= self._allowed, [record.getMessage() for record in left]
        for record in left:
            self._check_line(record)
        for record in self._records():
            if id(record) not in self._taken:
                self._check_line(record)

    @staticmethod
    def _check_line(record: logging.LogRecord) -> None:
        assert record.name in ("tornado.general", "tornado.access"), record.getMessage()
        assert record.levelno <= logging.WARNING, record.getMessage()
        assert record.exc_info is None and record.stack_info is None
        assert record.getMessage().isprintable(), record.getMessage()

    def _records(self) -> list[logging.LogRecord]:
        return [
            record
            for phase in _PHASES
            for record in self._caplog.get_records(phase)
            if record.name.startswith("tornado")
            or (record.name == "asyncio" and record.levelno >= logging.WARNING)
        ]
