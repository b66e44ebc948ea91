"""Sessions for some handlers: a class in front of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornadic.sessions.session import Session
from tornadic.sessions.store import SessionStore
from tornadic.web.handler import RequestHandler

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest
    from tornadic.web.application import Application
    from tornadic.web.sessions import SessionKeeper

__all__ = ["SessionMixin"]


class SessionMixin:
    """Gives the handlers of a class a session: ``class MyHandler(SessionMixin, RequestHandler)``.

    ``session_store`` is where it is kept, which all handlers of a site should share; None: where
    the application's setting of that name says.  The other settings are the application's.
    Raises TypeError if the class stands behind `RequestHandler`.
    """

    session_store: SessionStore | None = None

    session_autoload = True
    """Whether a session in a remote store is loaded before `prepare`; else by `load_session`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        if RequestHandler in order and order.index(RequestHandler) < order.index(SessionMixin):
            raise TypeError(f"SessionMixin must come before the handler in {cls.__name__}")

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        if self.session_store is not None and not isinstance(application._sessions, _ByHandler):
            _ByHandler(application._sessions).attach_to(application)
        super().__init__(application, request, **kwargs)  # type: ignore[call-arg]

    async def load_session(self) -> Session:
        """The session, loaded: `Session.load`."""
        session: Session = self.session  # type: ignore[attr-defined]
        return await session.load()


class _ByHandler:
    """Asks each handler for its store, and the application only if it has none of its own."""

    def __init__(self, others: SessionKeeper | None) -> None:
        self._others = others
        self._keepers: dict[SessionStore, SessionKeeper] = {}

    def attach_to(self, application: Application) -> None:
        application._sessions = application._remote_sessions = self

    def prepare(self, handler: RequestHandler) -> Any:
        keeper = self._keeper_of(handler)
        return handler.prepare() if keeper is None else keeper.prepare(handler)

    def open(self, handler: RequestHandler) -> Any:
        keeper = self._keeper_of(handler)
        return None if keeper is None else keeper.open(handler)

    def _keeper_of(self, handler: RequestHandler) -> SessionKeeper | None:
        store = handler.session_store if isinstance(handler, SessionMixin) else None
        if store is None:
            return self._others
        keeper = self._keepers.get(store)
        if keeper is None:
            keeper = self._keepers[store] = store.sessions_for(handler.settings)
        return keeper
