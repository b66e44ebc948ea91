"""In every test here a log line that nobody expected is a failure."""

from __future__ import annotations

from tests.web.conftest import log

__all__ = ["log"]
