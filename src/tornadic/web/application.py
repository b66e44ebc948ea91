"""The application: rules, settings, and what all handlers share."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from tornadic.httpserver import HTTPServer
from tornadic.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornadic.log import access_log
from tornadic.netutil import DEFAULT_BACKLOG
from tornadic.routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    PathMatches,
    ReversibleRuleRouter,
    Rule,
)
from tornadic.routing.routers import ReversibleRouter
from tornadic.web import hints
from tornadic.web.basic_handlers import ErrorHandler
from tornadic.web.compression import NegotiatedContentEncoding
from tornadic.web.execution import HandlerDelegate
from tornadic.web.handler import RequestHandler
from tornadic.web.middleware import MiddlewareChain
from tornadic.web.modules import collect_ui_methods, collect_ui_modules
from tornadic.web.sessions import SessionKeeper
from tornadic.web.settings import KNOWN_SETTINGS, warn_of_misspelt
from tornadic.web.static import StaticFileHandler
from tornadic.web.transforms import OutputTransform

__all__ = ["Application"]


class _ApplicationRouter(ReversibleRuleRouter):
    """Rules whose targets may be handler classes, or lists of further rules."""

    def __init__(self, application: Application, rules: Any = None) -> None:
        self.application = application
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        if isinstance(rule.target, (list, tuple)):
            rule.target = _ApplicationRouter(self.application, rule.target)
        rule.target_is_handler = _is_handler(rule.target)
        if not rule.target_is_handler:
            objection = hints.bad_target(_described(rule), rule.target)
            if objection is not None:
                raise objection
        return rule

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        # What the base class does, and `get_target_delegate`, in one turn for handlers.
        rules = self._rules
        for rule, known in (rules._by_path or rules.by_path).candidates(request.path):
            matcher = rule.matcher
            if rule.target_is_handler and type(matcher) is PathMatches:
                args, kwargs = _NO_GROUPS
                if not known:
                    match = matcher.search(request.path)
                    if match is None:
                        continue
                    args, kwargs = (
                        matcher.groups(match) if matcher.is_named else (match.groups(), {})
                    )
                delegate = request._delegate
                if delegate is None:
                    return self.application.get_handler_delegate(
                        request, rule.target, rule.target_kwargs, args, kwargs
                    )
                request._delegate = None
                delegate.set_target(request, rule.target, rule.target_kwargs, args, kwargs)
                return delegate  # type: ignore[no-any-return]
            params = _NOTHING if known else matcher.match(request)
            if params is None:
                continue
            if not isinstance(rule.target, _ApplicationRouter):
                request._delegate = None  # whoever is asked now may put something in between
            if rule.target_kwargs:
                params = {**params, "target_kwargs": rule.target_kwargs}
            delegate = self.get_target_delegate(rule.target, request, **params)
            if delegate is not None:
                return delegate
        return None

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        if _is_handler(target):
            return self.application.get_handler_delegate(request, target, **target_params)
        return super().get_target_delegate(target, request, **target_params)


def _described(rule: Rule) -> str:
    """A rule as it is named in an error."""
    matcher = rule.matcher
    return repr(
        matcher.regex.pattern.removesuffix("$") if isinstance(matcher, PathMatches) else matcher
    )


def _is_handler(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, RequestHandler)


def _static_rules(settings: dict[str, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    """The rules that the settings about static files ask for."""
    handler = settings.get("static_handler_class", StaticFileHandler)
    args = {**settings.get("static_handler_args", {}), "path": settings["static_path"]}
    prefix = re.escape(settings.get("static_url_prefix", "/static/"))
    return [(pattern, handler, args) for pattern in (f"{prefix}(.*)", *_FILES_AT_THE_TOP)]


# Who asks for these does not ask where they are.
_FILES_AT_THE_TOP = (r"/(favicon\.ico)", r"/(robots\.txt)")

_NOTHING: dict[str, Any] = {}
_NO_GROUPS: tuple[tuple[str | None, ...], dict[str, str | None]] = ((), {})


class Application(ReversibleRouter):
    """A web application: give it to an `.HTTPServer`, or call `listen`.

    ``handlers`` are rules: `.URLSpec` objects, or tuples ``(pattern, handler[, kwargs[, name]])``
    in which the handler is a `RequestHandler` class, its dotted name, a list of further rules, a
    router, or another application.  The first rule that matches counts.  They hold for every
    host; `add_handlers` adds some for one.  ``default_host`` stands in for a host that
    no rule names.  ``transforms`` are `OutputTransform` classes (None: `NegotiatedContentEncoding`,
    if the setting ``compress_response`` is true).  All other arguments are settings, which handlers
    read as ``self.settings``.
    """

    def __init__(
        self,
        handlers: Any = None,
        default_host: str | None = None,
        transforms: list[type[OutputTransform]] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = settings
        if settings and not settings.keys() <= KNOWN_SETTINGS.keys():
            warn_of_misspelt(settings)
        self.default_host = default_host
        self.ui_modules = collect_ui_modules(settings.get("ui_modules"))
        self.ui_methods = collect_ui_methods(settings.get("ui_methods"))
        if transforms is None and (settings.get("compress_response") or settings.get("gzip")):
            transforms = [NegotiatedContentEncoding]
        self.transforms: list[type[OutputTransform]] = list(transforms or ())
        if settings.get("debug"):
            settings.setdefault("autoreload", True)
            settings.setdefault("compiled_template_cache", False)
            settings.setdefault("static_hash_cache", False)
            settings.setdefault("serve_traceback", True)
        if settings.get("static_path"):
            handlers = [*_static_rules(settings), *(handlers or ())]
        self._sessions: SessionKeeper | None = None
        self._remote_sessions: SessionKeeper | None = None
        sessions_for = getattr(settings.get("session_store"), "sessions_for", None)
        if sessions_for is not None:
            sessions_for(settings).attach_to(self)
        middleware = settings.get("middleware")
        self._middleware = MiddlewareChain(middleware) if middleware else None
        # Whether no subclass has a word in who answers a request.
        self.finds_directly = (
            type(self).find_handler is Application.find_handler
            and type(self).get_handler_delegate is Application.get_handler_delegate
        )
        self.wildcard_router = _ApplicationRouter(self, handlers)
        self.default_router = _ApplicationRouter(self, [Rule(AnyMatches(), self.wildcard_router)])
        if settings.get("autoreload"):
            from tornadic import autoreload

            autoreload.start()

    def listen(
        self,
        port: int,
        address: str | None = None,
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
        **kwargs: Any,
    ) -> HTTPServer:
        """Start a server for this application on ``port``, and return it.

        The named arguments are those of `.TCPServer.listen`, the others `.HTTPServer`'s.  The loop
        must be started by the caller.
        """
        server = HTTPServer(self, **kwargs)
        server.listen(
            port, address, family=family, backlog=backlog, flags=flags, reuse_port=reuse_port
        )
        return server

    def add_handlers(self, host_pattern: str, host_handlers: Any) -> None:
        """Add rules for the hosts that match ``host_pattern``, a regular expression.

        They come before the rules for every host, and after those added earlier.
        """
        matcher = HostMatches(host_pattern)
        rules = _ApplicationRouter(self, host_handlers)
        self.default_router.rules.insert(-1, Rule(matcher, rules))
        if self.default_host is not None:
            fallback = DefaultHostMatches(self, matcher.host_pattern)
            self.wildcard_router.add_rules([(fallback, host_handlers)])

    def add_transform(self, transform_class: type[OutputTransform]) -> None:
        """Let a `OutputTransform` change every response."""
        self.transforms.append(transform_class)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return HandlerDelegate(self, server_conn, request_conn)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        """The delegate for ``request``; where no rule matches, one that answers 404.

        That one is of ``default_handler_class`` with ``default_handler_args``, if those are set.
        """
        only_wildcard = len(self.default_router._rules) == 1
        router = self.wildcard_router if only_wildcard else self.default_router
        found = router.find_handler(request)
        if found is not None:
            return found
        settings = self.settings
        if settings.get("default_handler_class"):
            return self.get_handler_delegate(
                request, settings["default_handler_class"], settings.get("default_handler_args", {})
            )
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": 404})

    def get_handler_delegate(
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: Sequence[bytes | str | None] | None = None,
        path_kwargs: Mapping[str, bytes | str | None] | None = None,
    ) -> HTTPMessageDelegate:
        """The delegate that runs a handler of ``target_class``.

        ``target_kwargs`` go to its ``initialize``, the others to its method: bytes are decoded by
        `RequestHandler.decode_argument`, text is a piece of the path as it was sent.
        """
        delegate = HandlerDelegate(self, None, None)
        delegate.set_target(request, target_class, target_kwargs, path_args, path_kwargs)
        return delegate

    def reverse_url(self, name: str, *args: Any) -> str:
        """The URL path of the rule called ``name``, with ``args`` in place of its groups.

        Raises KeyError if there is no such rule.
        """
        url = self.default_router.reverse_url(name, *args)
        if url is None:
            raise KeyError(f"{name} not found in named urls")
        return url

    def log_request(self, handler: RequestHandler) -> None:
        """Write a line about a finished request to the access log.

        The setting ``log_function``, a function of the handler, replaces this.
        """
        log_function = self.settings.get("log_function")
        if log_function is not None:
            log_function(handler)
            return
        status = handler._status_code
        level = 20 if status < 400 else 30 if status < 500 else 40
        # Most servers write errors only; what is not written is not formatted.
        if access_log.isEnabledFor(level):
            milliseconds = 1000.0 * handler.request.request_time()
            access_log.log(level, "%d %s %.2fms", status, handler._request_summary(), milliseconds)

    def __call__(self, request: HTTPServerRequest) -> HTTPMessageDelegate:
        """Answer a request whose body is there already; for programs that have one at hand."""
        delegate = self.find_handler(request)
        delegate.finish()
        return delegate
