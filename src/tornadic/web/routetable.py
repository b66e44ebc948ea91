"""The table of an application's routes, in the order in which they are tried.

Only what is written down in rules can be listed.  A router of another make, a function or a
program behind a `.FallbackHandler` is one line, whatever it may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tornadic.httputil import HTTPServerRequest
from tornadic.routing.matchers import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
)
from tornadic.routing.patterns import is_anchored
from tornadic.routing.routers import RuleRouter
from tornadic.routing.rules import Rule
from tornadic.web.application import Application, _ApplicationRouter
from tornadic.web.handler import RequestHandler

__all__ = ["Route", "routes_of"]


@dataclass(frozen=True)
class Route:
    """One rule.

    ``pattern`` is the regular expression of the path, or another matcher in brackets; ``depth``
    counts from 0 the routers it stands in; ``methods`` are those that its handler defines, None
    if it leads to no handler; ``target`` is who answers, by its full name, and ``handler`` that
    without the module; ``name`` is for ``reverse_url``; ``host`` the pattern of the host, None for
    every host.  ``matcher`` is the rule's, and ``hosts`` are those of hosts that it stands behind.
    """

    pattern: str
    depth: int
    methods: tuple[str, ...] | None
    handler: str
    target: str
    name: str | None
    host: str | None
    matcher: Matcher
    hosts: tuple[HostMatches | DefaultHostMatches, ...]

    def is_for_host_of(self, request: HTTPServerRequest) -> bool:
        """Whether the host that ``request`` names lets this rule be tried."""
        return all(matcher.match(request) is not None for matcher in self.hosts)


def routes_of(router: Any) -> Iterator[Route]:
    """The rules of an `Application`, or of a `.RuleRouter`, nested ones behind their own."""
    yield from _routes(router, 0, (), ())


def _routes(
    router: Any,
    depth: int,
    hosts: tuple[HostMatches | DefaultHostMatches, ...],
    around: tuple[RuleRouter, ...],
) -> Iterator[Route]:
    if isinstance(router, Application):
        router = router.default_router
    if not isinstance(router, RuleRouter) or router in around:
        return  # a router within itself has been listed already
    around = (*around, router)
    for rule in router.rules:
        matcher = rule.matcher
        below = hosts
        if isinstance(matcher, (HostMatches, DefaultHostMatches)):
            below = (*hosts, matcher)
        is_path = below is hosts and type(matcher) is not AnyMatches
        if isinstance(rule.target, RuleRouter) and not is_path:
            # It chooses the rules within, and that is said with each of them.
            yield from _routes(rule.target, depth, below, around)
            continue
        yield _route(rule, depth, below)
        yield from _routes(rule.target, depth + 1, below, around)


def _route(rule: Rule, depth: int, hosts: tuple[HostMatches | DefaultHostMatches, ...]) -> Route:
    target = rule.target
    kind = target if isinstance(target, type) else type(target)
    named = target if hasattr(target, "__qualname__") else kind
    short = str(named.__qualname__).replace(".<locals>", "")
    full = f"{named.__module__}.{short}"
    methods = None
    if isinstance(target, type) and issubclass(target, RequestHandler):
        methods = _methods_of(target)
    elif type(target) is _ApplicationRouter:
        short = full = "rules"  # a list of them
    return Route(
        pattern=_pattern_of(rule.matcher),
        depth=depth,
        methods=methods,
        handler=short,
        target=full,
        name=rule.name,
        host=" and ".join(_without_end(one.host_pattern.pattern) for one in hosts) or None,
        matcher=rule.matcher,
        hosts=hosts,
    )


def _methods_of(handler: type[RequestHandler]) -> tuple[str, ...]:
    """The methods that a handler class defines, of those that it supports."""
    return tuple(
        name
        for name in handler.SUPPORTED_METHODS
        if getattr(handler, name.lower(), None) is not getattr(RequestHandler, name.lower(), None)
    )


def _pattern_of(matcher: object) -> str:
    if isinstance(matcher, PathMatches):
        return _without_end(matcher.regex.pattern)
    if isinstance(matcher, (HostMatches, DefaultHostMatches)):
        return f"<host {_without_end(matcher.host_pattern.pattern)}>"
    return "<any>" if type(matcher) is AnyMatches else f"<{type(matcher).__name__}>"


def _without_end(pattern: str) -> str:
    """A pattern as it is written: the end is added to it."""
    return pattern[:-1] if is_anchored(pattern) else pattern
