"""The files that servers of static files are asked for, written where they all find them."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.scenarios import STATIC_FILE, STATIC_MODIFIED_SECONDS, STATIC_NAME
from benchmarks.transfers import LARGE_NAME, LARGE_SIZE, MIB, PATTERN

FOLDER = Path(__file__).resolve().parents[1] / "build" / "benchmarks-static"


def static_folder() -> Path:
    """The folder with the files; it stays, for servers end abruptly."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _write(STATIC_NAME, STATIC_FILE)
    _write(LARGE_NAME, PATTERN * (LARGE_SIZE // MIB))
    return FOLDER


def _write(name: str, content: bytes) -> None:
    path = FOLDER / name
    if not path.exists() or path.stat().st_size != len(content):
        # Under its own name only when it is complete: another server may be looking for it.
        unfinished = FOLDER / f"{name}.{os.getpid()}"
        unfinished.write_bytes(content)
        unfinished.replace(path)
    os.utime(path, (STATIC_MODIFIED_SECONDS, STATIC_MODIFIED_SECONDS))
