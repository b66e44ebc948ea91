"""``tornadic routes``: prints the routes of an application, in the order in which they are tried.

The program is imported, not run: what stands behind ``if __name__ == "__main__"`` does not
happen.  A program without that starts its loop when it is imported, and would serve for ever: after
some seconds the loop is stopped, and what the module has by then is what counts.  A factory is
called within a running loop, which some programs need to be set up.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from tornadic.compat import install_as_tornado

if TYPE_CHECKING:
    from tornadic.web.routetable import Route

__all__ = ["main"]

_HELP = """\
usage: tornadic routes [--json] MODULE:APPLICATION
       tornadic routes [--json] PATH.py:APPLICATION

Print the routes of an application in the order in which they are tried: pattern, methods,
handler, name, and host.  APPLICATION is an Application, a router, or a function without
arguments that makes one; without it these names are looked for: app, application, make_app,
create_app.  The program may say `import tornado` or `import tornadic`.

  --json   a list of objects instead of a table"""

_USUAL_NAMES = ("app", "application", "make_app", "create_app")

PATIENCE = 3.0
"""Seconds that a loop may run while the program is imported."""


class _NotFound(Exception):
    """There is nothing to be listed."""


class _LoopGoesOn(SystemExit):
    """What stops a loop; of SystemExit, since loops let nothing else through."""


def main(arguments: Sequence[str]) -> int:
    """Print the routes that ``arguments`` ask for; return 0.

    1 if the program or its application cannot be had, 2 for a bad line; then there is a message
    on standard error.
    """
    rest = list(arguments)
    if "-h" in rest or "--help" in rest:
        print(_HELP)
        return 0
    as_json = "--json" in rest
    names = [word for word in rest if word != "--json"]
    unknown = [word for word in names if word.startswith("-")]
    if unknown:
        return _complain(f"unknown option {unknown[0]!r}; see tornadic routes --help", 2)
    if len(names) != 1:
        return _complain("name one application; see tornadic routes --help", 2)
    install_as_tornado()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the program has to say is no route
            router = _load(names[0])
    except _NotFound as reason:
        return _complain(str(reason), 1)
    from tornadic.web.routetable import routes_of

    routes = list(routes_of(router))
    print(_as_json(routes) if as_json else _as_table(routes))
    return 0


def _complain(message: str, status: int) -> int:
    print(f"tornadic routes: {message}", file=sys.stderr)
    return status


# The program


def _load(target: str) -> Any:
    """The application or router that ``target`` names."""
    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    sys.argv[:] = [place]  # the line is ours, not the program's
    try:
        try:
            with _loops_that_end():
                module: Any = _import(place)
        except _LoopGoesOn as stop:
            module = _what_there_was(stop, place)
        return _router_of(_attribute(module, name, place), name or place)
    except (_NotFound, KeyboardInterrupt):
        raise
    except BaseException as error:
        # Below our own frames, and those of the import system.
        kept = error.__traceback__
        while kept is not None and _is_not_theirs(kept.tb_frame.f_code.co_filename):
            kept = kept.tb_next
        traceback.print_exception(type(error), error, kept)
        raise _NotFound(f"{place} could not be loaded: {type(error).__name__}") from None


@contextlib.contextmanager
def _loops_that_end() -> Iterator[None]:
    """Let no loop of asyncio's run for longer than `PATIENCE`."""
    run_forever = asyncio.BaseEventLoop.run_forever

    def run_for_a_while(loop: asyncio.BaseEventLoop) -> None:
        stopping = loop.call_later(PATIENCE, _stop)
        try:
            run_forever(loop)
        finally:
            stopping.cancel()

    asyncio.BaseEventLoop.run_forever = run_for_a_while  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        asyncio.BaseEventLoop.run_forever = run_forever  # type: ignore[method-assign]


def _stop() -> None:
    raise _LoopGoesOn


def _what_there_was(stop: _LoopGoesOn, place: str) -> SimpleNamespace:
    """What a module had when its loop was stopped."""
    print(
        f"tornadic routes: {place} starts a loop when it is imported, which was stopped after"
        f' {PATIENCE:g} seconds; if __name__ == "__main__" keeps it from that',
        file=sys.stderr,
    )
    modules = [
        frame.f_globals
        for frame, _ in traceback.walk_tb(stop.__traceback__)
        if frame.f_code.co_name == "<module>" and not _is_not_theirs(frame.f_code.co_filename)
    ]
    return SimpleNamespace(**(modules[0] if modules else {}))


def _is_not_theirs(path: str) -> bool:
    return path == __file__ or path.startswith("<frozen importlib") or path == importlib.__file__


def _import(place: str) -> ModuleType:
    """The module of this name, or of the file at this path."""
    if place.endswith(".py") or os.sep in place:
        if not os.path.isfile(place):
            raise _NotFound(f"there is no file {place!r}")
        name, folder = _name_of(os.path.abspath(place))
        sys.path.insert(0, folder)
        if "." not in name:
            return _import_file(name, place)
    else:
        name = place
        sys.path.insert(0, os.getcwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise _NotFound(f"{place!r} is neither the name of a module nor a path that ends in .py")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise  # something that the program itself imports
        raise _NotFound(
            f"there is no module {missing!r} in {os.getcwd()} or on Python's path"
        ) from None


def _name_of(path: str) -> tuple[str, str]:
    """The dotted name of the module in a file, and the folder from which it has that name."""
    folder, file = os.path.split(path)
    name = file.removesuffix(".py")
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        name = package if name == "__init__" else f"{package}.{name}"
    return name, folder


def _import_file(name: str, path: str) -> ModuleType:
    """The module in a file, whatever else has its name."""
    if name in sys.modules:
        name = f"{name} ({path})"
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
    if spec is None or spec.loader is None:
        raise _NotFound(f"{path!r} is not a file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _attribute(module: ModuleType, name: str, place: str) -> Any:
    """What is called ``name`` in a module; without a name what is called as usual."""
    if not name:
        for usual in _USUAL_NAMES:
            if hasattr(module, usual):
                return getattr(module, usual)
        usual = ", ".join(_USUAL_NAMES)
        raise _NotFound(f"{place} has none of {usual}; name the application, as in {place}:NAME")
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            hint = _hint(found)
            raise _NotFound(f"{place} has no {name!r}{hint}") from None
    return found


def _hint(module: Any) -> str:
    """What there is in a module that could have been meant."""
    from tornadic.routing import Router

    could_be = [
        name
        for name, value in vars(module).items()
        if isinstance(value, Router) or (name in _USUAL_NAMES and callable(value))
    ]
    return f"; it has {', '.join(sorted(could_be))}" if could_be else ""


def _router_of(found: Any, name: str) -> Any:
    """The router that was found, or that the function which was found makes."""
    from tornadic.routing import Router

    if isinstance(found, Router):
        return found
    if not callable(found):
        raise _NotFound(f"{name} is a {type(found).__name__}, and no application or function")
    try:
        inspect.signature(found).bind()
    except TypeError as reason:
        raise _NotFound(f"{name} cannot be called without arguments: {reason}") from None
    except ValueError:
        pass  # a function of C; the call will tell
    made = asyncio.run(_call(found))
    if not isinstance(made, Router):
        raise _NotFound(f"{name}() returned a {type(made).__name__}, and no application")
    return made


async def _call(factory: Any) -> Any:
    made = factory()
    return await made if inspect.isawaitable(made) else made


# The output


def _as_json(routes: list[Route]) -> str:
    return json.dumps(
        [
            {
                "pattern": route.pattern,
                "depth": route.depth,
                "methods": None if route.methods is None else list(route.methods),
                "handler": route.target,
                "name": route.name,
                "host": route.host,
            }
            for route in routes
        ],
        indent=2,
    )


def _as_table(routes: list[Route]) -> str:
    """Lines of columns, those without anything in them left out."""
    if not routes:
        return "There are no routes."
    rows = [
        (
            "  " * route.depth + route.pattern,
            " ".join(route.methods or ()) or "-",
            route.target,
            route.name or "",
            route.host or "",
        )
        for route in routes
    ]
    heads = ("PATTERN", "METHODS", "HANDLER", "NAME", "HOST")
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    return "\n".join(
        "  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in (heads, *rows)
    )
