"""From tokens to nodes: which tag may stand where, and what it takes.

A descent: `_body` reads to the tag that ends it, which is ``end`` or one like ``else`` that goes
on with what was opened.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from tornadic.template import lexer
from tornadic.template.nodes import (
    Apply,
    Block,
    Body,
    Expression,
    File,
    For,
    If,
    Include,
    Node,
    Statements,
    Super,
    Text,
    Try,
    While,
)
from tornadic.template.python import (
    parse_except,
    parse_expression,
    parse_for,
    parse_module,
    parse_statements,
)
from tornadic.template.sources import Snippet, Source
from tornadic.template.whitespace import filter_whitespace

__all__ = ["parse"]

# As many as Python takes levels of indentation.
MAX_DEPTH = 100

# White space between the tags of an HTML page counts within this one.
_KEEPS_WHITESPACE = "<pre>"

# What may go on with what.
_CONTINUATIONS = {
    "else": ("if", "for", "while", "try"),
    "elif": ("if",),
    "except": ("try",),
    "finally": ("try",),
}
# The place of each part of `try`, and the first place that may come behind it.
_ORDER_IN_TRY = {"except": (0, 0), "else": (1, 2), "finally": (2, 3)}
_OPENING = {"apply", "block", "for", "if", "try", "while"}
# What has to be told more than its name, in words.
_NEEDS = {
    "apply": "a function",
    "autoescape": "a function or None",
    "block": "a name",
    "elif": "a test",
    "extends": "a file",
    "for": "a target and an iterable",
    "from": "a module and names",
    "if": "a test",
    "import": "a module",
    "include": "a file",
    "module": "a module",
    "raw": "an expression",
    "set": "a statement",
    "while": "a test",
    "whitespace": "a mode",
}
_STAND_ALONE = {"break", "continue", "else", "finally", "super", "try"}


def parse(source: Source, autoescape: str | None, whitespace: str) -> File:
    """Parse a template.

    ``autoescape`` is the expression of the function that escapes values, None for none, and
    ``whitespace`` the mode; both until the template itself says otherwise.

    Raises `.ParseError` for tags that are not well put, `SyntaxError` for bad Python.
    """
    return _Parser(source, autoescape, whitespace).parse()


@dataclass(frozen=True, slots=True)
class _Context:
    """What is open: the innermost tag, whether a loop or a block is around, and how many tags."""

    opener: lexer.Tag | None = None
    in_loop: bool = False
    in_block: bool = False
    depth: int = 0


class _Parser:
    def __init__(self, source: Source, autoescape: str | None, whitespace: str) -> None:
        self._source = source
        self._tokens = lexer.tokenize(source)
        self._whitespace = whitespace
        self._file = File(source)
        self._escape_by(Snippet(autoescape, 1, 0) if autoescape else None)

    def parse(self) -> File:
        self._file.body, _ = self._body(_Context())
        return self._file

    def _escape_by(self, function: Snippet | None) -> None:
        self._file.is_html = function is not None and function.text == "xhtml_escape"
        self._file.escape = parse_expression(self._source, function) if function else None

    def _body(self, context: _Context) -> tuple[Body, lexer.Tag | None]:
        """Read up to what ends the body, and return that as well; None is the end of the file."""
        body: Body = []
        for token in self._tokens:
            snippet = token.whole if isinstance(token, lexer.Tag) else token.snippet
            if isinstance(token, lexer.Text):
                body.append(Text(self._filtered(snippet.text), replace(snippet, text="")))
            elif isinstance(token, lexer.Expression):
                if not snippet.text:
                    raise self._source.error("Empty expression", snippet.line)
                value = parse_expression(self._source, snippet)
                body.append(Expression(value, False, snippet))
            elif token.operator == "end" or token.operator in _CONTINUATIONS:
                self._check_end(token, context.opener)
                return body, token
            else:
                self._check(token, context)
                node = self._node(token, context)
                if node is not None:
                    body.append(node)
        if context.opener is not None:
            raise self._error(context.opener, f"Missing {{% end %}} of {context.opener.operator}")
        return body, None

    def _filtered(self, text: str) -> str:
        return text if _KEEPS_WHITESPACE in text else filter_whitespace(self._whitespace, text)

    def _error(self, tag: lexer.Tag, message: str) -> Exception:
        return self._source.error(message, tag.line)

    def _check_end(self, tag: lexer.Tag, opener: lexer.Tag | None) -> None:
        if tag.operator == "end":
            if opener is None:
                raise self._error(tag, "Extra {% end %}")
            return
        allowed = _CONTINUATIONS[tag.operator]
        if opener is None:
            raise self._error(tag, f"{tag.operator} outside of {', '.join(allowed)}")
        if opener.operator not in allowed:
            raise self._error(tag, f"{tag.operator} cannot belong to {opener.operator}")
        self._check_rest(tag)

    def _check(self, tag: lexer.Tag, context: _Context) -> None:
        if not tag.operator:
            raise self._error(tag, "Empty tag {% %}")
        self._check_rest(tag)
        if tag.operator in ("break", "continue") and not context.in_loop:
            raise self._error(tag, f"{tag.operator} outside of for, while")
        if tag.operator == "super" and not context.in_block:
            raise self._error(tag, "super outside of block")
        if tag.operator == "extends" and context.opener is not None:
            raise self._error(tag, f"extends within {context.opener.operator}")

    def _check_rest(self, tag: lexer.Tag) -> None:
        if tag.operator in _NEEDS and not tag.rest.text:
            raise self._error(tag, f"{tag.operator} needs {_NEEDS[tag.operator]}")
        if tag.operator in _STAND_ALONE and tag.rest.text:
            raise self._error(tag, f"{tag.operator} takes nothing")

    def _node(self, tag: lexer.Tag, context: _Context) -> Node | None:
        """The node of a tag, None if it only changes how the others are read."""
        rest = tag.rest
        match tag.operator:
            case "comment":
                return None
            case "extends":
                self._file.parent = Include(self._path(tag), tag.whole)
                return None
            case "autoescape":
                self._escape_by(None if rest.text == "None" else rest)
                return None
            case "whitespace":
                self._set_whitespace(tag)
                return None
            case "include":
                return Include(self._path(tag), tag.whole)
            case "super":
                return Super(tag.whole)
            case "raw":
                return Expression(parse_expression(self._source, rest), True, rest)
            case "module":
                return Expression(parse_module(self._source, rest), True, rest, is_module=True)
            case "set":
                return Statements(parse_statements(self._source, rest), tag.whole)
            case "import" | "from":
                statements = parse_statements(self._source, rest, tag.operator)
                return Statements(statements, tag.whole)
            case "break":
                return Statements([ast.Break()], tag.whole)
            case "continue":
                return Statements([ast.Continue()], tag.whole)
            case operator if operator in _OPENING:
                if context.depth == MAX_DEPTH:
                    raise self._error(tag, f"more than {MAX_DEPTH} tags within each other")
                return self._opened(tag, replace(context, opener=tag, depth=context.depth + 1))
        raise self._error(tag, f"unknown tag {tag.operator!r}")

    def _path(self, tag: lexer.Tag) -> str:
        path = tag.rest.text.strip("\"'")
        if not path:
            raise self._error(tag, f"{tag.operator} needs {_NEEDS[tag.operator]}")
        return path

    def _set_whitespace(self, tag: lexer.Tag) -> None:
        mode = tag.rest.text
        try:
            filter_whitespace(mode, "")
        except ValueError as error:
            raise self._error(tag, str(error)) from None
        self._whitespace = mode

    def _opened(self, tag: lexer.Tag, context: _Context) -> Node:
        """What is opened by the tag, up to its end."""
        match tag.operator:
            case "if":
                return self._if(tag, context)
            case "try":
                return self._try(tag, context)
            case "for":
                header = parse_for(self._source, tag.rest)
                return For(header, *self._loop(context), tag.whole)
            case "while":
                test = parse_expression(self._source, tag.rest)
                return While(test, *self._loop(context), tag.whole)
            case "apply":
                function = parse_expression(self._source, tag.rest)
                body, _ = self._body(replace(context, in_loop=False))
                return Apply(function, body, tag.whole)
        body, _ = self._body(replace(context, in_block=True))
        return Block(tag.rest.text, body, tag.whole)

    def _loop(self, context: _Context) -> tuple[Body, Body]:
        body, tag = self._body(replace(context, in_loop=True))
        return body, self._otherwise(tag, context)

    def _otherwise(self, tag: lexer.Tag | None, context: _Context) -> Body:
        """The body behind ``else``, if that is the tag, after which nothing but an end may come."""
        if tag is None or tag.operator != "else":
            return []
        body, last = self._body(context)
        if last is not None and last.operator != "end":
            raise self._error(last, f"{last.operator} after else")
        return body

    def _if(self, opener: lexer.Tag, context: _Context) -> If:
        branches: list[tuple[ast.expr, Body]] = []
        tag: lexer.Tag | None = opener
        while tag is not None and tag.operator in ("if", "elif"):
            test = parse_expression(self._source, tag.rest)
            body, tag = self._body(context)
            branches.append((test, body))
        return If(branches, self._otherwise(tag, context), opener.whole)

    def _try(self, opener: lexer.Tag, context: _Context) -> Try:
        body, tag = self._body(context)
        node = Try(body, [], [], [], opener.whole)
        least = 0
        while tag is not None and tag.operator != "end":
            part = tag
            order, next_least = _ORDER_IN_TRY[part.operator]
            if order < least or (part.operator == "else" and not node.handlers):
                raise self._error(part, f"misplaced {part.operator} of try")
            least = next_least
            body, tag = self._body(context)
            if part.operator == "except":
                node.handlers.append((parse_except(self._source, part.rest), body))
            elif part.operator == "else":
                node.otherwise = body
            else:
                node.finally_ = body
        if least == 0 and not node.handlers:
            raise self._error(opener, "try needs except or finally")
        return node
