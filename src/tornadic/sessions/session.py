"""A session as a handler sees it: a mapping that knows what was changed in it.

What the store has is JSON text by key.  A value is decoded when it is asked for, and at the end
of the request each list and dictionary that was handed out is encoded again: if the text is
another, it was changed in place.  Whoever asks for little pays little, and nobody has to say what
he changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tornadic.log import gen_log
from tornadic.sessions.store import Change, Record
from tornadic.sessions.values import decode, encode

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
# These never change in place.
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Session(MutableMapping[str, Any]):
    """What is kept of a client from one request to the next: JSON values by text keys.

    Handlers have it as ``self.session``.  It is saved when the response is finished, if anything
    was changed, and only then does the client get its cookie.  Nothing is saved with a response
    of status 500 or above.

    Setting what is not JSON raises TypeError, and so does a key that is no text.  A session of
    over `MAX_CHARACTERS` raises ValueError when it is to be saved.
    """

    # Most requests touch none of these, and pay for none.
    _key: str | None = None
    _record: Record | None = None
    _stored: Mapping[str, str] = MappingProxyType({})
    # What is not as it is stored: texts by key, and keys.
    _written: dict[str, str] | None = None
    _removed: frozenset[str] = frozenset()
    # Whether there is a value that may change in place.
    _hands_out = False
    # What is to be done at the end.
    _renewed = False
    _dropped: str | None = None
    _next_key: str | None = None
    # The cookie that goes with the headers: "" to remove it.
    _told: str | None = None
    _headers_are_out = False
    _is_throwaway = False
    _is_over = False

    def __init__(self, sessions: Sessions, pending: str | None) -> None:
        self._sessions = sessions
        # What the client sent, until the store was asked for it.
        self._pending = pending
        # What was decoded or set.
        self._values: dict[str, Any] = {}

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

        For handlers that go on after the headers have gone out, such as WebSockets.  Raises
        `SessionStoreError`, and what cannot be kept is a RuntimeError at the place where it is
        set.
        """
        await self._sessions.save(self)

    @property
    def is_new(self) -> bool:
        """Whether the client had no session before this request."""
        self._require_loaded()
        return self._key is None

    # A mapping

    def __getitem__(self, key: str) -> Any:
        values = self._values
        if key in values:
            return values[key]
        if key not in self._stored or key in self._removed:
            self._require_loaded()
            raise KeyError(key)
        try:
            value = values[key] = decode(self._stored[key])
            if type(value) not in _SCALARS:
                self._hands_out = True
        except ValueError:
            # Somebody has been at the store.
            gen_log.error("A session has no JSON under %r, which is dropped", key)
            self._removed |= {key}
            raise KeyError(key) from None
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default``."""
        values = self._values
        if key in values:
            return values[key]
        if key in self._stored or self._pending is not None:
            try:
                return self[key]
            except KeyError:
                pass
        return default

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the keys of a session are text, and {key!r} is not")
        text = encode(key, value)
        if self._pending is not None or self._headers_are_out:
            self._require_savable()
        if self._removed:
            self._removed -= {key}
        if self._written is None:
            self._written = {}
        self._written[key] = text
        self._values[key] = value
        if type(value) not in _SCALARS:
            self._hands_out = True

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._require_savable()
        self._values.pop(key, None)
        if self._written is not None:
            self._written.pop(key, None)
        if key in self._stored:
            self._removed |= {key}

    def __contains__(self, key: object) -> bool:
        if self._pending is not None:
            self._require_loaded()
        if self._written is not None and key in self._written:
            return True
        return key in self._stored and key not in self._removed

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

    def clear(self) -> None:
        """Forget everything, as when somebody logs out.

        The identifier is dead, and the cookie goes, unless something is set afterwards: that
        begins a new session.  Raises RuntimeError once the headers have gone out.
        """
        self._require_loaded()
        self._require_headers()
        if self._key is not None:
            self._dropped = self._key
        self._key = None
        self._record = None
        self._stored = {}
        self._written = None
        self._removed = frozenset()
        self._values = {}
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

    def before_finish(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        """Save what is to be saved; what to wait for if the response goes on later, or None."""
        if self._is_over:
            return None
        if self._written or self._removed or self._hands_out or self._renewed or self._dropped:
            return self._sessions.finish(handler, self)
        self._is_over = True
        return None

    def before_head(self, handler: RequestHandler) -> None:
        """Add to the headers of the response what they have to say of the session."""
        fields = handler._headers._fields
        if self._is_over and self._told is None and "Vary" not in fields:
            fields["Vary"] = "Cookie"
            self._headers_are_out = True
        else:
            self._sessions.mark(handler, self)

    # Inside

    def _fill(self, key: str, record: Record | None) -> None:
        """Take what the store has under ``key``."""
        self._pending = None
        if record is not None:
            self._key = key
            self._record = record
            self._stored = record.values

    def _texts(self) -> dict[str, str]:
        """All that is there, as JSON."""
        self._require_loaded()
        texts = {**self._stored, **(self._written or {})}
        return {key: text for key, text in texts.items() if key not in self._removed}

    def _require_loaded(self) -> None:
        if self._pending is not None:
            raise RuntimeError("the session is not loaded yet: await self.session.load()")

    def _require_savable(self) -> None:
        self._require_loaded()
        if self._key is None and self._next_key is None:
            self._require_headers()

    def _require_headers(self) -> None:
        if self._headers_are_out:
            raise RuntimeError("the headers have gone out, and the client cannot get its cookie")

    def _change(self) -> Change | None:
        """What there is to save, if anything."""
        stored, written = self._stored, self._written
        for key, value in self._values.items() if self._hands_out else ():
            if type(value) not in _SCALARS:
                text = encode(key, value)
                if written is None:
                    if text == stored.get(key):
                        continue
                    self._require_savable()
                    written = self._written = {}
                written[key] = text
        if written and stored:
            # What was set to what it is, or led back to it.
            for key, text in written.items():
                if stored.get(key) == text:
                    written = {k: text for k, text in written.items() if stored.get(k) != text}
                    break
        replaces = self._key if self._renewed else None
        if not written:
            if not self._removed and replaces is None:
                return None
            written = {}
        # What is replaced counts too at first: that is quicker, and almost always enough.
        elif (
            sum(map(len, written.values())) + sum(map(len, stored.values())) > MAX_CHARACTERS
            and sum(map(len, self._texts().values())) > MAX_CHARACTERS
        ):
            raise ValueError(f"a session of over {MAX_CHARACTERS} characters cannot be kept")
        return Change(written, self._removed, self._record, replaces)

    def _saved(self, key: str | None, now: float) -> None:
        """What is here is what the store has from ``now`` on, under ``key``."""
        self._key = key
        if self._next_key is not None or self._dropped is not None or self._renewed:
            self._next_key = self._dropped = None
            self._renewed = False
        if not self._is_over:
            # It goes on: from here on, this counts as stored.
            self._stored = self._texts()
            self._record = self._record or Record(self._stored, now, now)
            self._written = None
            self._removed = frozenset()
