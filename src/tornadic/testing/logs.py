"""Lines of the log that a test expects: they are kept out of its output, and must come."""

from __future__ import annotations

import logging
import re
import types
import warnings

from tornadic.log import app_log

__all__ = ["ExpectLog"]


class ExpectLog(logging.Filter):
    """Context manager that takes expected records out of a log and fails if there was none.

    ::

        with ExpectLog("tornado.application", "Uncaught exception"):
            response = self.fetch("/broken")

    ``logger`` is a logger or its name, the empty string being the root logger.  Only what is
    logged there directly counts, not what comes from its children.  ``regex``, a string or a
    compiled pattern, has to match at the beginning of the message; all records that match are
    taken out, others pass.

    ``required``: whether leaving without a match raises `AssertionError`; not if the block itself
    raised.  ``level`` is the level that records must have, such as `logging.INFO`, and the logger
    is made to let that level through; None is any level, which is deprecated for INFO and below:
    if nothing higher matched there is a `DeprecationWarning`.

    Within the block and after it ``matched`` is the number of records that matched, and
    ``logged_stack`` whether anything was logged with a traceback, a match or not.

    Not for several threads at once.
    """

    def __init__(
        self,
        logger: logging.Logger | str,
        regex: str | re.Pattern[str],
        required: bool = True,
        level: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(logger, str):
            logger = logging.getLogger(logger)
        self.logger = logger
        self.regex = re.compile(regex)
        self.required = required
        self.level = level
        self.matched = 0
        self.deprecated_level_matched = 0
        self.logged_stack = False
        self.orig_level: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record that is expected, so that it goes no further."""
        if record.exc_info:
            self.logged_stack = True
        try:
            message = record.getMessage()
        except Exception:
            return True  # The handlers say what is wrong with it.
        if self.regex.match(message) is None:
            return True
        if self.level is not None and record.levelno != self.level:
            app_log.warning(
                "Got expected log message %r at unexpected level (%s vs %s)",
                message,
                logging.getLevelName(self.level),
                record.levelname,
            )
            return True
        self.matched += 1
        if self.level is None and record.levelno <= logging.INFO:
            self.deprecated_level_matched += 1
        return False

    def __enter__(self) -> ExpectLog:
        self.matched = self.deprecated_level_matched = 0
        self.logged_stack = False
        if self.level is not None and self.level < self.logger.getEffectiveLevel():
            self.orig_level = self.logger.level
            self.logger.setLevel(self.level)
        self.logger.addFilter(self)
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        if self.orig_level is not None:
            self.logger.setLevel(self.orig_level)
            self.orig_level = None
        self.logger.removeFilter(self)
        if value is not None or not self.required:
            return
        if not self.matched:
            raise AssertionError(
                f"did not get expected log message {self.regex.pattern!r} from {self.logger}"
            )
        if self.matched == self.deprecated_level_matched:
            warnings.warn(
                "ExpectLog matched at INFO or below without level argument",
                DeprecationWarning,
                stacklevel=2,
            )
