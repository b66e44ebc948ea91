"""A session as a handler sees it: a mapping that knows what was changed in it.

What the store has is JSON text by key.  A value is decoded when it is asked for, and at the end
of the request each list and dictionary that was handed out is encoded again: if the text is
another, it was changed in place.  Whoever asks for little pays little, and nobody has to say what
he changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tornadic.log import gen_log
from tornadic.sessions.store import Change, Record
from tornadic.sessions.values import CONTAINERS, TO_TEXT, decode, encode

if TYPE_CHECKING:
    import asyncio

    from tornadic.sessions.binding import Sessions
    from tornadic.web.handler import RequestHandler

__all__ = ["Session"]

MAX_CHARACTERS = 1 << 20
"""Of all values together, as JSON.  It is read with every request: more belongs elsewhere."""
MAX_FLASHED = 32
"""Of messages that nobody has seen yet; then the oldest are dropped."""

_FLASHED = "_flash"
_NOTHING: Mapping[str, str] = {}
_MISSING = object()


class Session(MutableMapping[str, Any]):
    """What is kept of a client from one request to the next: JSON values by text keys.

    Handlers have it as ``self.session``.  It is saved when the response is finished, if anything
    was changed, and only then does the client get its cookie.  Nothing is saved with a response
    of status 500 or above.

    Setting what is not JSON raises TypeError, and so does a key that is no text.  A session of
    over `MAX_CHARACTERS` raises ValueError when it is to be saved.
    """

    # Nearly always values are read and set, and no more.  Whatever else there is to be said of a
    # session stands here, and who says it takes `_is_usual` away, so that nobody has to ask.
    # What the client sent, until the store was asked for it.
    _pending: str | None = None
    # Values that somebody may change in place.
    _lent: Mapping[str, Any] = _NOTHING
    # Keys that the store has and shall not have, unless they are written anew.
    _removed: frozenset[str] = frozenset()
    # What is to be done at the end.
    _renewed = False
    _dropped: str | None = None
    _next_key: str | None = None
    # The cookie that goes with the headers: "" to remove it.
    _told: str | None = None
    _headers_are_out = False
    _is_throwaway = False
    # One `save` after the other.
    _saving: asyncio.Lock | None = None

    def __init__(
        self, sessions: Sessions, key: str | None = None, record: Record | None = None
    ) -> None:
        self._sessions = sessions
        self._is_usual = True
        # The response was finished.
        self._is_over = False
        # As the store has it, but for what was removed.
        self._key = None if record is None else key
        self._record = record
        self._stored = _NOTHING if record is None else record.values
        # What is not as it is stored, and no fewer characters than it has.
        self._written: dict[str, str] | None = None
        self._grown = 0

    async def load(self) -> Session:
        """Ask a remote store for the session, if that has not been done, and return it.

        It has been done before `prepare`, unless the handler has ``session_autoload = False``.
        Raises `HTTPError` 503 if that fails and is not to be passed over.
        """
        if self._pending is not None:
            await self._sessions.load(self)
        return self

    async def save(self) -> None:
        """Save the session now, or note that it is still in use.

        For handlers that go on after the headers have gone out, such as WebSockets.  What is set
        meanwhile is for the next time.  Raises `SessionStoreError`, after which what was to be
        saved still is, and RuntimeError if the client has to be told a new identifier, or that
        it has none any more, and the headers went out without that.
        """
        await self._sessions.save(self)

    @property
    def is_new(self) -> bool:
        """Whether the client had no session before this request."""
        self._require_loaded()
        return self._key is None

    # A mapping

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default``."""
        if not self._is_usual:
            self._require_loaded()
            if key in self._lent:
                return self._lent[key]
        written = self._written
        text = self._stored.get(key) if written is None or key not in written else written[key]
        if text is None:
            return default
        try:
            value = decode(text)
        except ValueError:
            # Somebody has been at the store.
            gen_log.error("A session has no JSON under %r, which is dropped", key)
            self._remove(key)
            return default
        if type(value) in CONTAINERS:
            self._lend(key, value)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the keys of a session are text, and {key!r} is not")
        try:
            text = TO_TEXT[type(value)](value)
        except (KeyError, ValueError):
            text = encode(key, value)
            self._is_usual = False  # for it may change in place
        if not self._is_usual:
            self._make_way(key, value)
        if self._stored.get(key) == text:
            if self._written is not None:
                self._written.pop(key, None)
        elif self._written is None:
            self._written = {key: text}
        else:
            self._written[key] = text
        self._grown += len(text)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._require_savable()
        self._take_back(key)
        if self._written is not None:
            self._written.pop(key, None)
        if key in self._stored:
            self._remove(key)

    def __contains__(self, key: object) -> bool:
        self._require_loaded()
        return key in self._stored or (self._written is not None and key in self._written)

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._texts() if key != _FLASHED])

    def __len__(self) -> int:
        texts = self._texts()
        return len(texts) - (_FLASHED in texts)

    def __repr__(self) -> str:
        if self._pending is not None:
            return "<Session, not loaded>"
        return f"<Session {dict(self)!r}>"

    # Beginning anew

    def regenerate(self) -> None:
        """Give the session a new identifier; the old one is dead.

        To be called when somebody logs in: who knew the identifier before that, or made the
        client use it, is left outside.  The content stays.  Raises RuntimeError once the headers
        have gone out.
        """
        self._require_loaded()
        self._require_headers()
        self._renewed = True
        self._is_usual = False

    def clear(self) -> None:
        """Forget everything, as when somebody logs out.

        The identifier is dead, and the cookie goes, unless something is set afterwards: that
        begins a new session.  Raises RuntimeError once the headers have gone out.
        """
        self._require_loaded()
        self._require_headers()
        if self._key is not None:
            self._dropped = self._key
            self._is_usual = False
        self._key = None
        self._record = None
        self._stored = _NOTHING
        self._written = None
        self._removed = frozenset()
        self._lent = _NOTHING
        self._renewed = False

    # Messages for the next page

    def flash(self, message: Any, category: str = "message") -> None:
        """Leave a message for the next page that asks for it by `get_flashed`.

        ``category`` is a word for the page, such as "error".
        """
        messages = [*self.get(_FLASHED, ()), [category, message]]
        self[_FLASHED] = messages[-MAX_FLASHED:]

    def get_flashed(self, category: str | None = None) -> list[tuple[str, Any]]:
        """The messages left so far, as pairs of category and message; they are gone then.

        ``category``: only those of that one; the others stay.
        """
        if _FLASHED not in self:
            return []
        messages = self[_FLASHED]
        taken = [(kind, text) for kind, text in messages if category in (None, kind)]
        left = [one for one in messages if category not in (None, one[0])]
        if left:
            self[_FLASHED] = left
        else:
            del self[_FLASHED]
        return taken

    # For the handler

    @property
    def _opened(self) -> Session:
        return self

    def before_finish(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        """Save what is to be saved; what to wait for if the response goes on later, or None."""
        if not self._is_usual or (self._record is None and self._written):
            return self._sessions.finish(handler, self)
        self._is_usual = False
        self._is_over = True
        fields = handler._headers._fields
        if "Vary" not in fields:
            fields["Vary"] = "Cookie"
        else:
            self._sessions.mark(handler, self)
        return self._sessions.update(handler, self) if self._written else None

    def before_head(self, handler: RequestHandler) -> None:
        """Add to the headers of the response what they have to say of the session."""
        self._sessions.mark(handler, self)

    # Inside

    def _expect(self, key: str) -> None:
        """Wait for what the store has under ``key``."""
        self._pending = key
        self._is_usual = False

    def _fill(self, key: str, record: Record | None) -> None:
        """Take what the store has under ``key``."""
        self._pending = None
        self._is_usual = not (self._headers_are_out or self._is_over)
        if record is not None:
            self._key = key
            self._record = record
            self._stored = record.values

    def _texts(self) -> dict[str, str]:
        """All that is there, as JSON."""
        self._require_loaded()
        return {**self._stored, **(self._written or _NOTHING)}

    def _remove(self, key: str) -> None:
        self._removed |= {key}
        self._stored = {k: text for k, text in self._stored.items() if k != key}
        self._is_usual = False

    def _lend(self, key: str, value: Any) -> None:
        self._lent = {**self._lent, key: value}
        self._is_usual = False

    def _take_back(self, key: str) -> None:
        if key in self._lent:
            self._lent = {k: value for k, value in self._lent.items() if k != key}

    def _make_way(self, key: str, value: Any) -> None:
        """What is to be done for a new value where more was done before than to set values."""
        self._require_savable()
        if type(value) in TO_TEXT:
            self._take_back(key)
        else:
            self._lend(key, value)

    def _require_loaded(self) -> None:
        if self._pending is not None:
            raise RuntimeError("the session is not loaded yet: await self.session.load()")

    def _require_savable(self) -> None:
        self._require_loaded()
        if self._key is None and self._next_key is None:
            self._require_headers()

    def _require_headers(self) -> None:
        if self._headers_are_out or self._is_over:
            raise RuntimeError("the headers have gone out, and the client cannot get its cookie")

    def _change(self) -> Change | None:
        """What there is to save, if anything; ValueError if that is too much."""
        for key, value in self._lent.items():
            self._note_change_in_place(key, encode(key, value))
        written = self._written or _NOTHING
        removed = self._removed - written.keys()
        replaces = self._key if self._renewed else None
        if not written and not removed and replaces is None:
            return None
        self._check_size()
        return Change(written, removed, self._record, replaces)

    def _note_change_in_place(self, key: str, text: str) -> None:
        written = self._written or {}
        if text == self._stored.get(key):
            written.pop(key, None)
        elif text != written.get(key):
            self._require_savable()
            written[key] = text
            self._written = written
            self._grown += len(text)

    def _check_size(self) -> None:
        """Raise ValueError if it is too much."""
        record = self._record
        stored = _NOTHING if record is None else record.values
        texts = {key: text for key, text in stored.items() if key not in self._removed}
        texts.update(self._written or _NOTHING)
        size = sum(map(len, texts.values()))
        if size > MAX_CHARACTERS:
            raise ValueError(f"a session of over {MAX_CHARACTERS} characters cannot be kept")
        if record is not None:
            record.at_most = size

    def _count_as_stored(self) -> tuple[Mapping[str, str], frozenset[str]]:
        """Take it that the store has what is here; how it was before, if that turns out wrong."""
        before = self._stored, self._removed
        self._stored = self._texts()
        self._written = None
        self._grown = 0
        self._removed = frozenset()
        if self._record is not None:
            self._record = replace(self._record, values=self._stored)
        return before

    def _count_as_unsaved(self, stored: Mapping[str, str], removed: frozenset[str]) -> None:
        """The store has only what it had."""
        texts = self._texts()
        self._stored = {key: text for key, text in stored.items() if key in texts}
        self._written = {key: text for key, text in texts.items() if stored.get(key) != text}
        self._grown = sum(map(len, self._written.values()))
        self._removed = (removed | (stored.keys() - texts.keys())) - texts.keys()
        self._is_usual = False

    def _saved(self, key: str | None, now: float) -> None:
        """The session is stored under ``key`` from ``now`` on, as it counts already."""
        self._key = key
        self._next_key = self._dropped = None
        self._renewed = False
        if key is None:
            self._record = None
        elif self._record is None:
            self._record = Record(self._stored, now, now)
