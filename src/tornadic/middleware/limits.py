"""How often somebody may come.

What is remembered of a key is one time: when it would be back at nothing if every request took its
share of the window one after the other (the "generic cell rate algorithm" of ATM networks).  A
request moves that time on by its share; one that would move it further than a window ahead is
refused, and may come again when it would not.  So a key may come `limit` times at once, and then
as often as that in a window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from ipaddress import IPv6Address
from typing import Protocol

from tornadic.log import gen_log
from tornadic.web import RequestHandler

__all__ = ["LimitStore", "LimitStoreError", "MemoryLimits", "RateLimit", "client_address"]

MAX_KEYS = 100_000
"""Some 15 MB; whoever has more addresses than that cannot be held by counting them."""

MAX_KEY_CHARACTERS = 64
"""Longer keys are hashed: what a client sends must not choose how much is remembered."""

_MAX_LIMIT = 1_000_000
_MAX_WINDOW = 30 * 86400

_IPV6_NETWORK = 64


class LimitStoreError(Exception):
    """A store of limits does not answer."""


class LimitStore(Protocol):
    """Where `RateLimit` keeps what it remembers."""

    def take(self, key: str, share: float, window: float) -> float | Awaitable[float]:
        """Count a request of ``key``; 0, or the seconds until it may come.  `LimitStoreError`."""


class MemoryLimits:
    """Keeps the times in memory, for this process; at most ``max_keys`` of them.

    When there are more, those that came longest ago are forgotten.  ``clock`` gives seconds.
    Raises ValueError for fewer than one key.
    """

    def __init__(
        self, max_keys: int = MAX_KEYS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if max_keys < 1:
            raise ValueError(f"max_keys is at least 1, not {max_keys!r}")
        self._max_keys = max_keys
        self._clock = clock
        # In the order in which the keys came last, so that the old ones are at the front.
        self._times: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def take(self, key: str, share: float, window: float) -> float:
        """Count a request."""
        now = self._clock()
        times = self._times
        then = max(times.pop(key, now), now) + share
        excess = then - now - window
        # What is refused does not count.  The tolerance is for what sums of shares lack.
        if excess > 1e-6:
            times[key] = then - share
            return excess
        times[key] = then
        self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop what is too many, and some of what is over: one comes, two go."""
        times = self._times
        for _ in range(2):
            oldest = next(iter(times))
            if times[oldest] > now and len(times) <= self._max_keys:
                return
            del times[oldest]


def client_address(handler: RequestHandler) -> str | None:
    """The client's address, of IPv6 its network: whoever has one address there has 2**64."""
    address: str | None = handler.request.remote_ip
    if address and ":" in address:
        try:
            number = int(IPv6Address(address.partition("%")[0]))
        except ValueError:
            return address
        mapped = IPv6Address(number).ipv4_mapped
        return str(mapped) if mapped else f"{number >> (128 - _IPV6_NETWORK):x}/{_IPV6_NETWORK}"
    return address


class RateLimit:
    """Answers 429 to those who come more than ``limit`` times in ``window`` seconds.

    ``key`` is a function of the handler that says who somebody is, and None for those who may
    come as they like; by default their address, `client_address`.  Behind a proxy that is the
    proxy's, unless the server was made with ``xheaders`` and ``trusted_downstream``.  ``store``
    is where it is remembered (None: `MemoryLimits`); `RedisLimits` is for several processes.
    Limits that share a store need a ``name`` each.

    ``Retry-After`` says in how many seconds it is worth coming again.  If the store fails,
    ``on_store_error`` says what then: "allow", or "refuse", which answers 503.

    Raises ValueError for a limit or a window below 1 or beyond bounds, and other policies.
    """

    def __init__(
        self,
        limit: int,
        window: float,
        *,
        key: Callable[[RequestHandler], str | None] = client_address,
        store: LimitStore | None = None,
        name: str = "",
        on_store_error: str = "allow",
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MAX_LIMIT:
            raise ValueError(f"limit is a number from 1 to {_MAX_LIMIT}, not {limit!r}")
        if not 1 <= window <= _MAX_WINDOW:
            raise ValueError(f"window is from 1 to {_MAX_WINDOW} seconds, not {window!r}")
        if on_store_error not in ("allow", "refuse"):
            raise ValueError('on_store_error is "allow" or "refuse"')
        self._window = float(window)
        self._share = self._window / limit
        self._key = key
        self._store = MemoryLimits() if store is None else store
        self._name = name
        self._refuses = on_store_error == "refuse"
        self._is_failing = False

    def process_request(self, handler: RequestHandler) -> Awaitable[None] | None:
        """Count the request, and refuse it if it is one too many."""
        key = self._key(handler)
        if key is None:
            return None
        try:
            seconds = self._store.take(self._full(key), self._share, self._window)
        except LimitStoreError as error:
            self._failed(handler, error)
            return None
        if isinstance(seconds, int | float):
            self._decide(handler, seconds)
            return None
        return self._wait(handler, seconds)

    def process_response(self, handler: RequestHandler) -> None:
        """Say when to come again."""
        seconds = vars(handler).get("_retry_after")
        if seconds is not None and handler.get_status() == 429:
            handler.set_header("Retry-After", seconds)

    async def _wait(self, handler: RequestHandler, answer: Awaitable[float]) -> None:
        try:
            seconds = await answer
        except LimitStoreError as error:
            self._failed(handler, error)
            return
        self._decide(handler, seconds)

    def _decide(self, handler: RequestHandler, seconds: float) -> None:
        if self._is_failing:
            self._is_failing = False
            gen_log.warning("Requests are counted again")
        if seconds > 0:
            vars(handler)["_retry_after"] = max(1, math.ceil(seconds))
            handler.send_error(429)

    def _failed(self, handler: RequestHandler, error: LimitStoreError) -> None:
        """Say once that the store does not answer, however many requests notice."""
        if not self._is_failing:
            self._is_failing = True
            gen_log.error("Requests cannot be counted: %s", error)
        if self._refuses:
            handler.send_error(503)

    def _full(self, key: str) -> str:
        if len(key) > MAX_KEY_CHARACTERS:
            key = "#" + blake2b(key.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
        return f"{self._name}:{key}" if self._name else key
