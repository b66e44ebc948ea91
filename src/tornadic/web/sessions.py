"""Where sessions hold on to handlers: what `tornadic.sessions` is asked, and nothing of it.

An application that has a store of sessions has somebody to ask in ``_sessions``, and if they have
to be waited for, in ``_remote_sessions`` too; without one, nothing of this is ever called.  What
takes part in the end of a request is its `Ending`: an open session, or the way out through
middleware, which asks the session in its turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tornadic.web.application import Application
    from tornadic.web.handler import RequestHandler

__all__ = ["Ending", "SessionAttribute", "SessionKeeper"]


class Ending(Protocol):
    """What takes part in the end of a request.

    It is given the handler each time.  A session keeps none: two that hold each other are not
    freed until somebody looks for them, which costs more than all the rest.
    """

    @property
    def _opened(self) -> Any:
        """The session of the request, which is an `Ending` too; None if nobody asked for it yet.

        Then it is set here by whoever opens it.
        """

    def before_finish(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        """Do what is due first, with the headers too if they go out only now.

        Returns the response, if that goes on later by itself, or None to go on.
        """

    def before_head(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        """Add to the headers of a response that goes on; the same as `before_finish`."""


class SessionKeeper(Protocol):
    """Whoever keeps the sessions of an application."""

    def attach_to(self, application: Application) -> None:
        """Become the one who keeps them."""

    def prepare(self, handler: RequestHandler) -> Any:
        """Do what has to be done before ``prepare``, and that; what is to be waited for."""

    def open(self, handler: RequestHandler) -> Any:
        """The session of a request, or None if it can have none."""


class SessionAttribute:
    """``self.session``, found when it is asked for, and a plain attribute from then on.

    A program that has sessions of its own may set it like any other attribute.
    """

    def __get__(self, handler: RequestHandler | None, owner: type | None = None) -> Any:
        if handler is None:
            return self
        keeper = handler.application._sessions
        session = None if keeper is None else keeper.open(handler)
        if session is None:
            raise AttributeError("a handler has a session if the setting 'session_store' is given")
        # Not by way of __dict__: an object that has had to make one is slower from then on.
        handler.session = session
        return session
