"""Installs the alias in a child process, once something there wants a name that it stands for.

Until then it costs a look-up of a string for each import.
"""

from __future__ import annotations

import os
import sys

# For type checkers only: this is read by each child, and typing and its like take their time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["NAMES", "wait_for_import"]

NAMES = frozenset({"tornado", "tornadic", "hash_ring", "tornado_mysql"})

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def wait_for_import() -> None:
    """Have the alias installed by the first import of one of `NAMES` in this process."""
    sys.meta_path.insert(0, _AliasOnDemand())


class _AliasOnDemand:
    """A finder that lets the alias's own take its place."""

    def __init__(self) -> None:
        self._installing: set[int] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of one of `NAMES`, with the alias installed; None for others."""
        if fullname not in NAMES:
            return None
        import importlib.util
        import threading

        thread = threading.get_ident()
        if thread in self._installing:
            # The import below.  The very Tornadic that our parent runs on, found or not.
            return importlib.util.spec_from_file_location(
                fullname,
                os.path.join(_PACKAGE, "__init__.py"),
                submodule_search_locations=[_PACKAGE],
            )
        # A second thread may come this way before the first is done; it waits in the import.
        self._installing.add(thread)
        try:
            from tornadic.compat.alias import AliasFinder, install_as_tornado

            install_as_tornado()
        finally:
            self._installing.discard(thread)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        return AliasFinder().find_spec(fullname, path, target)
