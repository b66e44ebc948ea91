"""Rules: what is asked of a request, and who answers it then."""

from __future__ import annotations

import re
from typing import Any

from tornadic.routing.matchers import Matcher, PathMatches
from tornadic.util import import_object

__all__ = ["Rule", "URLSpec"]


class Rule:
    """One rule.

    ``matcher`` looks at the request; ``target`` answers it; ``target_kwargs`` are arguments for
    the target, such as a handler's ``initialize`` takes; ``name`` is for `reverse`.
    """

    # Set by a router that knows handlers, so that it looks only once.
    target_is_handler = False

    def __init__(
        self,
        matcher: Matcher,
        target: Any,
        target_kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.matcher = matcher
        self.target = import_object(target) if isinstance(target, str) else target
        self.target_kwargs = target_kwargs if target_kwargs else {}
        self.name = name

    def reverse(self, *args: Any) -> str | None:
        """The URL of this rule with ``args``; see `Matcher.reverse`."""
        return self.matcher.reverse(*args)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matcher!r}, {self.target}, "
            f"kwargs={self.target_kwargs!r}, name={self.name!r})"
        )


class URLSpec(Rule):
    """A rule for a path.

    ``pattern``: a regular expression for the whole path, whose groups are the handler's
    arguments.  ``handler``: a `.RequestHandler` class, or its dotted name.  ``kwargs``: for its
    ``initialize``.  ``name``: for `.Application.reverse_url`.
    """

    def __init__(
        self,
        pattern: str | re.Pattern[str],
        handler: Any,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        matcher = PathMatches(pattern)
        super().__init__(matcher, handler, kwargs, name)
        self.regex = matcher.regex
        self.handler_class = self.target
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class}, "
            f"kwargs={self.kwargs!r}, name={self.name!r})"
        )
