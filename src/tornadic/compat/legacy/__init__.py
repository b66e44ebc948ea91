"""What Tornado had in versions 1 to 5 and has removed, for the programs that still use it.

Reached by the hooks in `tornadic._legacy` only, and loaded when a program first needs it.  Each
form does what it did in the last version of Tornado that had it, and warns.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MODULES", "NAMES"]

NAMES: Final[dict[str, dict[str, tuple[str, str]]]] = {}
"""The names that are gone: module, name, then the room here that has it and what to write today."""

MODULES: Final[dict[str, tuple[str, str]]] = {}
"""The modules that are gone: the room here that is in their place, and what to write today."""
