"""What Tornado had in versions 1 to 5 and has removed, for the programs that still use it.

Reached by the hooks in `tornadic._legacy` only, and loaded when a program first needs it.  Each
form does what it did in the last version of Tornado that had it, and warns.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MODULES", "NAMES"]

_CALLBACKS = "write async def, and await what returns a future"
_KEYS = "await the futures themselves, or gen.multi of several"

NAMES: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "concurrent": {
        "TracebackFuture": ("futures", "write Future"),
        "return_future": ("futures", _CALLBACKS),
    },
    "gen": {
        "Arguments": ("coroutines", _CALLBACKS),
        "Callback": ("coroutines", _KEYS),
        "Task": ("coroutines", _CALLBACKS),
        "Wait": ("coroutines", _KEYS),
        "WaitAll": ("coroutines", _KEYS),
        "YieldFuture": ("coroutines", "yield or await the future"),
        "YieldPoint": ("coroutines", "write a class with __await__"),
        "engine": ("coroutines", _CALLBACKS),
        "return_future": ("futures", _CALLBACKS),
    },
}
"""The names that are gone: module, name, then the room here that has it and what to write today."""

MODULES: Final[dict[str, tuple[str, str]]] = {
    "stack_context": ("contexts", "use contextvars, and try around what a coroutine awaits"),
}
"""The modules that are gone: the room here that is in their place, and what to write today."""
