"""Holds Tornado's list of its public API, which comes with its tests, against Tornadic.

Each line of that list is taken for a test: the name is there, what has to be a class or a function
is one, and functions have the same parameters with the same defaults, and maybe more that can be
left out.  In which file of a package a name is defined is not looked at; Tornado's own test of the
list does that.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Entry", "check", "entries", "find_list"]

MODULE = "api"
"""What the list is called among the test modules."""


@dataclass(frozen=True)
class Entry:
    """A line: ``tornado.web.HTTPError: class(builtins.Exception)`` and the like."""

    module: str
    path: str
    """The name below the module, with dots."""
    kind: str
    signature: str

    @property
    def name(self) -> str:
        """As which test this is counted."""
        return f"{MODULE}.{self.module}.{self.path}"


def find_list() -> str:
    """Return the path of the list."""
    import tornado.test

    return os.path.join(os.path.dirname(tornado.test.__file__), "api.txt")


def entries(text: str) -> Iterator[Entry]:
    """Read the lines of the list.

    Raises `ValueError` for a line that is none.
    """
    module = ""
    for line in text.splitlines():
        if line.startswith("["):
            module = line.strip("[]")
        elif line:
            name, separator, description = line.partition(": ")
            if not separator or not name.startswith(f"{module}."):
                raise ValueError(f"what is {line!r}?")
            kind, bracket, signature = description.partition("(")
            yield Entry(module, name[len(module) + 1 :], kind, bracket + signature)


def check(entry: Entry) -> str | None:
    """Return what is wrong with an entry's counterpart, None if nothing is.

    Raises ImportError if its module cannot be imported.
    """
    found: Any = importlib.import_module(entry.module)
    owner: Any = None
    for part in entry.path.split("."):
        owner = found
        try:
            found = inspect.getattr_static(owner, part)
        except AttributeError:
            if entry.kind == "lazy attribute" and hasattr(owner, part):
                return None
            if isinstance(owner, type) and part in instance_attributes(owner):
                return None
            return "there is no such name"
    if entry.kind == "class":
        return None if inspect.isclass(found) else f"it is no class but {found!r}"
    if entry.kind in ("function", "method", "staticmethod", "classmethod"):
        return check_function(entry, owner, found)
    return None


def check_function(entry: Entry, owner: Any, found: Any) -> str | None:
    """Return in what the parameters of a function differ."""
    if isinstance(found, staticmethod | classmethod):
        if entry.kind != type(found).__name__:
            return f"it is a {type(found).__name__}"
        found = found.__func__
    if not callable(found):
        return f"it is no function but {found!r}"
    try:
        ours = inspect.signature(found)
    except ValueError:
        return None  # one of Python's own, in C
    # Some defaults are not shown as source.
    signature = re.sub(r"=<[^<>]*>", "=...", entry.signature)
    theirs = ast.parse(f"def f{signature}: pass").body[0]
    assert isinstance(theirs, ast.FunctionDef)
    wanted, had = parameters(theirs.args), dict(ours.parameters)
    more = [one for name, one in had.items() if name not in wanted]
    same = [(name, one.kind) for name, one in had.items() if name in wanted]
    are_theirs = same == [(name, kind) for name, (kind, _) in wanted.items()]
    if not are_theirs or not all(may_be_left_out(one) for one in more) or not is_last(more, had):
        return f"its parameters are {ours}"
    for name, (_, default) in wanted.items():
        has_default = had[name].default is not inspect.Parameter.empty
        if (default is not None) != has_default:
            return f"parameter {name}: its parameters are {ours}"
        if default is not None and not is_same(default, had[name].default):
            return f"the default of {name} is {had[name].default!r}, not {default}"
    return None


def may_be_left_out(parameter: inspect.Parameter) -> bool:
    """Whether nobody need know of a parameter who calls as the list says."""
    is_many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return is_many or parameter.default is not parameter.empty


def is_last(more: list[inspect.Parameter], had: dict[str, inspect.Parameter]) -> bool:
    """Whether those that can be given by their place come after all that the list has."""
    places = [one for one in had.values() if one.kind != one.KEYWORD_ONLY]
    places = [one for one in places if one.kind != one.VAR_KEYWORD]
    mine = [one for one in places if one in more]
    return not mine or places[-len(mine) :] == mine


def is_same(source: str, default: object) -> bool:
    """Whether a default is what the list says, which for some is only that there is one."""
    if source == "...":
        return True
    listed = ast.literal_eval(source)
    return bool(listed == default) and isinstance(default, type(listed))


def parameters(arguments: ast.arguments) -> dict[str, tuple[Any, str | None]]:
    """Return kind and default, as source, of each parameter."""
    found: dict[str, tuple[Any, str | None]] = {}
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for one, default in zip(positional, [*missing, *arguments.defaults], strict=True):
        is_only = one in arguments.posonlyargs
        kind = inspect.Parameter.POSITIONAL_ONLY if is_only else None
        source = None if default is None else ast.unparse(default)
        found[one.arg] = kind or inspect.Parameter.POSITIONAL_OR_KEYWORD, source
    if arguments.vararg:
        found[arguments.vararg.arg] = inspect.Parameter.VAR_POSITIONAL, None
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        source = None if default is None else ast.unparse(default)
        found[one.arg] = inspect.Parameter.KEYWORD_ONLY, source
    if arguments.kwarg:
        found[arguments.kwarg.arg] = inspect.Parameter.VAR_KEYWORD, None
    return found


@functools.cache
def instance_attributes(owner: Any) -> frozenset[str]:
    """Names that a class or one above it declares, or sets in a method, or makes on demand."""
    names: set[str] = set()
    for one in owner.__mro__:
        names.update(inspect.get_annotations(one))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        except (OSError, TypeError):
            continue  # not written in Python
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return frozenset(names)
