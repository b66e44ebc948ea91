"""Read by every Python of the suite's environment as it starts, whoever starts it and how.

There, ``import tornado`` is Tornadic, and ``tornado.test`` is Tornado's.  No Tornado is installed
in that environment: its files lie in a folder that is on nobody's path, so that what has no alias
has no ``tornado`` at all.  With TORNADIC_SUITE_ON_TORNADO set, the folder is on the path, and all
is Tornado's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["VARIABLE", "TestsFinder", "start"]

VARIABLE = "TORNADIC_SUITE_ON_TORNADO"
TESTS = "tornado.test"


class TestsFinder:
    """Finds Tornado's tests, and nothing else, in a folder that has a Tornado in it."""

    def __init__(self, folder: str) -> None:
        self._package = os.path.join(folder, "tornado")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of ``tornado.test`` or a module in it, None for other names."""
        if fullname == TESTS:
            return PathFinder.find_spec(fullname, [self._package])
        if fullname.startswith(f"{TESTS}."):
            return PathFinder.find_spec(fullname, path)
        return None


def start(folder: str) -> None:
    """Arrange for ``import tornado``; ``folder`` holds a Tornado."""
    if os.environ.get(VARIABLE):
        sys.path.append(folder)
        return
    from tornadic.compat import install_as_tornado

    install_as_tornado()
    sys.meta_path.insert(0, TestsFinder(folder))
