"""`IOLoop` classes on asyncio, and bridges between the two.

The classes differ only in the asyncio loop that they sit on: `AsyncIOMainLoop` takes the one of
the thread, `AsyncIOLoop` makes a new one or takes one that it is given.  None of them need be
named in programs; `.IOLoop.current` gives the right one.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable
from typing import Any

from tornadic._yieldable import Yieldable, convert_yielded
from tornadic.concurrent import Future
from tornadic.ioloop import IOLoop, _asyncio_loop_of_thread
from tornadic.platform._selector import (
    AddThreadSelectorEventLoop,
    SelectorThread,
)
from tornadic.platform._selector import (
    _atexit_callback as _atexit_callback,
)
from tornadic.platform._selector import (
    _selector_loops as _selector_loops,
)

__all__ = [
    "AddThreadSelectorEventLoop",
    "AsyncIOLoop",
    "AsyncIOMainLoop",
    "BaseAsyncIOLoop",
    "SelectorThread",
    "to_asyncio_future",
    "to_tornado_future",
]


class BaseAsyncIOLoop(IOLoop):
    """An `.IOLoop` on a given asyncio loop."""

    def _set_up_on(self, asyncio_loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        """Sit on ``asyncio_loop``; ``kwargs`` are those of `.IOLoop`.

        Raises `RuntimeError` if it has an `.IOLoop` already.
        """
        registry = IOLoop._ioloop_for_asyncio
        # asyncio.run() closes its loop without telling us.
        for known in [loop for loop in registry if loop is not None and loop.is_closed()]:
            registry.pop(known, None)
        if asyncio_loop in registry:
            raise RuntimeError(
                f"IOLoop {registry[asyncio_loop]!r} already associated with asyncio loop"
                f" {asyncio_loop!r}"
            )
        self.asyncio_loop = asyncio_loop
        self.selector_loop = asyncio_loop
        if sys.platform == "win32" and isinstance(asyncio_loop, asyncio.ProactorEventLoop):
            self.selector_loop = AddThreadSelectorEventLoop(asyncio_loop)
        super().initialize(**kwargs)
        registry[asyncio_loop] = self

    initialize: Callable[..., None] = _set_up_on


class AsyncIOMainLoop(BaseAsyncIOLoop):
    """The `.IOLoop` of the thread's asyncio loop, the one that runs or is set.

    Made by `.IOLoop.current` when needed.  Closing it closes the asyncio loop.
    """

    def initialize(self, **kwargs: Any) -> None:
        asyncio_loop = _asyncio_loop_of_thread()
        if asyncio_loop is None:
            asyncio_loop = asyncio.new_event_loop()
            asyncio.set_event_loop(asyncio_loop)
        super().initialize(asyncio_loop, **kwargs)


class AsyncIOLoop(BaseAsyncIOLoop):
    """An `.IOLoop` on a new asyncio loop, or on the one given as ``asyncio_loop``.

    While it is current, its asyncio loop is the thread's; afterwards the former one is again.
    """

    _is_current = False
    _former: asyncio.AbstractEventLoop | None = None

    def initialize(self, **kwargs: Any) -> None:
        given: asyncio.AbstractEventLoop | None = kwargs.pop("asyncio_loop", None)
        if given is not None:
            super().initialize(given, **kwargs)
            return
        asyncio_loop = asyncio.new_event_loop()
        try:
            super().initialize(asyncio_loop, **kwargs)
        except BaseException:
            asyncio_loop.close()
            raise

    def close(self, all_fds: bool = False) -> None:
        super().close(all_fds=all_fds)
        self._clear_current_hook()

    def _make_current(self) -> None:
        if not self._is_current:
            self._former = _asyncio_loop_of_thread()
            self._is_current = True
        asyncio.set_event_loop(self.asyncio_loop)

    def _clear_current_hook(self) -> None:
        if self._is_current:
            asyncio.set_event_loop(self._former)
            self._former = None
            self._is_current = False


def to_tornado_future(asyncio_future: Future[Any]) -> Future[Any]:
    """Return ``asyncio_future``: the two kinds are one.  Deprecated."""
    return asyncio_future


def to_asyncio_future(tornado_future: Yieldable) -> Future[Any]:
    """Do what `.gen.convert_yielded` does.  Deprecated."""
    return convert_yielded(tornado_future)


def _make_policy_class() -> type[Any]:
    # Made on demand: from Python 3.14 on, asyncio warns when its policies are only named.
    base: Any = asyncio.DefaultEventLoopPolicy
    if sys.platform == "win32":
        base = asyncio.WindowsSelectorEventLoopPolicy

    class AnyThreadEventLoopPolicy(base):  # type: ignore[misc]
        """An asyncio policy that makes a loop in any thread that asks for one, on first use.

        Deprecated: use `asyncio.run`, or `asyncio.new_event_loop` in the thread.
        """

        def __init__(self) -> None:
            super().__init__()
            warnings.warn(
                "AnyThreadEventLoopPolicy is deprecated, use asyncio.run "
                "or asyncio.new_event_loop instead",
                DeprecationWarning,
                stacklevel=2,
            )

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            try:
                loop: asyncio.AbstractEventLoop = super().get_event_loop()
            except RuntimeError:
                loop = self.new_event_loop()
                self.set_event_loop(loop)
            return loop

    return AnyThreadEventLoopPolicy


def __getattr__(name: str) -> Any:
    if name != "AnyThreadEventLoopPolicy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    policy_class = globals()[name] = _make_policy_class()
    return policy_class
