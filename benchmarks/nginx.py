"""An nginx of our own: own configuration, own port, loopback only.

The clients fetch from it; it is on the generator's core then, which it inherits.  It is a server of
static files too, to be measured beside others, on their core.  It is one process and ends with this
one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measure import START_TIMEOUT_SECONDS, MeasureError, cpu_seconds_of
from benchmarks.scenarios import HELLO
from benchmarks.servers import SEARCH_PATH

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "{answer}"; }}
        location /static/ {{ alias {files}/; }}
    }}
}}
"""


def _end_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Nginx:
    """A running nginx that answers every GET with HELLO; a context manager that ends it.

    ``files`` is a folder to be found under ``/static/`` (None: nothing is), ``core`` the processor
    that it is bound to (None: those of this process).

    Raises MeasureError when it is not there or does not start.
    """

    def __init__(self, files: Path | None = None, core: int | None = None) -> None:
        program = shutil.which("nginx", path=SEARCH_PATH)
        if program is None:
            raise MeasureError("nginx is not installed")
        self.port = _free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="benchmarks-nginx-")
        folder = Path(self._folder.name)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, files=files or folder / "none", port=self.port, answer=HELLO.decode()
            )
        )
        self._process = subprocess.Popen(
            [program, "-e", "stderr", "-p", str(folder), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            if core is not None:
                os.sched_setaffinity(self._process.pid, {core})
            self._wait_until_it_listens()
        except BaseException:
            self.close()
            raise

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + START_TIMEOUT_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise MeasureError("nginx did not start")

    def cpu_seconds(self) -> float:
        """User and system time it has used so far."""
        return cpu_seconds_of(self._process.pid)

    def close(self) -> None:
        """End it and remove its folder; harmless when repeated."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
