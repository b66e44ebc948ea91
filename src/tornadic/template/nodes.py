"""What a template consists of, as a tree whose leaves are text and trees of Python."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from tornadic.template.sources import Snippet, Source

__all__ = [
    "Apply",
    "Block",
    "Body",
    "Expression",
    "File",
    "For",
    "If",
    "Include",
    "Node",
    "Statements",
    "Super",
    "Text",
    "Try",
    "While",
    "walk",
]

# Nodes are told apart by identity.  `place` is where a tag stands in its file.


@dataclass(eq=False, slots=True)
class Text:
    """Text, with its white space as it is to be."""

    text: str
    place: Snippet


@dataclass(eq=False, slots=True)
class Expression:
    """``{{ value }}``, or what is `raw`: ``{% raw value %}`` and ``{% module value %}``."""

    value: ast.expr
    raw: bool
    place: Snippet
    is_module: bool = False


@dataclass(eq=False, slots=True)
class Statements:
    """``set``, ``import``, ``from``, ``break`` and ``continue``: Python as it is."""

    statements: list[ast.stmt]
    place: Snippet


@dataclass(eq=False, slots=True)
class If:
    """Each test of ``if`` and ``elif`` with its body, and that of ``else``."""

    branches: list[tuple[ast.expr, Body]]
    otherwise: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class For:
    """``for``; of `header` only target and iterable count."""

    header: ast.For
    body: Body
    otherwise: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class While:
    """``while``."""

    test: ast.expr
    body: Body
    otherwise: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class Try:
    """``try``; of the handlers only type and name count."""

    body: Body
    handlers: list[tuple[ast.ExceptHandler, Body]]
    otherwise: Body
    finally_: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class Apply:
    """``{% apply function %}``."""

    function: ast.expr
    body: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class Block:
    """``{% block name %}``, which may be replaced."""

    name: str
    body: Body
    place: Snippet


@dataclass(eq=False, slots=True)
class Super:
    """``{% super %}``."""

    place: Snippet


@dataclass(eq=False, slots=True)
class Include:
    """``{% include path %}``, and ``{% extends path %}`` as well."""

    path: str
    place: Snippet


Node = Text | Expression | Statements | If | For | While | Try | Apply | Block | Super | Include
Body = list[Node]


@dataclass(eq=False, slots=True)
class File:
    """A parsed template: its parent, if it extends one, and with what its values are escaped.

    `escape` is None for not at all; `is_html` says that it is plain ``xhtml_escape``.
    """

    source: Source
    body: Body = field(default_factory=list)
    parent: Include | None = None
    escape: ast.expr | None = None
    is_html: bool = False


def walk(body: Body) -> Iterator[Node]:
    """Every node of a body, those within others after them."""
    for node in body:
        yield node
        for inner in _bodies(node):
            yield from walk(inner)


def _bodies(node: Node) -> Iterator[Body]:
    match node:
        case If():
            yield from (body for _, body in node.branches)
            yield node.otherwise
        case For() | While():
            yield node.body
            yield node.otherwise
        case Try():
            yield node.body
            yield from (body for _, body in node.handlers)
            yield node.otherwise
            yield node.finally_
        case Apply() | Block():
            yield node.body
        case _:
            pass
