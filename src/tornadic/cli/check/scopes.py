"""Names and scopes: what an expression is, as a trail, by the bindings around it.

Like Python's own scopes: a name is looked for in the scope itself and the functions and module
around it, not in the classes around it.  Where a name is bound several times in a scope, an import
goes before what stands in for it (``except ImportError: gen = None``), and a definition before
both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tornadic.cli.check.facts import CALLED, FOLLOWED, HERE, IMPORTED, SUPER, Trail

__all__ = ["Function", "Scope", "origin"]

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

_MOST_HOPS = 16
"""Assignments that are followed from name to name."""


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a node that belong to its scope, in no certain order; not recursive."""
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        one = waiting.pop()
        yield one
        if not isinstance(one, _NESTED):
            waiting.extend(ast.iter_child_nodes(one))


class Scope:
    """A module, a class or a function, with what its names are bound to."""

    def __init__(self, parent: Scope | None, name: str, *, is_class: bool = False) -> None:
        self.parent = parent
        self.name = name
        """Its qualified name; empty for a module."""
        self.is_class = is_class
        self.owner: str | None = None
        """The qualified name of the class whose method this is, or is within."""
        self.myself: str | None = None
        """What the method calls its object."""
        self.has_star = False
        """All names of some module are imported here."""
        self._trails: dict[str, Trail | None] = {}
        self._values: dict[str, ast.expr] = {}
        self._ranks: dict[str, int] = {}
        self._globals: set[str] = set()

    def names(self) -> dict[str, Trail | None]:
        """What all names of the scope itself are bound to."""
        return {name: self.look_up(name) for name in [*self._trails, *self._values]}

    def binds(self, name: str) -> bool:
        """Whether the scope itself says what ``name`` is."""
        return name in self._trails or name in self._values

    def bind(self, name: str, trail: Trail | None, rank: int = 0) -> None:
        """Bind a name, unless a binding of a higher rank is there."""
        if name in self._globals or rank < self._ranks.get(name, -1):
            return
        if trail is None and rank == 0 and self._trails.get(name) is not None:
            return
        self._trails[name] = trail
        self._ranks[name] = rank
        self._values.pop(name, None)

    def qualify(self, name: str) -> str:
        """The qualified name of what is defined in this scope."""
        if not self.name:
            return name
        return f"{self.name}.{name}" if self.is_class else f"{self.name}.<locals>.{name}"

    def read(self, node: ast.AST) -> None:
        """Take down all bindings of the scope that ``node`` opens."""
        if isinstance(node, Function):
            arguments = node.args
            for named in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                self.bind(named.arg, self._instance_of(named.annotation))
            for more in (arguments.vararg, arguments.kwarg):
                if more is not None:
                    self.bind(more.arg, None)
        for one in _children(node):
            self._read_binding(one)

    def _read_binding(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                whole = parts if alias.asname else parts[:1]
                self.bind(alias.asname or parts[0], (IMPORTED, *whole), 1)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    self.has_star = True
                else:
                    self.bind(alias.asname or alias.name, (*origin(node), alias.name), 1)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bind(node.name, (HERE, self.qualify(node.name)), 2)
        elif isinstance(node, ast.Global):
            self._globals.update(node.names)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._read_assignment(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign):
            if isinstance(node.target, ast.Name):
                self.bind(node.target.id, self._instance_of(node.annotation))
            if node.value is not None:
                self._read_assignment(node.target, node.value)
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            self._read_assignment(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id not in self._values:
                self.bind(node.id, None)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.bind(node.name, None)

    def _read_assignment(self, target: ast.expr, value: ast.expr) -> None:
        """A simple assignment: its value is looked at when somebody asks."""
        if not isinstance(target, ast.Name) or target.id in self._globals:
            return
        if self._trails.get(target.id) is None and not isinstance(value, ast.Constant):
            self._trails.pop(target.id, None)
            self._values.setdefault(target.id, value)

    def _instance_of(self, annotation: ast.expr | None) -> Trail | None:
        """What an object is whose class stands in an annotation."""
        if annotation is None:
            return None
        outside = self if self.parent is None else self.parent
        trail = outside.trail(annotation)
        return None if trail is None else (*trail, CALLED)

    def look_up(self, name: str, hops: int = 0) -> Trail | None:
        """What ``name`` is bound to as seen from this scope; None if that is not known."""
        scope: Scope | None = self
        while scope is not None:
            if scope is self or not scope.is_class:
                if name in scope._trails:
                    return scope._trails[name]
                if name in scope._values:
                    value = scope._values.pop(name)
                    scope._trails[name] = None  # should it refer to itself
                    trail = scope.trail(value, hops + 1) if hops < _MOST_HOPS else None
                    scope._trails[name] = trail
                    return trail
            if scope.parent is None:
                # By way of a star, maybe; the module's own name for it.
                return (HERE, name)
            scope = scope.parent
        return None

    def trail(self, node: ast.AST | None, hops: int = 0) -> Trail | None:
        """The trail of an expression, None if it has none."""
        words: list[str] = []
        while len(words) < FOLLOWED:
            if isinstance(node, ast.Attribute):
                words.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id == "super":
                    owner = self._owner()
                    start: Trail | None = None if owner is None else (SUPER, owner)
                    break
                words.append(CALLED)
                node = node.func
            elif isinstance(node, ast.Name):
                start = self._start(node.id, hops)
                break
            elif isinstance(node, ast.NamedExpr):
                node = node.value
            elif isinstance(node, ast.BoolOp):
                node = node.values[-1]  # `loop or IOLoop.current()`
            else:
                return None
        else:
            return None
        if start is None or len(start) + len(words) > FOLLOWED:
            return None
        return (*start, *reversed(words))

    def _start(self, name: str, hops: int) -> Trail | None:
        scope: Scope | None = self
        while scope is not None:
            if scope.myself == name and scope.owner is not None:
                return (HERE, scope.owner, CALLED)
            if not scope.is_class and scope.binds(name):
                break
            scope = scope.parent
        return self.look_up(name, hops)

    def _owner(self) -> str | None:
        scope: Scope | None = self
        while scope is not None and scope.owner is None:
            scope = scope.parent
        return None if scope is None else scope.owner


def origin(node: ast.ImportFrom) -> Trail:
    """The trail of the module from which something is imported."""
    parts = node.module.split(".") if node.module else []
    return ("." * node.level, *parts) if node.level else (IMPORTED, *parts)
