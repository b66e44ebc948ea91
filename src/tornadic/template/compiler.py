"""From nodes to Python functions.

A template becomes one function, which appends the pieces of the page to a list.  What stands in
the same file is written into it as it comes.  Blocks and includes of other files become functions
within it, since a function has one file name; they say ``nonlocal`` for every variable they set,
so that they share their caller's as if they stood there.  ``apply`` opens a function with
variables of its own.

Whatever holds an ``await`` becomes an ``async def``, and is awaited where it is called.  A template
with ``module`` tags can be compiled in a second way, in which these wait for what they get.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType

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
    walk,
)
from tornadic.template.python import Scan
from tornadic.template.sources import Snippet, Source
from tornadic.template.writer import HELPERS, Lines, at, buffered, call, define, load

__all__ = ["Compiled", "compile_file"]

Load = Callable[[File, Include], File]
"""Finds the file that an include or an extends of a file names."""

_MAIN = "_tt_execute"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template's function, which takes the two helpers and returns the pieces.

    ``awaits`` says that it is a coroutine function, ``has_modules`` that there are ``module`` tags.
    ``sources`` are the texts it came from, whose lines are known for as long as they live.
    """

    code: CodeType
    awaits: bool
    has_modules: bool
    sources: tuple[Source, ...]


def compile_file(file: File, load: Load, *, waits: bool = False) -> Compiled:
    """Compile a template with its parents and includes.

    ``waits``: the modules in it are awaited, if they give what can be.

    Raises `.ParseError` if files include or extend each other in a circle, or for a ``super``
    without a block to stand for; `SyntaxError` for what only Python's compiler sees; and whatever
    ``load`` does.
    """
    compiler = _Compiler(load, waits=waits)
    compiled = compiler.compile(file)
    if "xhtml_escape" in compiler.names:
        # A template that sets it wants its own, not the quick one.
        compiled = _Compiler(load, quick=False, waits=waits).compile(file)
    return compiled


@dataclass(frozen=True, slots=True)
class _Piece:
    """A function for what stands in another file."""

    function: ast.stmt
    name: str
    awaits: bool


@dataclass(slots=True)
class _Scope:
    """A function that has variables: those that its pieces set, and the pieces by their key."""

    names: set[str] = field(default_factory=set)
    pieces: dict[object, _Piece] = field(default_factory=dict)

    @property
    def functions(self) -> list[ast.stmt]:
        return [piece.function for piece in self.pieces.values()]


@dataclass(frozen=True, slots=True)
class _Context:
    """Where code is written: in which file, among which variables, in which block.

    The block is its name and which of its definitions this is, 0 for that of the first ancestor.
    """

    file: File
    scope: _Scope
    block: tuple[str, int] | None = None


class _Compiler:
    def __init__(self, load: Load, *, quick: bool = True, waits: bool = False) -> None:
        self._load = load
        self._quick = quick
        self._waits = waits
        self._has_modules = False
        self.names: set[str] = set()
        """The variables that templates set, of all functions."""
        self._files: dict[Include, File] = {}
        # The definitions of each block, the ancestors' first.
        self._blocks: dict[str, list[tuple[File, Block]]] = {}
        self._numbers = itertools.count(1)
        # Where the functions stand that are not in the main one's file.
        self._sources: dict[str, Source] = {}
        # What is being written, by a key for each block and file.
        self._open: list[object] = []

    def compile(self, file: File) -> Compiled:
        family = [file]
        while (extends := family[-1].parent) is not None:
            child = family[-1]
            parent = self._find(child, extends)
            if _key(parent) in map(_key, family):
                raise child.source.error(f"{extends.path} extends itself", extends.place.line)
            family.append(parent)
        for one in reversed(family):
            self._collect(one)
        root = family[-1]
        scope = _Scope()
        body = self._body(root.body, _Context(root, scope))
        scan = self._scan(body)
        arguments = [ast.arg(name) for name in HELPERS]
        body = buffered(scope.names - scan.names, scope.functions, body, load("_tt_buffer"))
        function = define(_MAIN, arguments, [], body, scan.awaits)
        code = self._compile(at(Snippet("", 1, 0), function), root)
        sources = {one.source: None for one in (*family, *self._files.values())}
        return Compiled(code, scan.awaits, self._has_modules, tuple(sources))

    def _compile(self, function: ast.stmt, root: File) -> CodeType:
        module = ast.fix_missing_locations(ast.Module([function], []))
        filename = root.source.filename
        try:
            code = compile(module, filename, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise self._blamed(error, function, root) from None
        [main] = [one for one in code.co_consts if isinstance(one, CodeType)]
        return self._in_files(main, filename) if self._sources else main

    def _in_files(self, code: CodeType, filename: str) -> CodeType:
        """The code with each function in its file."""
        if code.co_name in self._sources:
            filename = self._sources[code.co_name].filename
        consts = tuple(
            self._in_files(one, filename) if isinstance(one, CodeType) else one
            for one in code.co_consts
        )
        return code.replace(co_filename=filename, co_consts=consts)

    def _blamed(self, error: SyntaxError, function: ast.stmt, root: File) -> SyntaxError:
        """The error with the file in which it is, which is seldom asked for."""
        source = root.source
        for inner in ast.walk(function):
            if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if inner.name in self._sources:
                # Without the `nonlocal` it can stand alone.
                alone = define(inner.name, [], [], inner.body[1:] or [ast.Pass()], True)
                module = ast.Module([at(Snippet("", 1, 0), alone)], [])
                try:
                    compile(ast.fix_missing_locations(module), "", "exec", dont_inherit=True)
                except SyntaxError:
                    source = self._sources[inner.name]
        return source.syntax_error(error.msg, error.lineno or 1, error.offset or 1)

    # Files and blocks

    def _find(self, file: File, include: Include) -> File:
        found = self._files.get(include)
        if found is None:
            found = self._files[include] = self._load(file, include)
        return found

    def _collect(self, file: File) -> None:
        """Let the blocks of a file and its includes stand before those of its ancestors."""
        found: dict[str, tuple[File, Block]] = {}

        def collect(one: File) -> None:
            for node in walk(one.body):
                if isinstance(node, Block):
                    found[node.name] = one, node
                elif isinstance(node, Include):
                    included = self._find(one, node)
                    with self._opened(_key(included), one, node):
                        collect(included)

        with self._opened(_key(file), file, None):
            collect(file)
        for name, definition in found.items():
            self._blocks.setdefault(name, []).append(definition)

    @contextmanager
    def _opened(self, key: object, file: File, node: Include | Block | None) -> Iterator[None]:
        """Keep in mind that this is being written, and raise if it is already."""
        if key in self._open and node is not None:
            what = node.path if isinstance(node, Include) else f"block {node.name}"
            raise file.source.error(f"{what} contains itself", node.place.line)
        self._open.append(key)
        try:
            yield
        finally:
            self._open.pop()

    # Nodes

    def _body(self, body: Body, context: _Context) -> list[ast.stmt]:
        """The statements of a body: none if there is nothing in it."""
        lines = Lines()
        self._write(body, lines, context)
        return lines.finish()

    def _inner(self, body: Body, context: _Context) -> list[ast.stmt]:
        """The same for the body of a statement, which cannot be empty."""
        return self._body(body, context) or [ast.Pass()]

    def _write(self, body: Body, lines: Lines, context: _Context) -> None:
        for node in body:
            match node:
                case Text():
                    lines.add_text(node.text, node.place)
                case Expression():
                    lines.add_piece(self._piece(node, context.file), node.place)
                case Statements():
                    for statement in node.statements:
                        if not hasattr(statement, "lineno"):
                            at(node.place, statement)
                    lines.add_parsed(node.statements)
                case Block():
                    self._write_block(node, len(self._blocks[node.name]) - 1, lines, context)
                case Super():
                    self._write_super(node, lines, context)
                case Include():
                    file = self._find(context.file, node)
                    self._write_include(node, file, lines, context)
                case Apply():
                    self._write_apply(node, lines, context)
                case _:
                    lines.add(self._compound(node, context), node.place)

    def _compound(self, node: Node, context: _Context) -> ast.stmt:
        match node:
            case If():
                otherwise = self._body(node.otherwise, context)
                for test, body in reversed(node.branches):
                    statement = ast.If(test, self._inner(body, context), otherwise)
                    otherwise = [ast.copy_location(statement, test)]
                return otherwise[0]
            case For(header):
                inner = self._inner(node.body, context)
                otherwise = self._body(node.otherwise, context)
                return ast.For(header.target, header.iter, inner, otherwise)
            case While():
                inner = self._inner(node.body, context)
                return ast.While(node.test, inner, self._body(node.otherwise, context))
            case Try():
                inner = self._inner(node.body, context)
                handlers = [self._handler(one, body, context) for one, body in node.handlers]
                otherwise = self._body(node.otherwise, context)
                last = self._body(node.finally_, context)
                # Without an except there is a finally, if with nothing in it.
                return ast.Try(inner, handlers, otherwise, last or [ast.Pass()] * (not handlers))
        raise AssertionError(node)

    def _handler(
        self, header: ast.ExceptHandler, body: Body, context: _Context
    ) -> ast.ExceptHandler:
        handler = ast.ExceptHandler(header.type, header.name, self._inner(body, context))
        return ast.copy_location(handler, header)

    def _piece(self, node: Expression, file: File) -> ast.expr:
        if node.is_module:
            self._has_modules = True
            if self._waits:
                return call("_tt_raw", ast.Await(call("_tt_settled", node.value)))
        if node.raw or file.escape is None:
            return call("_tt_raw", node.value)
        if file.is_html and self._quick:
            return call("_tt_escape", node.value)
        value = call("_tt_bytes", node.value)
        return call("_tt_text", ast.Call(file.escape, [value], []))

    def _write_block(self, node: Block, number: int, lines: Lines, context: _Context) -> None:
        name = node.name
        file, block = self._blocks[name][number]
        inside = replace(context, file=file, block=(name, number))
        with self._opened(("block", name, number), context.file, node):
            self._insert(block.body, ("block", name, number), node, lines, context, inside)

    def _write_super(self, node: Super, lines: Lines, context: _Context) -> None:
        assert context.block is not None
        name, number = context.block
        if not number:
            message = f"super in block {name}, which replaces none"
            raise context.file.source.error(message, node.place.line)
        # As if the block of the parent stood here, at this place.
        block = Block(name, [], node.place)
        self._write_block(block, number - 1, lines, context)

    def _write_include(self, node: Include, file: File, lines: Lines, context: _Context) -> None:
        if file.parent is not None:
            message = f"{node.path} cannot be included, since it extends {file.parent.path}"
            raise context.file.source.error(message, node.place.line)
        inside = replace(context, file=file, block=None)
        with self._opened(_key(file), context.file, node):
            self._insert(file.body, _key(file), node, lines, context, inside)

    def _insert(
        self,
        body: Body,
        key: object,
        node: Block | Include,
        lines: Lines,
        context: _Context,
        inside: _Context,
    ) -> None:
        """Write what stands elsewhere: as it is if in the same file, else as a function's call."""
        if inside.file is context.file:
            self._write(body, lines, inside)
            return
        piece = context.scope.pieces.get(key)
        if piece is None:
            kind = "block" if isinstance(node, Block) else "include"
            piece = self._make_piece(f"_tt_{kind}_{next(self._numbers)}", body, inside)
            context.scope.pieces[key] = piece
        written: ast.expr = call(piece.name, load("_tt_append"))
        lines.add(ast.Expr(ast.Await(written) if piece.awaits else written), node.place)

    def _make_piece(self, name: str, body: Body, context: _Context) -> _Piece:
        statements = self._body(body, context)
        scan = self._scan(statements)
        names = sorted(one for one in scan.names if not one.startswith("_tt_"))
        context.scope.names.update(names)
        first: ast.stmt = ast.Nonlocal(names) if names else ast.Pass()
        arguments = [ast.arg("_tt_append"), *map(ast.arg, HELPERS)]
        function = define(name, arguments, HELPERS, [first, *statements], scan.awaits)
        line = body[0].place.line if body else 1
        self._sources[name] = context.file.source
        return _Piece(at(Snippet("", line, 0), function), name, scan.awaits)

    def _write_apply(self, node: Apply, lines: Lines, context: _Context) -> None:
        name = f"_tt_apply_{next(self._numbers)}"
        scope = _Scope()
        body = self._body(node.body, replace(context, scope=scope))
        scan = self._scan(body)
        joined = call("_tt_join", load("_tt_buffer"))
        body = buffered(scope.names - scan.names, scope.functions, body, joined)
        arguments = [ast.arg(one) for one in HELPERS]
        lines.add(define(name, arguments, HELPERS, body, scan.awaits), node.place)
        content: ast.expr = ast.Call(load(name), [], [])
        if scan.awaits:
            content = ast.Await(content)
        applied = ast.Call(node.function, [content], [])
        lines.add_piece(call("_tt_text", applied), node.place)

    def _scan(self, body: list[ast.stmt]) -> Scan:
        scan = Scan(body)
        self.names |= scan.names
        return scan


def _key(file: File) -> object:
    """What tells a template from others: a loader that keeps none makes a new one each time."""
    return file.source.name, file.source.text
