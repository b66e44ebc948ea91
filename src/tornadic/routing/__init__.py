"""From a request to the one who answers it.

A `Router` finds the `.HTTPMessageDelegate` for a request.  A `RuleRouter` does so by rules, each
of which has a `Matcher` and a target: another router, an `.Application`, a function, or, inside
an application, a `.RequestHandler` class.
"""

from tornadic.routing.matchers import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
)
from tornadic.routing.routers import (
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    RuleRouter,
)
from tornadic.routing.rules import Rule, URLSpec

__all__ = [
    "AnyMatches",
    "DefaultHostMatches",
    "HostMatches",
    "Matcher",
    "PathMatches",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleRouter",
    "URLSpec",
]
