"""Programs that measure what a peer costs them in their own process.

Every module but `__main__` has functions `async def name(count: int, port: int) -> None`: each does
`count` units of work with the package named by the environment variable BENCH_PACKAGE, checks what
came of it, and raises WrongAnswer if that is not right.  `port` is that of the server to fetch
from, if there is one.
"""

from __future__ import annotations


class WrongAnswer(Exception):
    """The peer did something else than it was asked."""


def require(found: object, expected: object) -> None:
    """Raise WrongAnswer unless the two are equal."""
    if found != expected:
        raise WrongAnswer(f"{found!r} instead of {expected!r}")
