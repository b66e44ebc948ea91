"""What a store of sessions is asked, and what it answers.

A session is JSON text by key.  It is never written as a whole: a request says which keys it set
and which it removed, and the store puts that together with what other requests of the session
have written meanwhile, in one step.  So the last writer wins for a key, and no other key is lost.
A session that was deleted or renamed meanwhile stays so: the store says that it is gone.
"""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornadic.sessions.binding import Sessions

__all__ = ["Change", "Record", "SessionStore", "SessionStoreError"]

DEFAULT_IDLE_TIMEOUT = 14 * 86400.0
"""Two weeks: whoever comes every now and then stays known."""
DEFAULT_LIFETIME = 90 * 86400.0
"""What was stolen unnoticed does not work for ever."""


class SessionStoreError(Exception):
    """The store cannot be reached, or cannot do what it was asked; the message says why."""


@dataclass(slots=True)
class Record:
    """A session as the store has it.

    ``values`` is JSON text by key, not to be changed in place.  ``created`` and ``expires`` are
    seconds since the epoch.  ``origin`` is the store's own affair, such as where it was found.
    ``at_most``: no more characters than these are in the values; as long as nobody has counted
    them, that is any number.
    """

    values: Mapping[str, str]
    created: float
    expires: float
    origin: Any = None
    at_most: int = field(default=sys.maxsize, compare=False, repr=False)


@dataclass(slots=True)
class Change:
    """What one request did to a session.

    ``written`` is JSON text by key, ``removed`` are the keys that are no more.  ``record`` is the
    session as this request loaded it, None for a new one.  ``replaces``: the identifier that it
    had so far, if it has a new one.
    """

    written: Mapping[str, str]
    removed: Collection[str] = ()
    record: Record | None = None
    replaces: str | None = None

    def applied_to(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values that come of it."""
        merged = {**values, **self.written}
        for key in self.removed:
            merged.pop(key, None)
        return merged


class SessionStore(ABC):
    """Keeps sessions: give it to an `.Application` as ``session_store``, or to a `SessionMixin`.

    Every method may return its result, or an awaitable of it; `load` only where ``is_remote``.
    A store that fails raises `SessionStoreError`, and nothing else.  Identifiers are text that
    nobody guesses; a store that others may look into keeps only hashes of them.

    ``idle_timeout`` is how long a session lasts after its last request, ``lifetime`` how long in
    all, both in seconds; with a ``lifetime`` of None there is no such bound.  ``clock`` gives the
    time in seconds since the epoch.  Raises ValueError for times that are not above 0.
    """

    is_remote = False
    """Whether `load` has to be awaited."""

    def __init__(
        self,
        *,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        lifetime: float | None = DEFAULT_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, value in (("idle_timeout", idle_timeout), ("lifetime", lifetime)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be above 0, and is {value!r}")
        self.idle_timeout = idle_timeout
        self.lifetime = lifetime
        self.clock = clock

    @abstractmethod
    def load(self, key: str) -> Record | Awaitable[Record | None] | None:
        """The session, which is in use again from now on; None if there is none any more."""

    @abstractmethod
    def save(self, key: str, change: Change) -> bool | Awaitable[bool]:
        """Carry out ``change`` in one step; False if the session is gone, and stays so.

        A session with ``replaces`` has what the store has under that identifier, which is no
        more.  If another request was faster and it is gone already, the session has only what
        is ``written``.
        """

    @abstractmethod
    def delete(self, key: str) -> Awaitable[None] | None:
        """Forget a session, if it is there."""

    @abstractmethod
    def touch(self, key: str) -> Awaitable[None] | None:
        """Note that a session is in use, for one that lasts longer than a request."""

    @abstractmethod
    def sweep(self) -> int | Awaitable[int]:
        """Forget some of the sessions that have expired; how many.

        Stores do so by themselves, a little at a time.
        """

    def close(self) -> Awaitable[None] | None:
        """Let go of files, threads and connections."""
        return None

    def sessions_for(self, settings: Mapping[str, Any]) -> Sessions:
        """What an application with these settings does with the store."""
        from tornadic.sessions.binding import Sessions
        from tornadic.sessions.options import SessionOptions

        return Sessions(self, SessionOptions.from_settings(settings))

    def expiry(self, created: float, now: float) -> float:
        """When a session expires that is used now."""
        expires = now + self.idle_timeout
        if self.lifetime is not None and created + self.lifetime < expires:
            return created + self.lifetime
        return expires
