"""What there is to say about an error, as data: nothing here knows how it will look.

The secrets of the request, the settings and the variables are learnt first; whatever is put into
words afterwards is put into words without them.
"""

from __future__ import annotations

import difflib
import platform
import sys
import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tornadic import __version__
from tornadic.routing.matchers import PathMatches
from tornadic.template.errors import ParseError
from tornadic.web.basic_handlers import ErrorHandler
from tornadic.web.debugpage.frames import (
    Budget,
    Excerpt,
    Frame,
    Gap,
    excerpt,
    frames_of,
    learn_from,
)
from tornadic.web.debugpage.masking import MASK, Masks, is_secret, is_secret_cookie
from tornadic.web.debugpage.values import Describer
from tornadic.web.routetable import Route, routes_of

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest
    from tornadic.web.handler import RequestHandler

__all__ = [
    "Failure",
    "Pair",
    "Report",
    "RouteTable",
    "Section",
    "as_text",
    "collect",
    "learn_secrets",
]

MOST_EXCEPTIONS = 20
"""Of a chain, or of a group."""

MOST_NOTES = 20
MOST_MESSAGE = 2000
"""Characters of one exception's text."""

MOST_PAIRS = 100
"""Of headers, arguments and the like."""

MOST_ROUTES = 300
MOST_URL = 2000
MOST_COMPARED = 100
"""Characters of a path that is compared with others, which takes quadratic time."""

MOST_TEXT = 100_000
_MARGIN = 200


@dataclass(frozen=True)
class Pair:
    """A name and what belongs to it."""

    name: str
    value: str


@dataclass(frozen=True)
class Section:
    """Some pairs with a title; ``note`` says what there is to say beside them."""

    title: str
    pairs: tuple[Pair, ...]
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """One exception of the chain.

    ``module`` is that of its class, empty for Python's own and the program's main one.
    ``relation`` says what it has to do with another; ``place`` are the lines of a file that could
    not be read as Python or as a template.
    """

    kind: str
    module: str
    message: str
    notes: tuple[str, ...]
    relation: str
    place: Excerpt | None
    frames: tuple[Frame | Gap, ...]


@dataclass(frozen=True)
class RouteTable:
    """The routes of the application.

    ``is_unmatched``: they were tried in vain; else a handler was found, which said 404.
    ``similar`` are paths or patterns that the path may be a mistake for.
    """

    is_unmatched: bool
    routes: tuple[tuple[Route, bool], ...]  # with whether the host is one that it is for
    left_out: int
    similar: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    status: int
    reason: str
    method: str
    url: str
    failures: tuple[Failure, ...]
    failures_left_out: int
    routes: RouteTable | None
    sections: tuple[Section, ...]
    settings: Section
    text: str


def collect(handler: RequestHandler, error: BaseException) -> Report:
    """The report on ``error``, with which the request of ``handler`` ended."""
    masks = learn_secrets(handler, error)
    chain, left_out = _chain(error)
    describer = Describer(masks)
    budget = Budget()
    request = handler.request
    status = handler.get_status()
    return Report(
        status=status,
        reason=handler._reason,
        method=request.method,
        url=masks.hide(request.full_url()[:MOST_URL]),
        failures=tuple(
            _failure(one, relation, describer, masks, budget) for one, relation in chain
        ),
        failures_left_out=left_out,
        routes=_route_table(handler) if status == 404 else None,
        sections=tuple(_request_sections(handler, describer, masks)),
        settings=_settings(handler, describer),
        text=as_text(error, masks),
    )


# Secrets


def learn_secrets(handler: RequestHandler, error: BaseException) -> Masks:
    """What is secret of the settings, of the request, and of the variables behind ``error``."""
    masks = Masks()
    masks.learn_named(handler.settings)
    request = handler.request
    for name, value in request.headers.get_all():
        if name.lower() in ("authorization", "proxy-authorization"):
            masks.learn_credentials(value)
        elif is_secret(name):
            masks.learn(value)
    for name, value in _of_request(lambda: request.cookie_values.items()):
        if is_secret_cookie(name, value):
            masks.learn(value)
    for arguments in ("query_arguments", "body_arguments"):
        for name, values in _of_request(lambda which=arguments: getattr(request, which).items()):
            if is_secret(name):
                masks.learn(values)
    for one, _ in _chain(error)[0]:
        learn_from(one.__traceback__, masks)
    return masks


def _of_request(read: Any) -> Iterable[Any]:
    """What ``read`` finds in the request, which may be malformed there."""
    try:
        return list(read())[:MOST_PAIRS]
    except Exception:
        return []


# Exceptions


def _chain(error: BaseException) -> tuple[list[tuple[BaseException, str]], int]:
    """The exceptions behind ``error``, itself first, and how many more there are."""
    found: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    waiting: deque[tuple[BaseException, str]] = deque([(error, "")])
    left_out = 0
    while waiting:
        one, relation = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if len(found) >= MOST_EXCEPTIONS:
            left_out += 1
            if left_out >= 10 * MOST_EXCEPTIONS:
                break
        else:
            found.append((one, relation))
        waiting.extendleft(reversed(list(_behind(one))))
    return found, left_out


def _behind(error: BaseException) -> Iterable[tuple[BaseException, str]]:
    """The exceptions that stand directly behind one, with how they do."""
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions
        for i, member in enumerate(members[: 10 * MOST_EXCEPTIONS], 1):
            yield member, f"{i} of {len(members)} in {name}"
    if error.__cause__ is not None:
        yield error.__cause__, f"the cause of {name}"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield error.__context__, f"was being handled when {name} was raised"


def _failure(
    error: BaseException, relation: str, describer: Describer, masks: Masks, budget: Budget
) -> Failure:
    kind = type(error)
    module = str(kind.__module__)
    name = kind.__qualname__.replace(".<locals>", "")
    notes = getattr(error, "__notes__", ())
    notes = list(notes)[:MOST_NOTES] if isinstance(notes, (list, tuple)) else [notes]
    return Failure(
        kind=name,
        module="" if module in ("builtins", "__main__") else module,
        message=describer.text_of(error, MOST_MESSAGE),
        notes=tuple(
            masks.hide(note[:MOST_MESSAGE]) if type(note) is str else describer.describe(note)
            for note in notes
        ),
        relation=relation,
        place=_place(error, masks),
        frames=tuple(frames_of(error.__traceback__, describer, masks, budget)),
    )


def _place(error: BaseException, masks: Masks) -> Excerpt | None:
    """Where in a file something stands that could not even be read."""
    if not isinstance(error, (ParseError, SyntaxError)):
        return None
    file, number = error.filename, error.lineno
    if not isinstance(file, str) or not isinstance(number, int) or number < 1:
        return None
    if isinstance(error, ParseError):
        text = error.text
        return excerpt(file, number, masks, lines=text.split("\n") if text else ())
    columns = None
    offset = error.offset
    if isinstance(offset, int) and isinstance(error.text, str) and 0 < offset <= len(error.text):
        begin = len(error.text[: offset - 1].encode("utf-8", "replace"))
        columns = (begin, begin + 1)
    found = excerpt(file, number, masks, columns=columns)
    if found.lines or not isinstance(error.text, str):
        return found
    return excerpt(file, number, masks, columns=columns, lines=[error.text], begin=number)


# The request


def _request_sections(
    handler: RequestHandler, describer: Describer, masks: Masks
) -> Iterable[Section]:
    request = handler.request
    kind = type(handler)
    path_arguments = {
        **{str(i): value for i, value in enumerate(handler.path_args)},
        **handler.path_kwargs,
    }
    yield Section(
        "Request",
        (
            Pair("From", f"{request.remote_ip} by {request.protocol}, {request.version}"),
            Pair("Handler", f"{kind.__module__}.{kind.__qualname__}".replace(".<locals>", "")),
            *(
                Pair(f"Path argument {name}", describer.describe(value, name))
                for name, value in list(path_arguments.items())[:MOST_PAIRS]
            ),
            Pair("Body", f"{len(request.body)} bytes"),
        ),
    )
    yield _arguments("Query arguments", request, "query_arguments", describer)
    yield _arguments("Body arguments", request, "body_arguments", describer)
    yield _headers(request, masks)
    cookies = list(_of_request(lambda: request.cookie_values.items()))
    yield Section(
        "Cookies",
        tuple(
            Pair(name, MASK if is_secret_cookie(name, value) else masks.hide(value))
            for name, value in cookies
        ),
    )


def _arguments(title: str, request: HTTPServerRequest, which: str, describer: Describer) -> Section:
    try:
        arguments = getattr(request, which)
    except Exception as error:
        return Section(title, (), f"They cannot be read: {describer.text_of(error, MOST_MESSAGE)}")
    left_out = len(arguments) - MOST_PAIRS
    pairs = [
        Pair(name, describer.describe([_decoded(value) for value in values[:MOST_PAIRS]], name))
        for name, values in list(arguments.items())[:MOST_PAIRS]
    ]
    return Section(title, tuple(pairs), f"and {left_out} more" if left_out > 0 else "")


def _decoded(value: bytes) -> str | bytes:
    try:
        return value[:MOST_MESSAGE].decode()
    except UnicodeDecodeError:
        return value


def _headers(request: HTTPServerRequest, masks: Masks) -> Section:
    pairs = []
    for name, value in list(request.headers.get_all())[:MOST_PAIRS]:
        if name.lower() in ("authorization", "proxy-authorization"):
            scheme, separator, _ = value.partition(" ")
            value = f"{scheme} {MASK}" if separator and scheme.isalnum() else MASK
        elif is_secret(name):
            value = MASK
        pairs.append(Pair(name, masks.hide(value[:MOST_URL])))
    return Section("Headers", tuple(pairs))


def _settings(handler: RequestHandler, describer: Describer) -> Section:
    names = sorted(map(str, handler.settings))[: 2 * MOST_PAIRS]
    pairs = [Pair(name, describer.describe(handler.settings.get(name), name)) for name in names]
    note = f"Tornadic {__version__}, Python {platform.python_version()} on {sys.platform}"
    return Section("Settings", tuple(pairs), note)


# Routes


def _route_table(handler: RequestHandler) -> RouteTable:
    request = handler.request
    found: list[tuple[Route, bool]] = []
    left_out = 0
    for route in routes_of(handler.application):
        if len(found) < MOST_ROUTES:
            found.append((route, route.is_for_host_of(request)))
        else:
            left_out += 1
    similar = _similar(request.path, [route for route, _ in found])
    return RouteTable(type(handler) is ErrorHandler, tuple(found), left_out, similar)


def _similar(path: str, routes: list[Route]) -> tuple[str, ...]:
    """What ``path`` may be meant for: with a slash more or less, or with other letters."""
    path = path[:MOST_COMPARED]
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    for route in routes:
        matcher = route.matcher
        # What matches nearly everything says nothing.
        if route.depth or not isinstance(matcher, PathMatches) or len(route.pattern) <= len("/.*$"):
            continue
        if other and matcher.regex.match(other):
            return (other,)
    patterns = [route.pattern.removesuffix("$") for route in routes[:MOST_PAIRS]]
    return tuple(difflib.get_close_matches(path, patterns, n=3, cutoff=0.75))


# As text


def as_text(error: BaseException, masks: Masks) -> str:
    """The traceback of ``error`` as Python prints it, without secrets and not without an end."""
    text = "".join(traceback.format_exception(error))
    if len(text) <= MOST_TEXT:
        return _masked(text, masks)
    # What is cut apart might be half a secret, so some more is masked, and then left out.
    half = MOST_TEXT // 2
    begin, end = text[: half + _MARGIN], text[-half - _MARGIN :]
    return f"{_masked(begin, masks)[:half]}\n[...]\n{_masked(end, masks)[-half:]}"


def _masked(text: str, masks: Masks) -> str:
    lines = []
    is_source = False
    for line in text.splitlines(keepends=True):
        lines.append(masks.hide_source(line) if is_source else masks.hide(line))
        is_source = line.lstrip(" |").startswith('File "')
    return "".join(lines)
