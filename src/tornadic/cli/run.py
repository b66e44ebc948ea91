"""``tornadic run``: runs a program with the ``tornado`` alias on, as Python itself would.

The program gets a fresh ``__main__`` and the ``sys.argv`` and ``sys.path`` that ``python`` would
give it.  What it raises goes up through our frames to the interpreter, so that exit codes,
Ctrl-C and ``sys.excepthook`` are Python's own affair; the hook is only shown the traceback from
the program's first frame on.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any

from tornadic.compat import install_as_tornado

__all__ = ["main"]

_HELP = """\
usage: tornadic run PROGRAM [ARGUMENTS]
       tornadic run -m MODULE [ARGUMENTS]

Run a program written for Tornado on Tornadic: its `import tornado` is Tornadic, here and in
the processes that it starts.  PROGRAM is a script, a folder or zip file with a __main__.py,
or - for standard input.  What follows it is the program's own."""


class _CanNotRun(Exception):
    """There is no program to run; ``status`` is what Python exits with in that case."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class _Program:
    """What differs between the ways to name a program."""

    code: CodeType
    file: str
    spec: ModuleSpec | None = None
    loader: object = None


def main(arguments: Sequence[str]) -> int:
    """Run the program that ``arguments`` name, to its end; return 0, or 2 for a bad line.

    The process is the program's from then on: ``__main__``, ``sys.argv``, ``sys.path`` and the
    alias stay as it leaves them, and what it raises is raised here.
    """
    rest = list(arguments)
    if rest[:1] in (["-h"], ["--help"]):
        print(_HELP)
        return 0
    prepare: Callable[[list[str]], _Program] = _prepare_file
    if rest[:1] == ["-m"]:
        prepare = _prepare_module
        del rest[0]
    elif rest[:1] == ["--"]:
        del rest[0]
    elif rest and rest[0].startswith("-") and rest[0] != "-":
        return _complain(f"unknown option {rest[0]!r}; see tornadic run --help", 2)
    if not rest:
        return _complain("no program to run; see tornadic run --help", 2)
    install_as_tornado(child_processes=True)
    try:
        _execute(prepare(rest))
    except _CanNotRun as reason:
        return _complain(str(reason), reason.status)
    except SystemExit:
        raise
    except BaseException as error:
        _hide_our_frames(error)
        raise
    return 0


def _complain(message: str, status: int) -> int:
    print(f"tornadic run: {message}", file=sys.stderr)
    return status


def _execute(program: _Program) -> None:
    """Run the program as ``__main__``."""
    module = ModuleType("__main__")
    module.__dict__.update(
        __builtins__=builtins,
        __cached__=program.spec and program.spec.cached,
        __file__=program.file,
        __loader__=program.loader,
        __package__=program.spec and program.spec.parent,
        __spec__=program.spec,
    )
    sys.modules["__main__"] = module
    exec(program.code, module.__dict__)


def _hide_our_frames(error: BaseException) -> None:
    """Show ``error`` to ``sys.excepthook``, should it get that far, without us in its traceback.

    Taking the frames off here is not enough: the error collects more on its way up.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    hook = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> None:
        sys.excepthook = hook
        if value is error:
            whole = traceback
            value.__traceback__ = traceback
        hook(kind, value, whole)

    sys.excepthook = show


def _prepare_file(line: list[str]) -> _Program:
    """Make ready to run a script, folder, zip file or standard input: ``python PATH``."""
    path = line[0]
    sys.argv[:] = line
    if path == "-":
        _replace_first_path("")
        code = _compile(sys.stdin.buffer.read(), "<stdin>")
        return _Program(code, "<stdin>", loader=BuiltinImporter)
    file = os.path.join(os.getcwd(), path)
    importer: Any = pkgutil.get_importer(file)
    if importer is not None:
        return _prepare_archive(importer, file)
    try:
        with io.open_code(file) as opened:
            content = opened.read()
    except OSError as error:
        reason = f"can't open file {file!r}: [Errno {error.errno}] {error.strerror}"
        raise _CanNotRun(reason, 2) from None
    _replace_first_path(os.path.dirname(os.path.realpath(file)))
    if file.endswith(".pyc"):
        compiled = SourcelessFileLoader("__main__", file)
        return _Program(_code_of(compiled, "__main__"), file, loader=compiled)
    return _Program(_compile(content, file), file, loader=SourceFileLoader("__main__", file))


def _prepare_archive(importer: Any, path: str) -> _Program:
    """Make ready to run the ``__main__.py`` of a folder or zip file."""
    spec: ModuleSpec | None = importer.find_spec("__main__")
    if spec is None or spec.loader is None:
        raise _CanNotRun(f"can't find '__main__' module in {path!r}", 1)
    if sys.flags.safe_path:  # Python keeps the folder of a script off the path then, not this.
        sys.path.insert(0, path)
    else:
        _replace_first_path(path)
    return _program_of(spec)


def _prepare_module(line: list[str]) -> _Program:
    """Make ready to run a module or a package's ``__main__``: ``python -m NAME``."""
    name = line[0]
    if name.startswith("."):
        raise _CanNotRun("Relative module names not supported", 1)
    sys.argv[:] = ["-m", *line[1:]]  # What packages see that are loaded on the way.
    _replace_first_path(os.getcwd())
    spec = _find_module(name)
    if spec is not None and spec.submodule_search_locations is not None:
        package, name = name, f"{name}.__main__"
        spec = _find_module(name)
        if spec is None:
            reason = f"No module named {name}; {package!r} is a package and can't be executed"
            raise _CanNotRun(reason, 1)
    if spec is None or spec.loader is None:
        raise _CanNotRun(f"No module named {name}", 1)
    program = _program_of(spec)
    sys.argv[0] = program.file
    return program


def _find_module(name: str) -> ModuleSpec | None:
    """The spec of a module, or None; errors in the packages above it are the program's own."""
    package = name.rpartition(".")[0]
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:
        missing = getattr(error, "name", None) or name
        if name != missing and package != missing and not package.startswith(f"{missing}."):
            raise
        reason = f"Error while finding module specification for {name!r} ({error})"
        if name.endswith(".py"):
            reason += f"; try {name[:-3]!r} instead"
        raise _CanNotRun(reason, 1) from None


def _program_of(spec: ModuleSpec) -> _Program:
    loader: Any = spec.loader
    return _Program(_code_of(loader, spec.name), spec.origin or "", spec, loader)


def _code_of(loader: Any, name: str) -> CodeType:
    code: CodeType | None = loader.get_code(name)
    if code is None:
        raise _CanNotRun(f"No code object available for {name}", 1)
    return code


def _compile(source: bytes, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _replace_first_path(entry: str) -> None:
    """Put ``entry`` where Python put the folder it found us in, unless it was told not to."""
    if not sys.flags.safe_path:
        sys.path[0] = entry
