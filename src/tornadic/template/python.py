"""Python within templates, parsed so that every node keeps its place in the template.

A piece is given to Python's own parser within a few words that make it complete: an expression
between brackets, in which it may take several lines, a statement below ``if 1:``.  It stands on a
line of its own, behind as many spaces as there are columns before it in the template; so only
the line numbers have to be moved.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import NoReturn

from tornadic.template.sources import Snippet, Source

__all__ = [
    "Scan",
    "parse_except",
    "parse_expression",
    "parse_for",
    "parse_module",
    "parse_statements",
]

# Columns beyond are not kept: the spaces before the pieces of one long line add up.
MAX_COLUMN = 1000


def parse_expression(source: Source, snippet: Snippet) -> ast.expr:
    """Parse an expression; a tuple needs no parentheses.

    This and the others raise `SyntaxError` at the place in the template.
    """
    return _bracketed(source, snippet, "_[")


def parse_module(source: Source, snippet: Snippet) -> ast.expr:
    """Parse what stands behind ``_tt_modules.``, by which UI modules are reached."""
    expression = _bracketed(source, snippet, "_[_tt_modules.")
    for node in ast.walk(expression):
        # The name that was put before it, and whatever begins with that.
        if isinstance(node, ast.expr) and node.lineno < snippet.line:
            node.lineno, node.col_offset = snippet.line, snippet.column
            if (node.end_lineno or 0) < snippet.line:
                node.end_lineno, node.end_col_offset = snippet.line, snippet.column
    return expression


def parse_for(source: Source, snippet: Snippet) -> ast.For:
    """Parse what stands between ``for`` and the colon."""
    match _indented(source, snippet, "", "for ", ": pass"):
        case [ast.For() as loop]:
            return loop
    _refuse(source, snippet)


def parse_except(source: Source, snippet: Snippet) -> ast.ExceptHandler:
    """Parse what stands between ``except`` and the colon, which may be nothing."""
    match _indented(source, snippet, "try: pass\n", "except ", ": pass"):
        case [ast.Try(handlers=[handler])]:
            return handler
    _refuse(source, snippet)


def parse_statements(source: Source, snippet: Snippet, keyword: str = "") -> list[ast.stmt]:
    """Parse a statement, or some with semicolons between them, behind a keyword."""
    return _indented(source, snippet, "", keyword and f"{keyword} ", "")


def _bracketed(source: Source, snippet: Snippet, before: str) -> ast.expr:
    padding = " " * min(snippet.column, MAX_COLUMN)
    tree = _parse(source, snippet, f"{before}\n", padding, "\n]")
    match tree.body:
        # Anything else had brackets of its own, and made another sense of ours.
        case [ast.Expr(ast.Subscript(ast.Name("_"), expression))] if not _is_slice(expression):
            _check(source, expression)
            return expression
    _refuse(source, snippet)


def _is_slice(expression: ast.expr) -> bool:
    parts = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return any(isinstance(part, ast.Slice) for part in parts)


def _indented(
    source: Source, snippet: Snippet, before: str, keyword: str, after: str
) -> list[ast.stmt]:
    # One space at least, since it stands below an `if`.
    padding = " " * min(max(snippet.column - len(keyword), 1), MAX_COLUMN)
    before = f"if 1:\n{padding}{before}" if before else "if 1:\n"
    tree = _parse(source, snippet, before, padding + keyword, after)
    match tree.body:
        case [ast.If(body=body, orelse=[])]:
            _check(source, *body)
            return body
    _refuse(source, snippet)


def _parse(source: Source, snippet: Snippet, before: str, prefix: str, after: str) -> ast.Module:
    """Parse a snippet behind whole lines and a prefix, and move the lines to where they are."""
    first = before.count("\n") + 1
    if "\\" in snippet.text:
        # Python warns of what is no escape as soon as it sees it, so the line has to be right.
        before = "\n" * max(snippet.line - first, 0) + before
        first = before.count("\n") + 1
    try:
        tree = ast.parse(f"{before}{prefix}{snippet.text}{after}", source.filename)
    except SyntaxError as error:
        raise _moved(error, source, snippet, first, len(prefix)) from None
    except ValueError as error:
        # Python before 3.12 says so for a NUL.
        raise source.syntax_error(str(error), snippet.line, 1) from None
    ast.increment_lineno(tree, snippet.line - first)
    return tree


_MISMATCH = re.compile(r"closing parenthesis '(.)' does not match opening parenthesis '(.)'")
_LINES = re.compile(r" (?:\(detected at|on) line \d+\)?")


def _moved(
    error: SyntaxError, source: Source, snippet: Snippet, first: int, prefix: int
) -> SyntaxError:
    """The error as one of the template, in which there are no brackets of ours."""
    line, offset = error.lineno or first, error.offset or 1
    mismatch = _MISMATCH.match(error.msg)
    message = _LINES.sub("", error.msg)
    is_behind = line - first > snippet.text.count("\n")
    if is_behind:
        last = snippet.text.rpartition("\n")[2]
        line, offset = first + snippet.text.count("\n"), len(last) + 1
        if line == first:
            offset += prefix
    if mismatch and is_behind:
        message = f"{mismatch[2]!r} was never closed"
    elif mismatch and f"line {first - 1}" in error.msg:
        message = f"unmatched {mismatch[1]!r}"
    if line <= first:
        # The prefix has bytes for columns, and a line before it is none of the template's.
        line = first
        offset = max(offset - prefix, 1) + _characters_before(source, snippet)
    return source.syntax_error(message, line - first + snippet.line, offset)


def _characters_before(source: Source, snippet: Snippet) -> int:
    return len(source.line(snippet.line).encode()[: snippet.column].decode(errors="replace"))


def _refuse(source: Source, snippet: Snippet) -> NoReturn:
    offset = _characters_before(source, snippet) + 1
    raise source.syntax_error("invalid syntax", snippet.line, offset) from None


def _check(source: Source, *nodes: ast.AST) -> None:
    """Refuse what would make something else than a page of a template."""
    for node in Scan(nodes).misplaced:
        word = "return" if isinstance(node, ast.Return) else "yield"
        raise source.syntax_error(f"'{word}' in a template", node.lineno, node.col_offset + 1)


class Scan(ast.NodeVisitor):
    """What Python code does to the function in which it stands.

    ``names`` are the variables that it sets, ``awaits`` says whether it takes a coroutine to
    hold it, ``misplaced`` are its ``yield`` and ``return``.
    """

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self.names: set[str] = set()
        self.awaits = False
        self.misplaced: list[ast.Return | ast.Yield | ast.YieldFrom] = []
        self._globals: set[str] = set()
        for node in nodes:
            self.visit(node)
        self.names -= self._globals

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.names.add(node.id)

    def visit_alias(self, node: ast.alias) -> None:
        self.names.add(node.asname or node.name.partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._globals.update(node.names)

    def _visit_definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    ) -> None:
        # What is inside is another function's; the words about it are ours.
        self.names.add(node.name)
        outside = [*node.decorator_list]
        if isinstance(node, ast.ClassDef):
            outside += [*node.bases, *(keyword.value for keyword in node.keywords)]
        else:
            outside += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        for one in outside:
            self.visit(one)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_definition

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        # The target is a variable of the comprehension's own.
        self.awaits = self.awaits or bool(node.is_async)
        for one in (node.iter, *node.ifs):
            self.visit(one)

    def _visit_await(self, node: ast.AST) -> None:
        self.awaits = True
        self.generic_visit(node)

    visit_Await = visit_AsyncFor = visit_AsyncWith = _visit_await

    def _visit_misplaced(self, node: ast.Return | ast.Yield | ast.YieldFrom) -> None:
        self.misplaced.append(node)
        self.generic_visit(node)

    visit_Return = visit_Yield = visit_YieldFrom = _visit_misplaced
