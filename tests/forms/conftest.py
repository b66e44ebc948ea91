"""A log line that nobody expected is a failure here, too."""

from __future__ import annotations

from tests.web.conftest import log

__all__ = ["log"]
