"""Between handlers and a store: the cookie, when to load and save, and what if that fails.

A handler's session is made when somebody asks for ``self.session``.  A local store is asked there
and then; a remote one before `prepare`, and only if the client has sent a cookie.  `finish` saves
what was changed before anything goes out, so that the client's next request finds it.  If that
takes waiting, the response waits in a task of its own, and `finish` is called again by it.

The client is told a new identifier when the store has taken it, and an unknown one is never
adopted: the session that takes its place has an identifier of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tornadic._yieldable import awaitable_of
from tornadic.iostream import StreamClosedError
from tornadic.log import gen_log
from tornadic.sessions.session import MAX_CHARACTERS, Session
from tornadic.sessions.store import Change, Record, SessionStore, SessionStoreError
from tornadic.web.basic_handlers import ErrorHandler, RedirectHandler
from tornadic.web.errors import Finish, HTTPError
from tornadic.web.handler import RequestHandler
from tornadic.web.static import StaticFileHandler

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest
    from tornadic.sessions.options import SessionOptions
    from tornadic.web.application import Application

__all__ = ["Sessions"]

KEY_BYTES = 24
"""192 bits: nobody guesses one of them."""
_KEY_CHARACTERS = KEY_BYTES * 4 // 3

LONGEST_COOKIE = 400 * 86400
"""Browsers keep none for longer (RFC 6265bis section 5.5)."""

# These have no use for a session.  A subclass may.
_WITHOUT = frozenset({ErrorHandler, RedirectHandler, StaticFileHandler})

# The loop itself does not keep its tasks alive.
_finishing: set[asyncio.Task[None]] = set()


class Sessions:
    """What one application does with one store."""

    def __init__(self, store: SessionStore, options: SessionOptions) -> None:
        self._store = store
        self._options = options
        self._is_remote = store.is_remote
        self._name = options.cookie_name
        self._pattern = f"{self._name}="
        self._pattern_length = len(self._pattern)
        # What did not work the last time: loading, saving.
        self._failing: set[str] = set()

    def attach_to(self, application: Application) -> None:
        """Keep the sessions of an application."""
        application._sessions = self
        application._remote_sessions = self if self._is_remote else None

    # A request begins

    def prepare(self, handler: RequestHandler) -> Any:
        """What `RequestHandler.prepare` returns, with the session loaded before it."""
        if (
            self._is_remote
            and type(handler) not in _WITHOUT
            and getattr(handler, "session_autoload", True)
            and self.open(handler)._pending is not None
        ):
            return self._load_then_prepare(handler)
        return handler.prepare()

    async def _load_then_prepare(self, handler: RequestHandler) -> None:
        try:
            await self.load(self.open(handler))
        except HTTPError:
            _refuse(handler)
        waiting = handler.prepare()
        if waiting is not None:
            await awaitable_of(waiting)

    def open(self, handler: RequestHandler) -> Session:
        """The session of a request; the store is asked if it is a local one."""
        ending = handler._ending
        if ending is not None and ending._opened is not None:
            return ending._opened  # type: ignore[no-any-return]
        header = handler.request.headers.peek("Cookie")
        key = None if header is None else self._key_in(header, handler.request)
        store: Any = self._store
        failure = None
        if key is None:
            session = Session(self)
        elif self._is_remote:
            session = Session(self)
            session._expect(key)
        else:
            try:
                session = Session(self, key, store.load(key))
            except SessionStoreError as error:
                session, failure = Session(self), error
        if ending is None:
            handler._ending = session
        else:
            ending._opened = session  # type: ignore[misc]  # for it has none yet
        if handler._headers_written:
            session._headers_are_out = True
            session._is_usual = False
        if failure is not None:
            if not self._goes_on_without(session, "loaded", failure):
                _refuse(handler)
        elif self._failing and key is not None and not self._is_remote:
            self._worked("loaded")
        return session

    def _key_in(self, header: str, request: HTTPServerRequest) -> str | None:
        """The identifier that the client has sent, if it may be one of ours."""
        # The usual case: the last that is there, as browsers write it.
        start = header.rfind(self._pattern)
        if start == 0 or (start > 0 and header[start - 2 : start] == "; "):
            start += self._pattern_length
            end = start + _KEY_CHARACTERS
            if end == len(header) or header[end : end + 1] == ";":
                key = header[start:end]
                return key if key.isascii() and ";" not in key else None
        elif self._name not in header:
            return None
        sent = request.cookie_values.get(self._name)
        return sent if sent and len(sent) == _KEY_CHARACTERS and sent.isascii() else None

    async def load(self, session: Session) -> None:
        """Ask a remote store.  Raises `HTTPError` 503 if that fails, and so does the request."""
        key = session._pending
        assert key is not None
        try:
            record = await cast("Awaitable[Record | None]", self._store.load(key))
        except SessionStoreError as error:
            if not self._goes_on_without(session, "loaded", error):
                raise HTTPError(503) from None
            return
        if self._failing:
            self._worked("loaded")
        if session._pending is not None:
            session._fill(key, record)

    # A request ends

    def update(self, handler: RequestHandler, session: Session) -> asyncio.Future[None] | None:
        """What `finish` does with a session that is there, where values were set and no more."""
        if handler._status_code >= 500:
            return None
        record: Any = session._record
        # What is replaced counts too at first: that is quicker, and almost always enough.
        record.at_most += session._grown
        if record.at_most > MAX_CHARACTERS:
            session._check_size()
        change = Change(session._written or {}, (), record)
        try:
            saving = self._store.save(session._key or "", change)
        except SessionStoreError as error:
            return self._go_on_unsaved(handler, session, error)
        if saving is True and not self._failing:
            return None
        return self._settle_in_time(handler, session, saving)

    def finish(self, handler: RequestHandler, session: Session) -> asyncio.Future[None] | None:
        """Save a session; the response, if it goes on later, or None if it may go on now."""
        if not session._is_over:
            if session._saving is not None and session._saving.locked():
                saving = self._save_after_that(handler, session)
                return self._settle_in_time(handler, session, saving)
            later = self._save_at_end(handler, session)
            if later is not None:
                return later
        if not handler._headers_written:
            self.mark(handler, session)
        return None

    def _save_at_end(
        self, handler: RequestHandler, session: Session
    ) -> asyncio.Future[None] | None:
        session._is_usual = False
        try:
            if not self._is_to_be_saved(handler, session):
                return None
            change = session._change()
        finally:
            session._is_over = True
        if change is None and session._dropped is None:
            return None
        try:
            saving = self._write(session, change)
        except SessionStoreError as error:
            return self._go_on_unsaved(handler, session, error)
        return self._settle_in_time(handler, session, saving)

    def _is_to_be_saved(self, handler: RequestHandler, session: Session) -> bool:
        """Whether what was done to a session counts."""
        # A request that failed has perhaps done half of what it was to do.
        has_failed = handler._status_code >= 500
        return not (has_failed or session._pending is not None or session._is_throwaway)

    async def _save_after_that(self, handler: RequestHandler, session: Session) -> bool:
        """Save at the end what the handler itself has not saved; it is still about that.

        Returns whether there was something to save, and it was kept.
        """
        assert session._saving is not None
        async with session._saving:
            counts = self._is_to_be_saved(handler, session)
            change = session._change() if counts else None
            session._is_over = True
            if change is None and not (counts and session._dropped is not None):
                return False
            return await _kept(self._write(session, change))

    def _settle_in_time(
        self, handler: RequestHandler, session: Session, saving: bool | Awaitable[bool]
    ) -> asyncio.Future[None] | None:
        """Settle what was saved: at once, or when the store is done, and the response waits."""
        if isinstance(saving, bool):
            self._settle(session, saving)
            return None
        handler._finished = True
        task = asyncio.ensure_future(self._finish_later(handler, session, saving))
        _finishing.add(task)
        task.add_done_callback(_finished)
        return task

    def _go_on_unsaved(
        self, handler: RequestHandler, session: Session, error: SessionStoreError
    ) -> asyncio.Future[None] | None:
        return None if self._failed_to_save(handler, session, error) else _completed()

    async def _finish_later(
        self, handler: RequestHandler, session: Session, saving: Awaitable[bool]
    ) -> None:
        try:
            kept = await saving
            handler._finished = False
            self._settle(session, kept)
        except SessionStoreError as error:
            handler._finished = False
            if not self._failed_to_save(handler, session, error):
                return
        except asyncio.CancelledError:
            handler._finished = False
            handler._abort()
            raise
        except Exception as error:
            handler._finished = False
            handler._handle_request_exception(error)
            return
        try:
            # What subclasses made of it has been called already.
            await RequestHandler.finish(handler)
        except StreamClosedError:
            raise  # for whoever waits for it
        except Exception as error:
            handler._handle_request_exception(error)

    async def save(self, session: Session) -> None:
        """What `Session.save` does."""
        session._require_loaded()
        if session._is_throwaway:
            return
        session._is_usual = False
        if session._saving is None:
            session._saving = asyncio.Lock()
        async with session._saving:
            await self._save_now(session)

    async def _save_now(self, session: Session) -> None:
        change = session._change()
        if change is None and session._dropped is None:
            if session._key is not None:
                touching = self._store.touch(session._key)
                if touching is not None:
                    await touching
            return
        is_new = change is not None and (session._key is None or change.replaces is not None)
        if (is_new or session._dropped is not None) and session._told != (session._next_key or ""):
            session._require_headers()  # the client has to be told yet
        # What is set while we wait is for the next time.
        before = session._count_as_stored()
        try:
            kept = await _kept(self._write(session, change))
        except BaseException:
            session._count_as_unsaved(*before)
            if session._told != session._next_key:
                session._next_key = None
            raise
        self._settle(session, kept)

    def _write(self, session: Session, change: Change | None) -> bool | Awaitable[bool]:
        """Have the store carry out what is due."""
        if session._dropped is not None:
            deleting = self._store.delete(session._dropped)
            if deleting is not None:
                return self._delete_then_save(deleting, session, change)
        return True if change is None else self._save(session, change)

    async def _delete_then_save(
        self, deleting: Awaitable[None], session: Session, change: Change | None
    ) -> bool:
        await deleting
        if change is None:
            return True
        return await _kept(self._save(session, change))

    def _save(self, session: Session, change: Change) -> bool | Awaitable[bool]:
        key = session._key
        if key is None or change.replaces is not None:
            key = session._next_key = session._next_key or secrets.token_urlsafe(KEY_BYTES)
        return self._store.save(key, change)

    def _settle(self, session: Session, kept: bool) -> None:
        """The store has taken it; the client is to be told its new identifier, if it has one."""
        if self._failing:
            self._worked("saved")
        key = session._key
        if kept and session._next_key is not None:
            # Otherwise another request has ended this session, or renewed it, and so it stays.
            key = session._told = session._next_key
        elif kept and key is None:
            session._told = ""
        if not session._is_over:
            session._saved(key, self._store.clock())

    # Headers

    def mark(self, handler: RequestHandler, session: Session) -> None:
        """Add to a response's headers, which go out now, whether saved or still to be saved."""
        session._is_usual = False
        headers = handler._headers
        if "Vary" not in headers._fields:
            headers._fields["Vary"] = "Cookie"
        elif "cookie" not in headers["Vary"].lower() and headers["Vary"] != "*":
            headers["Vary"] += ", Cookie"
        if not session._is_over and self._is_to_be_saved(handler, session):
            # A response in pieces: the session is saved at its end, the cookie goes now.
            change = session._change()
            if change is not None and (session._key is None or change.replaces is not None):
                session._told = session._next_key = secrets.token_urlsafe(KEY_BYTES)
            elif session._dropped is not None:
                session._told = ""
        session._headers_are_out = True
        if session._told:
            self._set_cookie(handler, session._told)
        elif session._told is not None:
            handler.clear_cookie(self._name, **self._cookie_attributes(handler))

    def _set_cookie(self, handler: RequestHandler, key: str) -> None:
        options, lifetime = self._options, self._store.lifetime
        max_age = LONGEST_COOKIE if lifetime is None else min(int(lifetime) or 1, LONGEST_COOKIE)
        handler.set_cookie(
            self._name,
            key,
            max_age=max_age if options.cookie_persistent else None,
            **self._cookie_attributes(handler),
        )
        # What is stored by others must not hand the cookie on.
        if "Cache-Control" not in handler._headers:
            handler._headers["Cache-Control"] = "private"

    def _cookie_attributes(self, handler: RequestHandler) -> dict[str, Any]:
        options = self._options
        secure = options.cookie_secure
        if secure is None:
            secure = options.must_be_secure or handler.request.protocol == "https"
        return {
            "domain": options.cookie_domain,
            "httponly": True,
            "secure": secure,
            "samesite": options.cookie_samesite,
        }

    # Failures

    def _goes_on_without(self, session: Session, what: str, error: SessionStoreError) -> bool:
        """Whether the request goes on with a session that is not kept."""
        self._failed(what, error)
        session._pending = None
        session._is_throwaway = True
        session._is_usual = False
        return self._options.on_store_error == "fresh"

    def _failed_to_save(
        self, handler: RequestHandler, session: Session, error: SessionStoreError
    ) -> bool:
        """Whether the response goes on as it is; otherwise a 503 was sent in its place."""
        if self._goes_on_without(session, "saved", error) or handler._headers_written:
            return True
        handler.send_error(503)
        return False

    def _failed(self, what: str, error: SessionStoreError) -> None:
        """Say once that the store does not do it, however many requests notice."""
        if what not in self._failing:
            self._failing.add(what)
            gen_log.error("Sessions cannot be %s: %s", what, error)

    def _worked(self, what: str) -> None:
        if what in self._failing:
            self._failing.discard(what)
            gen_log.warning("Sessions can be %s again", what)


async def _kept(saving: bool | Awaitable[bool]) -> bool:
    """Whether a store has kept what it was given, at once or later."""
    return saving if isinstance(saving, bool) else await saving


def _refuse(handler: RequestHandler) -> NoReturn:
    """Answer 503, without what a page of errors would tell of its cause."""
    handler.send_error(503)
    raise Finish


def _finished(task: asyncio.Task[None]) -> None:
    _finishing.discard(task)
    if not task.cancelled():
        task.exception()  # a client that has gone is no news, if nobody asks


def _completed() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
