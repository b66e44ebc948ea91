"""Routers: they hold rules and apply them."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Iterable
from typing import Any

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
)
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.http.statuses import responses
from tornadic.httputil import HTTPServerRequest
from tornadic.httputil.callback import CallbackDelegate
from tornadic.log import app_log
from tornadic.routing.index import RuleIndex
from tornadic.routing.matchers import PathMatches
from tornadic.routing.rules import Rule

__all__ = [
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "RoutingDelegate",
    "RuleList",
    "RuleRouter",
]


class Router(HTTPServerConnectionDelegate):
    """Finds who answers a request; can be given to an `.HTTPServer` as it is."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """The delegate that answers ``request``, or None if there is none.

        ``kwargs`` is what an outer router's matcher found.
        """
        raise NotImplementedError

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return RoutingDelegate(self, server_conn, request_conn)


class ReversibleRouter(Router):
    """A router that can also turn a name back into a URL."""

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """The URL of the rule called ``name`` with ``args``, or None if there is none."""
        raise NotImplementedError


class RoutingDelegate(HTTPMessageDelegate):
    """Makes the request when its head is there, and hands on to whom the router finds."""

    __slots__ = ("_connection", "_delegate", "_router", "_server_connection")

    def __init__(self, router: Router, server_conn: object, request_conn: HTTPConnection) -> None:
        self._router = router
        self._server_connection = server_conn
        self._connection = request_conn
        self._delegate: HTTPMessageDelegate | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        request = HTTPServerRequest(
            connection=self._connection,
            server_connection=self._server_connection,
            start_line=start_line,  # type: ignore[arg-type]
            headers=headers,
        )
        delegate = self._router.find_handler(request)
        if delegate is None:
            app_log.debug("Delegate for %s %s request not found", request.method, request.path)
            delegate = _NotFoundDelegate(self._connection)
        self._delegate = delegate
        return delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        assert self._delegate is not None
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        assert self._delegate is not None
        self._delegate.finish()

    def answered(self) -> None:
        if self._delegate is not None:
            self._delegate.answered()

    def on_connection_close(self) -> None:
        if self._delegate is not None:
            self._delegate.on_connection_close()


class _NotFoundDelegate(HTTPMessageDelegate):
    """Answers 404 where no router had anybody."""

    __slots__ = ("_connection",)

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def finish(self) -> None:
        self._connection.write_headers(
            ResponseStartLine("HTTP/1.1", 404, responses[404]),
            HTTPHeaders({"Content-Length": "0"}),
        )
        self._connection.finish()


class RuleList(list[Rule]):
    """Rules, and an index of them that never is out of date."""

    _by_path: RuleIndex | None = None

    @property
    def by_path(self) -> RuleIndex:
        """The index, made when it is first asked for after a change."""
        if self._by_path is None:
            self._by_path = RuleIndex(self)
        return self._by_path


def _forgetting(name: str) -> Any:
    change = getattr(list, name)

    @functools.wraps(change)
    def method(self: RuleList, *args: Any, **kwargs: Any) -> Any:
        self._by_path = None
        return change(self, *args, **kwargs)

    return method


for _name in (
    *("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"),
    *("__delitem__", "__iadd__", "__imul__", "__setitem__"),
):
    setattr(RuleList, _name, _forgetting(_name))


class RuleRouter(Router):
    """A router by rules, the first of which that matches counts.

    A rule is a `Rule`, or a tuple: ``(pattern or matcher, target[, kwargs[, name]])``.
    """

    def __init__(self, rules: Any = None) -> None:
        self.rules = []
        if rules:
            self.add_rules(rules)

    @property
    def rules(self) -> list[Rule]:
        """The rules, in order; a list that may be changed."""
        return self._rules

    @rules.setter
    def rules(self, rules: Iterable[Rule]) -> None:
        self._rules = RuleList(rules)

    def add_rules(self, rules: Any) -> None:
        """Add rules behind those that are there."""
        for rule in rules:
            if isinstance(rule, (tuple, list)):
                if not 2 <= len(rule) <= 4:
                    raise ValueError(f"A rule is a tuple of two to four, not {rule!r}")
                matcher = PathMatches(rule[0]) if isinstance(rule[0], str) else rule[0]
                rule = Rule(matcher, *rule[1:])
            self.rules.append(self.process_rule(rule))

    def process_rule(self, rule: Rule) -> Rule:
        """Look at a rule that is being added; what is returned is added instead."""
        return rule

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        for rule, known in self._rules.by_path.candidates(request.path):
            params = _NOTHING if known else rule.matcher.match(request)
            if params is None:
                continue
            if rule.target_kwargs:
                params = {**params, "target_kwargs": rule.target_kwargs}
            delegate = self.get_target_delegate(rule.target, request, **params)
            if delegate is not None:
                return delegate
        return None

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        """The delegate by which ``target`` answers ``request``, or None if it does not.

        ``target_params`` are what the matcher found, and ``target_kwargs`` the rule's.
        """
        if isinstance(target, Router):
            return target.find_handler(request, **target_params)
        if isinstance(target, HTTPServerConnectionDelegate):
            if request.connection is None:
                raise HTTPInputError("Request without a connection")
            return target.start_request(request.server_connection, request.connection)
        if callable(target):
            return CallbackDelegate(lambda req: target(req, **target_params), request)
        return None


_NOTHING: dict[str, Any] = {}


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """A `RuleRouter` whose rules may have names, which `reverse_url` turns back into URLs."""

    def __init__(self, rules: Any = None) -> None:
        self.named_rules: dict[str, Rule] = {}
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        if rule.name:
            if rule.name in self.named_rules:
                app_log.warning("Multiple handlers named %s; replacing previous value", rule.name)
            self.named_rules[rule.name] = rule
        return rule

    def reverse_url(self, name: str, *args: Any) -> str | None:
        if name in self.named_rules:
            return self.named_rules[name].reverse(*args)
        for rule in self.rules:
            if isinstance(rule.target, ReversibleRouter):
                url = rule.target.reverse_url(name, *args)
                if url is not None:
                    return url
        return None
