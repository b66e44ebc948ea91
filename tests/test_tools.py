"""What tests do without a program or a module that they need."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.tools import module, program


def test_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.tools.PATH", str(tmp_path))
    tool = tmp_path / "some-tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert program("no-such-tool", "some-tool") == str(tool)
    assert module("json") is json


@pytest.mark.parametrize("required", ["", "1"])
def test_what_is_not(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("TORNADIC_REQUIRE_TOOLS", required)
    expected = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(expected, match="there is no no-such-tool command"):
        program("no-such-tool", "nor-such-tool")
    with pytest.raises(expected, match="there is no module no_such_module"):
        module("no_such_module")


def test_a_module_that_is_broken_is_not_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "broken_one.py").write_text("import no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        module("broken_one")
