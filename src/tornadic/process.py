"""Several processes: a server forked into many, and child processes with streams.

`fork_processes` is to be called before anything touches an event loop; the parent never returns
from it.  `Subprocess` learns of a child's end by SIGCHLD, which one loop for all of them handles;
whoever waits is called back on the loop that was current when the child was started.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from subprocess import CalledProcessError
from typing import Any, ClassVar

from tornadic import _legacy
from tornadic.concurrent import (
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
)
from tornadic.ioloop import IOLoop
from tornadic.iostream import PipeIOStream
from tornadic.log import gen_log

__all__ = ["CalledProcessError", "Subprocess", "cpu_count", "fork_processes", "task_id"]

DEFAULT_MAX_RESTARTS = 100
"""Restarts after which something is wrong with the program rather than with a process."""

_task_id: int | None = None


def cpu_count() -> int:
    """The number of processors of this machine; 1 if it cannot be found out."""
    return os.cpu_count() or 1


def task_id() -> int | None:
    """The number of this process, from 0, among those of `fork_processes`; else None."""
    return _task_id


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Fork ``num_processes`` children; None or less than 1: one for each processor.

    Returns in each child its `task_id`.  The parent stays in here and starts each child anew
    that was killed or exited with another status than 0, ``max_restarts`` times in all (None:
    100; then RuntimeError).  When all children are done it exits, by ``SystemExit(0)``.

    Raises RuntimeError in a child of an earlier call, and while an event loop runs, which no
    two processes can share.  Not on Windows.
    """
    if _task_id is not None:
        raise RuntimeError("This process has been forked by fork_processes already")
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("fork_processes must come before the event loop")
    if num_processes is None or num_processes < 1:
        num_processes = cpu_count()
    if max_restarts is None:
        max_restarts = DEFAULT_MAX_RESTARTS
    gen_log.info("Starting %d processes", num_processes)
    children: dict[int, int] = {}
    for number in range(num_processes):
        if _fork(number, children):
            return number
    restarts = 0
    while children:
        pid, status = os.wait()
        if pid not in children:
            continue  # a child that the program started elsewhere
        number = children.pop(pid)
        if _ended_well(number, pid, status):
            continue
        restarts += 1
        if restarts > max_restarts:
            raise RuntimeError("Too many child restarts, giving up")
        if _fork(number, children):
            return number
    sys.exit(0)


def _fork(number: int, children: dict[int, int]) -> bool:
    """Fork; True in the child, which has its number then."""
    global _task_id
    pid = os.fork()
    if pid:
        children[pid] = number
        return False
    random.seed()  # else all children would draw the same numbers
    _task_id = number
    return True


def _ended_well(number: int, pid: int, status: int) -> bool:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        gen_log.warning("child %d (pid %d) killed by signal %d, restarting", number, pid, -code)
    elif code:
        gen_log.warning("child %d (pid %d) exited with status %d, restarting", number, pid, code)
    else:
        gen_log.info("child %d (pid %d) exited normally", number, pid)
    return code == 0


class Subprocess:
    """A `subprocess.Popen` with streams, whose end can be awaited.

    The arguments are those of `subprocess.Popen`.  ``stdin``, ``stdout`` and ``stderr`` may also
    be given as `STREAM`: the attribute of that name is a `.PipeIOStream` then, to be closed by
    whoever uses it.  ``proc`` is the `subprocess.Popen`, ``pid`` its process id, ``returncode``
    None until the end of the process is known here, then its status (negative: a signal).

    Raises what `subprocess.Popen` raises, with nothing left open.
    """

    STREAM = object()

    _signal_loop: ClassVar[asyncio.AbstractEventLoop | None] = None
    _waiting: ClassVar[dict[int, Subprocess]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = kwargs.pop("io_loop", None)
        if given is None:
            self.io_loop = IOLoop.current()
        else:
            self.io_loop = _legacy.room("loops").given("Subprocess", given)
        ours: dict[str, int] = {}
        theirs: list[int] = []
        try:
            for name in ("stdin", "stdout", "stderr"):
                if kwargs.get(name) is Subprocess.STREAM:
                    reading, writing = os.pipe()
                    child_end, our_end = (
                        (reading, writing) if name == "stdin" else (writing, reading)
                    )
                    kwargs[name] = child_end
                    ours[name] = our_end
                    theirs.append(child_end)
            self.proc: subprocess.Popen[Any] = subprocess.Popen(*args, **kwargs)
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid = self.proc.pid
        self.returncode: int | None = None
        for name in ("stdin", "stdout", "stderr"):
            stream = PipeIOStream(ours[name]) if name in ours else getattr(self.proc, name)
            setattr(self, name, stream)
        self._exit_callback: Callable[[int], Any] | None = None

    stdin: Any
    stdout: Any
    stderr: Any

    def set_exit_callback(self, callback: Callable[[int], Any]) -> None:
        """Call ``callback(returncode)`` when the process has ended, in a turn of its loop.

        There is one callback; a further one takes the place of the former.  Uses SIGCHLD (see
        `initialize`).  Not on Windows.
        """
        self._exit_callback = callback
        Subprocess.initialize()
        Subprocess._waiting[self.pid] = self
        self._look()

    def wait_for_exit(self, raise_error: bool = True) -> asyncio.Future[int]:
        """A future of the process's ``returncode``; takes the place of the exit callback.

        With ``raise_error`` it raises `subprocess.CalledProcessError` if that is not 0.
        """
        future: asyncio.Future[int] = self.io_loop.asyncio_loop.create_future()

        def ended(returncode: int) -> None:
            if returncode and raise_error:
                error = CalledProcessError(returncode, self.proc.args)
                future_set_exception_unless_cancelled(future, error)
            else:
                future_set_result_unless_cancelled(future, returncode)

        self.set_exit_callback(ended)
        return future

    @classmethod
    def initialize(cls, io_loop: IOLoop | None = None) -> None:
        """Handle SIGCHLD on the current loop, unless an open loop does so already.

        Called by itself when needed.  Where several loops run, call it on that of the main
        thread, as only there signals can be handled; elsewhere it raises RuntimeError.
        ``io_loop`` is of old programs.
        """
        if cls._signal_loop is not None and not cls._signal_loop.is_closed():
            return
        if io_loop is None:
            io_loop = IOLoop.current()
        else:
            _legacy.room("loops").given("Subprocess.initialize", io_loop)
        loop = io_loop.asyncio_loop
        loop.add_signal_handler(signal.SIGCHLD, cls._look_for_ended)
        cls._signal_loop = loop

    @classmethod
    def uninitialize(cls) -> None:
        """Handle SIGCHLD no longer."""
        loop, cls._signal_loop = cls._signal_loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_signal_handler(signal.SIGCHLD)

    @classmethod
    def _look_for_ended(cls) -> None:
        # One signal may stand for several children.
        for process in list(cls._waiting.values()):
            process._look()

    def _look(self) -> None:
        """If the process has ended, say so."""
        returncode = self.proc.poll()
        if returncode is None:
            return
        Subprocess._waiting.pop(self.pid, None)
        self.returncode = returncode
        callback, self._exit_callback = self._exit_callback, None
        if callback is not None:
            self.io_loop.add_callback(callback, returncode)
