"""Starts the process anew when a file of the program has changed.

Most programs need not name this module: ``Application(autoreload=True)``, or ``debug=True``, which
includes it, calls `start`.  Requests that are being answered are cut off by a restart.  Beside it
the command line catches what keeps a program from starting at all, such as a syntax error::

    python -m tornadic.autoreload app.py

The two go well together.  See `main` for what else it can do.

Watched are the files of all the modules that are loaded, and those given to `watch`.  Each look
compares the time and size of these files, and of nothing else, with what they were before.

A restart executes the very command line that the process was started with (`sys.orig_argv`, the
interpreter's own options and ``-m`` included), in the folder that was current when this module
was loaded.  So whatever surrounds the program, ``tornadic run`` for one, is there again.  The
process keeps its number and its environment; descriptors are closed, except inheritable ones.

Not for a server of several processes.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from types import ModuleType, TracebackType
from typing import Any

from tornadic import _legacy
from tornadic.ioloop import IOLoop, PeriodicCallback
from tornadic.log import app_log, gen_log

__all__ = ["add_reload_hook", "main", "start", "wait", "watch"]

DEFAULT_CHECK_TIME = 500
"""Milliseconds between two looks: soon after an editor has saved, and hardly any work."""

_USAGE = """\
usage: python -m tornadic.autoreload [--until-success] PROGRAM [ARGUMENTS]
       python -m tornadic.autoreload [--until-success] -m MODULE [ARGUMENTS]

Run a program, and again each time that one of its files has changed: after it has ended, and
if it watches its files itself (autoreload.start), while it runs.  PROGRAM is a script, or a
folder or zip file with a __main__.py.

options:
  -h, --help       show this
  -m MODULE        run a module, or the __main__ of a package
  --until-success  stop as soon as the program has ended without an error"""

# What a file looked like: the time of its last change and its size; None if it is not there.
_State = tuple[int, int] | None

_watched: set[str] = set()
_seen: dict[str, _State] = {}
_hooks: list[Callable[[], None]] = []
_loops: weakref.WeakSet[IOLoop] = weakref.WeakSet()
try:
    _start_folder = os.getcwd()
except OSError:
    _start_folder = os.curdir  # it has gone, and we stay where we are


def start(check_time: int = DEFAULT_CHECK_TIME, io_loop: IOLoop | None = None) -> None:
    """Look for changes every ``check_time`` milliseconds from now on, in the current loop.

    Each loop has one such watch, which ends with it; starting another does nothing.  Raises
    ValueError if ``check_time`` is not above zero.
    """
    if isinstance(check_time, IOLoop):  # once it was the first argument
        given: Any = (check_time, io_loop or DEFAULT_CHECK_TIME)
        io_loop, check_time = given
    loop = io_loop or IOLoop.current()
    if io_loop is not None:
        _legacy.room("loops").given("autoreload.start", io_loop)
    if loop in _loops:
        return
    watcher = PeriodicCallback(_reload_if_changed, check_time)
    _loops.add(loop)
    if len(_loops) > 1:
        gen_log.warning("tornado.autoreload started more than once in the same process")
    _remember_files()
    watcher.start()


def wait() -> None:
    """Wait until a file of the program changes, then start the process anew.  Never returns.

    For the end of a script such as a runner of tests; but see `main`.
    """
    while True:
        _reload_if_changed()
        time.sleep(DEFAULT_CHECK_TIME / 1000)


def watch(filename: str) -> None:
    """Watch one more file.

    It need not exist yet; if it does not, its coming is a change.  Modules that are loaded need
    not be named.
    """
    _watched.add(os.path.abspath(filename))


def add_reload_hook(fn: Callable[[], None]) -> None:
    """Call ``fn()`` before the process is started anew, after those added earlier.

    What it raises is logged.  To have files and sockets closed no hook is needed: they are, unless
    they were made inheritable (`os.set_inheritable`).
    """
    _hooks.append(fn)


def _reload_if_changed() -> None:
    path = _changed_file()
    if path is not None:
        gen_log.info("%s modified; restarting server", path)
        _reload()


def _remember_files() -> None:
    """Note what the files look like that are new among the watched ones."""
    for path in (_loaded_files() | _watched) - _seen.keys():
        _seen[path] = _state_of(path)


def _changed_file() -> str | None:
    """A file that has changed since it was first looked at; None if there is none."""
    for path in _loaded_files() | _watched:
        state = _state_of(path)
        # One that has gone is likely about to be replaced.
        if _seen.setdefault(path, state) != state and state is not None:
            # Should the restart fail, the next one is to wait for another change.
            _seen[path] = state
            return path
    return None


def _state_of(path: str) -> _State:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _loaded_files() -> set[str]:
    files = set()
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            # Not as an attribute: that would load modules which wait for their first use.
            try:
                file = object.__getattribute__(module, "__dict__").get("__file__")
            except AttributeError:
                continue  # something of an extension's that only says it is a module
            if isinstance(file, str):
                files.add(file)
    return files


def _reload() -> None:
    """Replace this process by a new one with the same command line."""
    for hook in _hooks:
        try:
            hook()
        except Exception as error:
            app_log.error("Uncaught exception in reload hook %r", hook, exc_info=error)
    if hasattr(signal, "setitimer"):
        # A timer goes on in the new program, which would die of it.
        signal.setitimer(signal.ITIMER_REAL, 0)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # there is none, or nobody listens any more
    try:
        os.chdir(_start_folder)
    except OSError:
        pass
    executable = sys.executable or sys.orig_argv[0]
    command = [executable, *sys.orig_argv[1:]]
    if sys.platform == "win32":
        # There, exec does not wait: the shell would take the program for ended.
        subprocess.Popen(command)
        os._exit(0)
    os.execv(executable, command)


def main() -> None:
    """Run the program that the command line names, and again whenever one of its files changes.

    ::

        python -m tornadic.autoreload [--until-success] path/to/script.py [arguments]
        python -m tornadic.autoreload [--until-success] -m module [arguments]

    That is as if the program called `wait` at its end; but one that fails, even by a syntax
    error, is waited for as well, and its traceback is shown.  With ``--until-success`` this
    returns once the program has ended with the exit status 0.

    A line that makes no sense raises `SystemExit`.
    """
    until_success, is_module, line = _parse(sys.argv[1:])
    program, sys.argv = line[0], line
    _watch_program(program, is_module)
    _remember_files()
    if _run(program, is_module) and until_success:
        return
    _take_signals_back()
    try:
        wait()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _parse(line: Sequence[str]) -> tuple[bool, bool, list[str]]:
    """Return whether to end with success, whether a module is named, and the program's line."""
    rest = list(line)
    until_success = is_module = False
    name: list[str] = []
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("-h", "--help"):
            print(_USAGE)
            raise SystemExit(0)
        if option == "--until-success":
            until_success = True
        elif option.startswith("-m"):
            is_module = True
            if option != "-m":
                rest.insert(0, option[2:])
            name, rest = rest[:1], rest[1:]
            # This one may come here too.  All else is the module's own.
            if rest[:1] == ["--until-success"]:
                until_success = True
                del rest[0]
            break
        elif option == "--":
            break
        else:
            _complain(f"unknown option {option!r}", 2)
    if is_module and not name:
        _complain("-m needs the name of a module", 2)
    if not name + rest:
        _complain("no program to run", 1)
    return until_success, is_module, name + rest


def _complain(message: str, status: int) -> None:
    print(f"python -m tornadic.autoreload: {message}\n\n{_USAGE}", file=sys.stderr)
    raise SystemExit(status)


def _watch_program(program: str, is_module: bool) -> None:
    """Watch the file of a program that may not get as far as to be loaded, or not be there yet."""
    if not is_module:
        watch(program)
        watch(os.path.join(program, "__main__.py"))
        return
    folders: Sequence[str] | None = None
    name = ""
    for part in program.split("."):
        name = f"{name}.{part}" if name else part
        # Of all ways to find a module the one that does not run the packages above it.
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            folder = next(iter(folders or ()), os.getcwd())
            watch(os.path.join(folder, f"{part}.py"))
            return
        if spec.origin is not None:
            watch(spec.origin)
        folders = spec.submodule_search_locations or ()
    for folder in folders or ():
        watch(os.path.join(folder, "__main__.py"))


def _run(program: str, is_module: bool) -> bool:
    """Run the program as ``__main__``, as Python would; return whether it succeeded."""
    try:
        if is_module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            if os.path.isfile(program) and not sys.flags.safe_path:
                sys.path.insert(0, os.path.dirname(os.path.realpath(program)))
            runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code is None or end.code == 0:
            gen_log.info("Script exited normally")
            return True
        if not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        gen_log.info("Script exited with status %s", end.code)
        return False
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Modules that have failed are not among the loaded ones.  Who reads the traceback may
        # mend them at once.
        for path in _files_of(error):
            watch(path)
        _remember_files()
        gen_log.warning("Script exited with uncaught exception")
        traceback.print_exception(type(error), error, _skip_our_frames(error.__traceback__))
        return False
    gen_log.info("Script exited normally")
    return True


def _skip_our_frames(frames: TracebackType | None) -> TracebackType | None:
    """Begin a traceback at the program's first frame, if it got that far."""
    while frames is not None and frames.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
        frames = frames.tb_next
    return frames


def _files_of(error: BaseException | None) -> Iterator[str]:
    """The files that have a part in an error, and in those that led to it."""
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame.f_code.co_filename
        if isinstance(error, SyntaxError) and error.filename is not None:
            yield error.filename
        error = error.__cause__ or error.__context__


def _take_signals_back() -> None:
    """Have Ctrl-C and SIGTERM end this process, whatever the program has made of them."""
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        # What was ignored from the start, under nohup, stays so.
        if callable(signal.getsignal(number)):
            signal.signal(number, default)


if __name__ == "__main__":
    # The module that programs import, for there is one list of what is watched.
    from tornadic.autoreload import main as _main

    _main()
