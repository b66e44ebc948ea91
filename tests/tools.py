"""Programs and modules that some tests need, and that a machine may lack.

A test that lacks one is skipped, and says so.  Where all of them have to be there,
``TORNADIC_REQUIRE_TOOLS=1`` makes it a failure: nothing is then left out unnoticed.
"""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any, NoReturn

import pytest

__all__ = ["missing", "module", "program"]

# Where daemons are, which not everybody's path leads to.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


def program(*names: str) -> str:
    """The path of the first program there is of ``names``, which are of the same one."""
    for name in names:
        if path := shutil.which(name, path=PATH):
            return path
    missing(f"there is no {names[0]} command")


def module(name: str) -> Any:
    """The module ``name``."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    missing(f"there is no module {name}")


def missing(what: str) -> NoReturn:
    """Skip the test, or the file, or else let it fail."""
    if os.environ.get("TORNADIC_REQUIRE_TOOLS") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what, allow_module_level=True)
