"""Sessions: what a site knows of a client from one request to the next.

::

    from tornadic.sessions import SQLiteStore
    from tornadic.web import Application, RequestHandler

    class MainHandler(RequestHandler):
        def get(self):
            self.session["visits"] = self.session.get("visits", 0) + 1
            self.write(f"Visit number {self.session['visits']}")

    application = Application([("/", MainHandler)], session_store=SQLiteStore("sessions.db"))
"""

from tornadic.sessions.memory import MemoryStore
from tornadic.sessions.mixin import SessionMixin
from tornadic.sessions.redis import RedisStore
from tornadic.sessions.redis_ring import RedisRingStore
from tornadic.sessions.session import Session
from tornadic.sessions.sqlite import SQLiteStore
from tornadic.sessions.store import Change, Record, SessionStore, SessionStoreError

__all__ = [
    "Change",
    "MemoryStore",
    "Record",
    "RedisRingStore",
    "RedisStore",
    "SQLiteStore",
    "Session",
    "SessionMixin",
    "SessionStore",
    "SessionStoreError",
]
