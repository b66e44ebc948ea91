"""Middleware for common needs; what an application lets every request pass by.

``Application(middleware=[...])`` takes objects that have ``process_request(handler)``,
``process_response(handler)``, or are called around the rest::

    class Stopwatch:
        async def __call__(self, handler, call_next):
            ...
            await call_next()

Those here are such objects.  Each checks its arguments when it is made.
"""

from __future__ import annotations

from tornadic.middleware.cors import CORS
from tornadic.middleware.hosts import HTTPSRedirect, TrustedHosts
from tornadic.middleware.identifiers import RequestId, RequestIdFilter, current_request_id
from tornadic.middleware.limits import (
    LimitStore,
    LimitStoreError,
    MemoryLimits,
    RateLimit,
    client_address,
)
from tornadic.middleware.redis_limits import RedisLimits
from tornadic.middleware.security import SecurityHeaders
from tornadic.middleware.timing import Timing

__all__ = [
    "CORS",
    "HTTPSRedirect",
    "LimitStore",
    "LimitStoreError",
    "MemoryLimits",
    "RateLimit",
    "RedisLimits",
    "RequestId",
    "RequestIdFilter",
    "SecurityHeaders",
    "Timing",
    "TrustedHosts",
    "client_address",
    "current_request_id",
]
