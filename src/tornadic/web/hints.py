"""What to say to a program that made a common mistake.

Nothing here is asked before something has gone wrong, so the messages may take their time.  The
kinds of exceptions are Tornado's; what is added says what to do.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings
from typing import Any

from tornadic.http.interfaces import HTTPMessageDelegate, HTTPServerConnectionDelegate

__all__ = [
    "FINISHED",
    "bad_chunk",
    "bad_result",
    "bad_target",
    "explain_construction",
    "warn_of_sent_head",
]

FINISHED = (
    "the response is complete. Return after finish(), redirect(), render() and send_error(), and "
    "await whatever still has something to write"
)
"""What to know when something is done to a finished response."""

_MOST_SHOWN = 80


def bad_chunk(chunk: object) -> TypeError:
    """What to raise where ``chunk`` cannot be written."""
    message = "write() only accepts bytes, unicode, and dict objects"
    if isinstance(chunk, list):
        return TypeError(f"{message}. Lists not accepted for security reasons")
    message += f", and got {_kind_of(chunk)}"
    if inspect.isawaitable(chunk):
        message += ": did you forget await? Write what it gives, as in self.write(await ...)"
    elif chunk is not None and hasattr(type(chunk), "__aiter__"):
        message += ": write its pieces, as in async for piece in ...: self.write(piece)"
    return TypeError(message)


def bad_result(handler: object, method: str, result: object) -> TypeError:
    """What to raise where a ``method`` of a handler returned what cannot be awaited."""
    name = f"{type(handler).__name__}.{method}()"
    message = f"{name} returned {_kind_of(result)}, and it may return None or an awaitable only: "
    if inspect.isasyncgen(result):
        message += "in an async def write with self.write() instead of yield"
    elif inspect.isgenerator(result):
        message += "to wait with yield decorate it with gen.coroutine, or use async def and await"
    elif isinstance(result, (str, bytes, dict)):
        message += "to send it call self.write(...) instead of return"
    else:
        message += "to send something call self.write(...)"
    return TypeError(message)


def bad_target(pattern: str, target: object) -> TypeError | None:
    """What to raise for the target of a rule that cannot answer requests; None for one that can.

    ``pattern`` says which rule it is.
    """
    rule = f"The rule {pattern} leads to"
    if isinstance(target, type):
        if issubclass(target, HTTPMessageDelegate):
            return None
        name = target.__qualname__
        if any(base.__name__ == "RequestHandler" for base in target.__mro__):
            return TypeError(
                f"{rule} {name}, whose RequestHandler is that of another Tornado; start the "
                "program with 'tornadic run', or call install_as_tornado() before it imports any"
            )
        if issubclass(target, HTTPServerConnectionDelegate):
            return TypeError(f"{rule} the class {name}; give an object of that class")
        return TypeError(f"{rule} {name}, which is no handler; derive it from web.RequestHandler")
    if inspect.iscoroutinefunction(target):
        return TypeError(
            f"{rule} the coroutine function {target.__qualname__}, which nobody would await; "
            "make it the method of a RequestHandler"
        )
    # None is for rules that are switched off: the next one that matches counts.
    if target is None or callable(target) or isinstance(target, HTTPServerConnectionDelegate):
        return None
    return TypeError(
        f"{rule} {_kind_of(target)}; give a RequestHandler class, its dotted name, a list of "
        "rules, a router, an application, or a function of the request"
    )


def explain_construction(
    error: BaseException, handler_class: type, arguments: dict[str, Any] | None
) -> None:
    """Add a note to ``error`` if ``initialize`` was called with the wrong arguments.

    ``arguments`` are those that the rule has for it.
    """
    if not isinstance(error, TypeError):
        return
    try:
        inspect.signature(handler_class.initialize).bind(None, **(arguments or {}))  # type: ignore[attr-defined]
    except TypeError as reason:
        given = ", ".join(sorted(arguments)) if arguments else "none"
        error.add_note(
            f"The arguments of {handler_class.__qualname__}.initialize come from the rule, which "
            f"gives {given} ({reason}). They are the third element of the rule: "
            f'(r"/path", {handler_class.__name__}, {{"name": value}})'
        )
    except ValueError:
        pass  # a method whose signature nobody knows


def warn_of_sent_head(name: str) -> None:
    """Warn, once for each place in a program, of a change to a head that is gone already."""
    warnings.warn(
        f"{name}() has no effect any more: status, headers and cookies have been sent. Call it "
        "before flush(), finish(), redirect() and render()",
        RuntimeWarning,
        stacklevel=3,
    )


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    if inspect.iscoroutine(value):
        return f"the coroutine {value.__qualname__}()"
    if asyncio.isfuture(value):
        return "a future"
    kind = type(value).__name__
    if isinstance(value, (str, bytes, int, float)):
        text = repr(value[:_MOST_SHOWN] if isinstance(value, (str, bytes)) else value)
        return f"{text[:_MOST_SHOWN]} ({kind})"
    return f"an object of {kind}"
