"""What `tornadic.testing` had beside: `get_unused_port` and `LogTrapTestCase`."""

from __future__ import annotations

import io
import logging
import unittest
from typing import Any

from tornadic.testing import bind_unused_port

__all__ = ["LogTrapTestCase", "get_unused_port"]


def get_unused_port() -> int:
    """Return the number of a port that nobody listens on, at least not yet."""
    sock, port = bind_unused_port()
    sock.close()
    return port


class LogTrapTestCase(unittest.TestCase):
    """A test case that shows what a test logs only if the test fails.

    For a root logger with one handler, that of `logging.basicConfig` or of Tornadic; with others
    the test runs as ever.
    """

    def run(self, result: Any = None) -> Any:
        root = logging.getLogger()
        if not root.handlers:
            logging.basicConfig()
        handler = root.handlers[0]
        if len(root.handlers) > 1 or not isinstance(handler, logging.StreamHandler):
            return super().run(result)
        if result is None:
            result = self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        shown, kept = handler.stream, io.StringIO()
        handler.setStream(kept)
        try:
            return super().run(result)
        finally:
            handler.setStream(shown)
            if len(result.failures) + len(result.errors) > before:
                shown.write(kept.getvalue())
