"""A syntax tree to facts: one walk over the tree, without recursion.

What a scope binds is read when the walk enters it, before what is in it, so that a function may use
what its module defines further down.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

from tornadic.cli.check import forms
from tornadic.cli.check.facts import (
    CALLED,
    GUESSED,
    HERE,
    IMPORTED,
    Call,
    ClassFact,
    FunctionFact,
    ModuleFacts,
    Trail,
    Use,
)
from tornadic.cli.check.scopes import Function, Scope, origin

__all__ = ["read"]

_MEMBERS = frozenset(path.rpartition(".")[2] for path in forms.NAMES)
_CALLED_NAMES = frozenset(path.rpartition(".")[2] for path in forms.ARGUMENTS)
_ARGUMENTS = [forms.LOOP_ARGUMENT, *(one for many in forms.ARGUMENTS.values() for one in many)]
_KEYWORDS = frozenset(word for one in _ARGUMENTS for word in (one.keyword, one.today) if word)
_TELLING = frozenset({"callback", "streaming_callback"})
_FORGIVING = frozenset(
    {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"}
)
_ASKING = frozenset({"hasattr", "TYPE_CHECKING", "version_info", "version", "PY2", "PY3"})
_LOADERS = frozenset({"configure", "import_object", "import_module", "__import__"})
_DOTTED = re.compile(r"torna(?:do|dic)(?:\.[A-Za-z_]\w*){1,5}", re.ASCII)
_SPEAKING = re.compile(r"_*(?:on_\w+|handle_\w+|\w*callback|cb)", re.ASCII)
_WRAPPERS = frozenset({"partial", "wrap", "async_callback", "Callback"})

_Work = list[tuple[ast.AST, Scope, bool]]


def read(tree: ast.Module, path: str, text: str) -> ModuleFacts:
    """Return what there is to know of a file, whose source is ``text``."""
    return _Reader(path, text).read(tree)


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self._facts = ModuleFacts(path)
        self._columns = _Columns(text)
        self._module = Scope(None, "")
        self._work: _Work = []

    def read(self, tree: ast.Module) -> ModuleFacts:
        module = self._module
        module.read(tree)
        self._later(tree.body, module, False)
        while self._work:
            node, scope, is_guarded = self._work.pop()
            self._visit(node, scope, is_guarded)
        self._facts.names = module.names()
        self._facts.uses.sort(key=lambda use: (use.line, use.column))
        return self._facts

    def _later(self, nodes: Iterable[ast.AST | None], scope: Scope, is_guarded: bool) -> None:
        self._work.extend((node, scope, is_guarded) for node in nodes if node is not None)

    def _visit(self, node: ast.AST, scope: Scope, is_guarded: bool) -> None:
        """Take down what a node says, and leave those below it for later."""
        if isinstance(node, Function):
            self._enter_function(node, scope, is_guarded)
            return
        if isinstance(node, ast.ClassDef):
            self._enter_class(node, scope, is_guarded)
            return
        if isinstance(node, ast.Try | ast.TryStar):
            self._later(node.body, scope, is_guarded or _is_forgiving(node.handlers))
            self._later([*node.handlers, *node.orelse, *node.finalbody], scope, is_guarded)
            return
        if isinstance(node, ast.If | ast.IfExp) and not is_guarded:
            is_guarded = any(_name_of(part) in _ASKING for part in ast.walk(node.test))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._note_import(node, is_guarded)
        elif isinstance(node, ast.Call):
            self._note_call(node, scope, is_guarded)
        elif isinstance(node, ast.Attribute | ast.Name):
            self._note_name(node, scope, is_guarded)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._note_attribute(target, node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            self._note_attribute(node.target, node.value, scope)
        self._later(ast.iter_child_nodes(node), scope, is_guarded)

    # Definitions

    def _enter_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope, guarded: bool
    ) -> None:
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        inner = Scope(scope, scope.qualify(name))
        self._later([node.args], scope, guarded)  # defaults and annotations
        if isinstance(node, ast.Lambda):
            inner.read(node)
            self._later([node.body], inner, guarded)
            return
        self._later([*node.decorator_list, node.returns], scope, guarded)
        fact = self._function(node, scope)
        if scope.is_class:
            self._facts.classes[scope.name].methods[name] = fact
            self._bind_object(node, scope, inner)
        else:
            self._facts.functions[inner.name] = fact
        inner.read(node)
        self._later(node.body, inner, guarded)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> FunctionFact:
        arguments = node.args
        named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        trails = [scope.trail(one) for one in node.decorator_list]
        line, column = self._columns.place(node)
        return FunctionFact(
            line,
            column,
            [trail for trail in trails if trail is not None],
            frozenset(one.arg for one in named),
            arguments.kwarg is not None,
        )

    def _bind_object(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, inner: Scope
    ) -> None:
        """Say what the first arguments of a method are."""
        decorators = {_name_of(one) for one in node.decorator_list}
        arguments = [*node.args.posonlyargs, *node.args.args]
        inner.owner = scope.name
        if not arguments or "staticmethod" in decorators:
            return
        if "classmethod" in decorators:
            inner.bind(arguments[0].arg, (HERE, scope.name), 1)
            return
        inner.myself = arguments[0].arg
        place, path = forms.PARAMETERS.get(node.name, (0, ""))
        if path and len(arguments) > place:
            inner.bind(arguments[place].arg, _tornado(path, CALLED), 1)

    def _enter_class(self, node: ast.ClassDef, scope: Scope, is_guarded: bool) -> None:
        inner = Scope(scope, scope.qualify(node.name), is_class=True)
        fact = ClassFact([scope.trail(base) for base in node.bases])
        self._facts.classes[inner.name] = fact
        inner.read(node)
        fact.attributes.update(inner.names())
        self._later([*node.decorator_list, *node.bases, *node.keywords], scope, is_guarded)
        self._later(node.body, inner, is_guarded)

    def _note_attribute(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        """Remember what is put on an object by a method of its own class."""
        if not isinstance(target, ast.Attribute):
            return
        owner = scope.trail(target.value)
        if owner is not None and owner[0] == HERE and len(owner) == 3 and owner[2] == CALLED:
            fact = self._facts.classes.get(owner[1])
            if fact is not None and fact.attributes.get(target.attr) is None:
                fact.attributes[target.attr] = scope.trail(value)

    # Uses

    def _note(self, node: ast.AST, trail: Trail, is_guarded: bool, is_import: bool) -> None:
        line, column = self._columns.place(node)
        self._facts.uses.append(Use(trail, line, column, is_guarded, is_import))

    def _note_import(self, node: ast.Import | ast.ImportFrom, is_guarded: bool) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                trail: Trail = (IMPORTED, *alias.name.split("."))
            elif alias.name == "*":
                trail = origin(node)
                self._facts.stars.append(trail)
            else:
                trail = (*origin(node), alias.name)
            if _is_worth(trail):
                self._note(alias, trail, is_guarded, True)

    def _note_name(self, node: ast.Attribute | ast.Name, scope: Scope, is_guarded: bool) -> None:
        if not isinstance(node.ctx, ast.Load):
            if isinstance(node, ast.Attribute):
                self._facts.stored.add(node.attr)
            return
        trail = scope.trail(node)
        if trail is None or not _is_worth(trail):
            return
        if len(trail) > 2 or trail[0] != HERE or self._is_by_star(trail[1]):
            self._note(node, trail, is_guarded, False)

    def _is_by_star(self, name: str) -> bool:
        """Whether a name of the module can only have come with all names of another."""
        module = self._module
        return module.has_star and not module.binds(name) and not hasattr(builtins, name)

    def _note_call(self, node: ast.Call, scope: Scope, is_guarded: bool) -> None:
        name = _name_of(node.func)
        keywords = frozenset(
            one.arg for one in node.keywords if one.arg in _KEYWORDS and not _is_none(one.value)
        )
        if name in _LOADERS and node.args:
            self._note_text(node.args[0], is_guarded)
        if not keywords and name not in _CALLED_NAMES and name not in forms.LOOP_TAKERS:
            return
        trail = scope.trail(node.func)
        if trail is None and name in forms.UNIQUE_METHODS and keywords & _TELLING:
            trail = (GUESSED, name)
        if trail is None:
            return
        line, column = self._columns.place(node)
        places = range(len(node.args))
        functions = (place for place in places if _looks_like_a_function(node.args[place]))
        positional = tuple(scope.trail(one) for one in node.args)
        self._facts.uses.append(
            Call(trail, line, column, is_guarded, False, keywords, positional, frozenset(functions))
        )

    def _note_text(self, node: ast.expr, is_guarded: bool) -> None:
        """The name of a class in a text, as `configure` takes it."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if len(text) < 200 and _DOTTED.fullmatch(text):
                self._note(node, (IMPORTED, *text.split(".")), is_guarded, True)


class _Columns:
    """Places in the source: the tree counts bytes, people count characters."""

    def __init__(self, text: str) -> None:
        self._lines = [] if text.isascii() else re.split(r"\r\n|\r|\n", text)
        self._ends: dict[int, list[int]] = {}

    def place(self, node: ast.AST) -> tuple[int, int]:
        """The line and the column, both from 1 on."""
        line: int = node.lineno  # type: ignore[attr-defined]
        offset: int = node.col_offset  # type: ignore[attr-defined]
        if line > len(self._lines) or self._lines[line - 1].isascii():
            return line, offset + 1
        ends = self._ends.get(line)
        if ends is None:
            characters = self._lines[line - 1]
            ends = list(accumulate(len(one.encode("utf-8", "replace")) for one in characters))
            self._ends[line] = ends
        return line, bisect_right(ends, offset) + 1


def _tornado(path: str, *more: str) -> Trail:
    return (IMPORTED, "tornado", *path.split("."), *more)


def _is_worth(trail: Trail) -> bool:
    """Whether a trail may lead to anything that is looked for."""
    if trail[0] == IMPORTED:
        return len(trail) > 1 and trail[1] not in sys.stdlib_module_names
    if trail[0].startswith("."):
        return True
    name = trail[-1]
    if len(trail) == 2:
        return trail[0] == HERE
    return name in _MEMBERS or (name.startswith("_") and not name.startswith("__"))


def _name_of(node: ast.AST) -> str:
    """The last name of an expression, called or not; empty if it has none."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _looks_like_a_function(node: ast.expr) -> bool:
    """Whether an argument must be a function, by its form or by its name."""
    if isinstance(node, ast.Yield) and node.value is not None:
        return _name_of(node.value) in _WRAPPERS
    if isinstance(node, ast.Call):
        return _name_of(node) in _WRAPPERS
    name = _name_of(node)
    return isinstance(node, ast.Lambda) or bool(name and _SPEAKING.fullmatch(name))


def _caught(handlers: list[ast.ExceptHandler]) -> Iterator[str]:
    for handler in handlers:
        if handler.type is None:
            yield "BaseException"
        elif isinstance(handler.type, ast.Tuple):
            yield from map(_name_of, handler.type.elts)
        else:
            yield _name_of(handler.type)


def _is_forgiving(handlers: list[ast.ExceptHandler]) -> bool:
    """Whether what is not there does the program no harm."""
    return not _FORGIVING.isdisjoint(_caught(handlers))
