"""Tasks that begin at once, where Python can do that."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["CAN_BEGIN_AT_ONCE", "start"]

_T = TypeVar("_T")

CAN_BEGIN_AT_ONCE: Final = sys.version_info >= (3, 12)


def start(coroutine: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop) -> asyncio.Task[_T]:
    """Run ``coroutine`` in a task of ``loop``, which runs.

    Where Python can (3.12), it has gone on to its first real wait when this returns, and may even
    be done; before, it begins in the loop's next turn.
    """
    if CAN_BEGIN_AT_ONCE:
        return asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg]
    return asyncio.Task(coroutine, loop=loop)
