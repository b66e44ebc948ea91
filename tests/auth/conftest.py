"""An unexpected log line is a failure."""

from __future__ import annotations

from tests.web.conftest import log as log
