"""The plan of the house, held against the imports: every module stands on the floors below it.

Modules are read, not run.  What is imported for type checking only does not count.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import tornadic

ROOT: Final = Path(tornadic.__file__).parent

FLOORS: Final[dict[int, list[str]]] = {
    0: ["tornadic", "tornadic._version"],
    1: [
        "util",
        "escape",
        "log",
        "options",
        "_legacy",
        "_locale_data",
        "frames.masking",
        "frames._masking",
    ],
    2: [
        "ioloop",
        "_lastly",
        "_tasks",
        "_yieldable",
        "concurrent",
        "gen",
        "_waiters",
        "locks",
        "queues",
        "platform",
    ],
    3: [
        "process",
        "iostream",
        "netutil",
        "_resolvers",
        "tcpserver",
        "tcpclient",
        "platform.caresresolver",
    ],
    4: ["http", "httputil", "frames"],
    5: [
        "http1connection",
        "httpserver",
        "httpclient",
        "simple_httpclient",
        "curl_httpclient",
    ],
    6: [
        "web",
        "websocket",
        "eventsource",
        "routing",
        "template",
        "locale",
        "auth",
        "autoreload",
        "testing",
        "wsgi",
    ],
    7: [
        "_redis",
        "sessions",
        "channels",
        "forms",
        "middleware",
        "hashring",
        "mysql",
        "compat",
        "cli",
        "__main__",
    ],
}
FLOOR_OF: Final = {name: floor for floor, names in FLOORS.items() for name in names}

# Pure protocols have no business with these, and stand on helpers alone.
IMPURE: Final = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "threading",
}
PURE_FLOORS: Final = {0, 1, 4}
MOST_LINES: Final = 700

# Programs, not modules to import from.
PROGRAMS: Final = {"__main__.py", "sitecustomize.py"}


def name_of(path: Path) -> str:
    """The dotted name of a module of ours, without the package's own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "tornadic"


FILES: Final = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
PUBLIC: Final = [
    name
    for name, path in FILES.items()
    if path.name not in PROGRAMS and not any(part.startswith("_") for part in name.split("."))
]


def floor_of(name: str) -> int:
    room = name if name in FLOOR_OF else name.split(".")[0]
    assert room in FLOOR_OF, f"no floor is planned for {room}"
    return FLOOR_OF[room]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text("utf-8"))


def is_for_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def import_nodes(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import below ``node``, also within functions, that is ever carried out."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    if is_for_type_checking(node):
        assert isinstance(node, ast.If)
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from import_nodes(child)


def imports_of(name: str) -> set[str]:
    """Dotted names of what module ``name`` imports; submodules of ours by their own name."""
    found = set()
    for node in import_nodes(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        assert not node.level, f"{name} has a relative import"
        assert node.module is not None
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            is_ours = inner.removeprefix("tornadic.") in FILES
            found.add(inner if is_ours else node.module)
    return found


def ours(names: set[str]) -> set[str]:
    """Those of ``names`` that are ours, without the package's name."""
    return {
        one.removeprefix("tornadic.")
        for one in names
        if one.split(".")[0] in ("tornadic", "tornado")
    }


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down(name: str) -> None:
    if "startup" in name.split("."):
        return  # loaded by other interpreters, and no part of the package
    floor = floor_of(name)
    for other in ours(imports_of(name)):
        assert floor_of(other) <= floor, f"{name} (floor {floor}) imports {other}"


def test_every_module_has_a_floor() -> None:
    rooms = {path.stem if path.is_file() else path.name for path in ROOT.iterdir()}
    rooms -= {"__pycache__", "__init__", "py"}
    modules = {name.split(".")[0] for name in FILES} - {"tornadic"}
    assert modules <= set(FLOOR_OF)
    assert modules <= rooms


PROTOCOLS: Final = [name for name in FILES if name.split(".")[0] in ("http", "frames")]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_are_pure(name: str) -> None:
    found = imports_of(name)
    assert not {one.split(".")[0] for one in found} & IMPURE
    for other in ours(found):
        assert floor_of(other) in PURE_FLOORS, f"{name} imports {other}"
        # The face looks at the rooms, and not the other way round.
        assert other.split(".")[0] != "httputil"


def test_the_face_of_the_protocols() -> None:
    for name in FILES:
        if name.split(".")[0] == "httputil":
            found = imports_of(name)
            assert {one.split(".")[0] for one in found} & IMPURE <= {"ssl"}
            assert {floor_of(other) for other in ours(found)} <= PURE_FLOORS


def test_protocols_load_no_socket() -> None:
    # Not even by way of something else that they import.
    code = "import sys\n" + "".join(f"import tornadic.{name}\n" for name in PROTOCOLS)
    code += "print(sorted({'asyncio', 'socket', 'ssl', 'selectors'} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.strip() == "[]"


def test_nothing_below_the_top_knows_who_uses_it() -> None:
    """A package's rooms are not imported by way of their own face."""
    for name in FILES:
        package = name.rpartition(".")[0]
        if package:
            assert package not in ours(imports_of(name)), f"{name} imports its own package"


def defined_in(name: str) -> set[str]:
    """Public functions and classes, and what a name is bound to by ``import`` is not one."""
    return {
        node.name
        for node in tree_of(name).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    }


def exports_of(name: str) -> list[str] | None:
    """What ``__all__`` says, if there is one and it can be read."""
    for node in tree_of(name).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            assert isinstance(node, ast.Assign)
            exports: list[str] = ast.literal_eval(node.value)
            return exports
    return None


def holds_anything(name: str) -> bool:
    """Whether there is more in a module than its description."""
    return any(not isinstance(node, ast.Expr) for node in tree_of(name).body)


@pytest.mark.parametrize("name", [name for name in PUBLIC if holds_anything(name)])
def test_exports_are_exact(name: str) -> None:
    if "startup" in name.split("."):
        return
    exports = exports_of(name)
    assert exports is not None, f"{name} has no __all__"
    assert len(set(exports)) == len(exports)
    missing = defined_in(name) - set(exports)
    assert not missing, f"public, but not in __all__ of {name}: {sorted(missing)}"
    if name == "tornadic":
        # Its modules load on first use, and those that need an extra only where that is there.
        assert set(exports) <= set(FILES)
        return
    try:
        module = importlib.import_module(f"tornadic.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("tornadic", "tornado"):
            raise
        pytest.skip(f"{name} needs {error.name}")
    for export in exports:
        assert hasattr(module, export), f"{name} has no {export}"


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_longer_than_a_room(name: str) -> None:
    assert len(FILES[name].read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", FILES)
def test_every_module_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(tree_of(name))
