"""What there is in Tornadic, under Tornado's names: the other side of what a program asks for.

Only Tornadic's own modules are imported, and only those that the program names.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import textwrap
import warnings
from types import ModuleType
from typing import Any

from tornadic.compat import legacy

__all__ = [
    "exports",
    "has_attribute",
    "has_module",
    "has_name",
    "is_class",
    "is_derived",
    "is_function",
    "old_module",
    "old_name",
    "where",
]


@functools.cache
def has_module(path: str) -> bool:
    """Whether ``tornado.PATH`` can be imported; the empty path is the package itself."""
    if not path:
        return True
    parent = path.rpartition(".")[0]
    if not has_module(parent):
        return False
    try:
        return importlib.util.find_spec(f"tornadic.{path}") is not None
    except (ImportError, AttributeError, ValueError):
        return False  # what should be its package is a module


@functools.cache
def _module(path: str) -> ModuleType | None:
    """The module, or None if it is not there, or lacks an optional package here."""
    if not has_module(path):
        return None
    try:
        return importlib.import_module(f"tornadic.{path}" if path else "tornadic")
    except ImportError:
        return None


@functools.cache
def has_name(module: str, name: str) -> bool:
    """Whether a module that is there has this name; True if it cannot be loaded here."""
    found = _module(module)
    if found is None or name in vars(found) or name in getattr(found, "__all__", ()):
        return True
    if has_module(f"{module}.{name}" if module else name):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names are made on demand, and warn
        return hasattr(found, name)


def old_module(path: str) -> str | None:
    """What to write instead of a module that only ``compat.legacy`` has; None if it has not."""
    known = legacy.MODULES.get(path)
    return None if known is None else known[1]


def old_name(module: str, name: str) -> str | None:
    """What to write instead of a name that only ``compat.legacy`` has; None if it has not."""
    known = legacy.NAMES.get(module, {}).get(name)
    return None if known is None else known[1]


@functools.cache
def _object(path: str) -> Any:
    """What ``tornado.PATH`` is, below a module; None for a module, and for what is not there."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if has_module(module):
            found: Any = _module(module)
            for part in parts[length:]:
                # Not by getattr, which would warn of an old form.
                if found is None or not (isinstance(found, ModuleType) or inspect.isclass(found)):
                    return None
                found = inspect.getattr_static(found, part, None)
            return None if isinstance(found, ModuleType) else found
    return None


def is_class(path: str) -> bool:
    """Whether ``tornado.PATH`` is a class."""
    return inspect.isclass(_object(path))


def is_function(path: str) -> bool:
    """Whether ``tornado.PATH`` is a function or a method."""
    return inspect.isroutine(_object(path))


@functools.cache
def is_derived(path: str, base: str) -> bool:
    """Whether class ``path`` is, or is derived from, class ``base``."""
    if path == base:
        return True
    one, other = _object(path), _object(base)
    return inspect.isclass(one) and inspect.isclass(other) and issubclass(one, other)


@functools.cache
def has_attribute(path: str, name: str) -> bool:
    """Whether objects of class ``path`` have this attribute, as far as the source tells."""
    found = _object(path)
    if not inspect.isclass(found):
        return True  # nothing is known
    missing = object()
    if inspect.getattr_static(found, name, missing) is not missing:
        return True
    return any(name in _assigned(one) for one in found.__mro__)


@functools.cache
def _assigned(owner: type) -> frozenset[str]:
    """The attributes that a class declares, or sets in its methods."""
    names = set(inspect.get_annotations(owner))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError):
        return frozenset(names)  # not written in Python
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return frozenset(names)


@functools.cache
def where(name: str) -> str | None:
    """The module, as ``tornado.X``, that offers this name today; None if none or several do."""
    import tornadic

    found = [
        module
        for module in tornadic.__all__
        if name in getattr(_module(module), "__all__", ()) and module != "simple_httpclient"
    ]
    return f"tornado.{found[0]}" if len(found) == 1 else None


def exports(module: str, name: str) -> bool:
    """Whether ``from tornado.MODULE import *`` gives this name."""
    found = _module(module)
    return found is not None and name in getattr(found, "__all__", ())
