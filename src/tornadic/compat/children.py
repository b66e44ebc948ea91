"""Hands the alias on to child processes, through their environment.

A folder with a ``sitecustomize`` of ours is put first on PYTHONPATH: every Python started from
here, by subprocess, multiprocessing or exec, reads it before anything else.  An environment
variable says which Python is meant, so that another one that the program may start is left
alone.  A child that ignores its environment (``python -E``, ``-I``, ``-S``) has no alias, nor
has one that is given another PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

__all__ = ["VARIABLE", "alias_in_children"]

VARIABLE = "TORNADIC_AS_TORNADO"
STARTUP_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


def alias_in_children(environ: MutableMapping[str, str]) -> None:
    """Change ``environ`` so that processes of this Python started with it have the alias.

    Doing so twice changes nothing more.
    """
    # The very words that startup/sitecustomize.py compares with.
    environ[VARIABLE] = f"{sys.version_info[0]}.{sys.version_info[1]} {sys.prefix}"
    inherited = environ.get("PYTHONPATH", "")
    folders = inherited.split(os.pathsep) if inherited else []
    if folders[:1] != [STARTUP_FOLDER]:
        others = [folder for folder in folders if folder != STARTUP_FOLDER]
        environ["PYTHONPATH"] = os.pathsep.join([STARTUP_FOLDER, *others])
