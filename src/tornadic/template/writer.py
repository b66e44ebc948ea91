"""Writes Python as trees: statements at places of a template, functions with a buffer.

Names that begin with ``_tt_`` are ours, and so are no variables of the template:

* ``_tt_append`` adds a piece to the list ``_tt_buffer``;
* ``_tt_escape`` and ``_tt_raw`` are `runtime.escaped` and `runtime.raw`;
* ``_tt_text``, ``_tt_bytes``, ``_tt_settled`` and ``_tt_join`` are found in the namespace.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, TypeVar

from tornadic.template.sources import Snippet

__all__ = ["HELPERS", "Lines", "at", "buffered", "call", "define", "load"]

HELPERS = ("_tt_escape", "_tt_raw")
"""Arguments of every function, so that they are found at once."""

_Located = TypeVar("_Located", ast.stmt, ast.excepthandler)


def load(name: str) -> ast.expr:
    """A name that is read."""
    return ast.Name(name, ast.Load())


def call(function: str, argument: ast.expr) -> ast.Call:
    return ast.Call(load(function), [argument], [])


def at(place: Snippet, node: _Located) -> _Located:
    node.lineno, node.col_offset = place.line, place.column
    node.end_lineno, node.end_col_offset = place.end
    return node


def define(
    name: str,
    arguments: list[ast.arg],
    defaults: Iterable[str],
    body: list[ast.stmt],
    is_async: bool,
) -> ast.stmt:
    """A function, whose last arguments have the variables of the same names as defaults."""
    parameters = ast.arguments(
        posonlyargs=[],
        args=arguments,
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[load(one) for one in defaults],
    )
    # Python 3.12 will have type parameters, which those before do not know.
    fields: dict[str, Any] = {"decorator_list": [], "type_params": []}
    kind = ast.AsyncFunctionDef if is_async else ast.FunctionDef
    return kind(name=name, args=parameters, body=body, **fields)


def buffered(
    names: Iterable[str], pieces: Iterable[ast.stmt], body: list[ast.stmt], returned: ast.expr
) -> list[ast.stmt]:
    """What a function with a buffer of its own does.

    ``names`` are variables that it has although only its ``pieces``, functions within it, set them.
    """
    lines: list[ast.stmt] = []
    targets: list[ast.expr] = [ast.Name(name, ast.Store()) for name in sorted(names)]
    if targets:
        # Never executed; that it is there makes them variables of this function.
        lines.append(ast.If(ast.Constant(False), [ast.Assign(targets, ast.Constant(None))], []))
    lines += pieces
    buffer = ast.List([], ast.Load())
    append = ast.Attribute(load("_tt_buffer"), "append", ast.Load())
    lines.append(ast.Assign([ast.Name("_tt_buffer", ast.Store())], buffer))
    lines.append(ast.Assign([ast.Name("_tt_append", ast.Store())], append))
    return [*lines, *body, ast.Return(returned)]


class Lines:
    """The statements of a body; texts in a row become one."""

    def __init__(self) -> None:
        self._statements: list[ast.stmt] = []
        self._texts: list[str] = []
        self._place = Snippet("", 1, 0)

    def add_text(self, text: str, place: Snippet) -> None:
        if text:
            if not self._texts:
                self._place = place
            self._texts.append(text)

    def add_piece(self, value: ast.expr, place: Snippet) -> None:
        self.add(ast.Expr(call("_tt_append", value)), place)

    def add(self, statement: ast.stmt, place: Snippet) -> None:
        self._end_text()
        self._statements.append(at(place, statement))

    def add_parsed(self, statements: Iterable[ast.stmt]) -> None:
        """Add what has its places already."""
        self._end_text()
        self._statements += statements

    def _end_text(self) -> None:
        if self._texts:
            text = ast.Constant("".join(self._texts))
            self._texts = []
            self.add_piece(text, self._place)

    def finish(self) -> list[ast.stmt]:
        self._end_text()
        return self._statements
