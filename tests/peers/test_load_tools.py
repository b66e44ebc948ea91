"""Tools that ask for as much as they can: ``ab`` and ``wrk``.

How much that is says nothing here, and nobody looks at it: every answer has to be right.
"""

from __future__ import annotations

import logging
import re
import subprocess
from pathlib import Path

import pytest
from tests.server.peer import PATIENCE
from tests.server.support import Site
from tests.tools import program

PIPELINED = """
local all
init = function()
    local requests = {}
    for number = 1, 16 do
        local path = number % 4 == 0 and "/text" or "/bystander"
        requests[number] = wrk.format("GET", path)
    end
    all = table.concat(requests)
end
request = function() return all end
"""

CHECKED = """
wrk.method = "POST"
wrk.path = "/sent"
wrk.body = string.rep("0123456789", 1000)
response = function(status, headers, body)
    if status ~= 200 or body ~= wrk.body then
        io.stderr:write("a wrong answer\\n")
        os.exit(1)
    end
end
"""


@pytest.fixture(autouse=True)
def _unlogged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads thousands of lines of the access log."""
    caplog.set_level(logging.WARNING, logger="tornado.access")


def run(*command: str) -> str:
    done = subprocess.run(
        [program(command[0]), *command[1:]], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def number(output: str, name: str) -> int:
    """The number behind ``name`` in what a tool has printed; 0 if it is not there."""
    match = re.search(rf"{re.escape(name)}:? +([0-9]+)", output)
    return int(match[1]) if match is not None else 0


class TestApacheBench:
    @pytest.mark.parametrize("kept", [True, False])
    def test_get(self, site: Site, kept: bool) -> None:
        options = ["-q", "-n", "600", "-c", "20", *["-k"] * kept]
        said = run("ab", *options, f"http://127.0.0.1:{site.port}/bystander")
        assert number(said, "Complete requests") == 600
        assert number(said, "Failed requests") == number(said, "Non-2xx responses") == 0
        assert number(said, "HTML transferred") == 600 * len(b"undisturbed")
        assert number(said, "Keep-Alive requests") == (600 if kept else 0)
        site.goes_on()

    @pytest.mark.parametrize("kept", [True, False])
    def test_post(self, site: Site, tmp_path: Path, kept: bool) -> None:
        body = tmp_path / "body"
        body.write_bytes(b"x" * 100_000)
        options = ["-q", "-n", "100", "-c", "20", *["-k"] * kept, "-p", str(body)]
        said = run("ab", *options, "-T", "text/plain", f"http://127.0.0.1:{site.port}/sent")
        assert number(said, "Complete requests") == 100
        assert number(said, "Failed requests") == number(said, "Non-2xx responses") == 0
        assert number(said, "HTML transferred") == 100 * 100_000


class TestWrk:
    @pytest.mark.parametrize(
        "script", ["", PIPELINED, CHECKED], ids=["plain", "pipelined", "posts"]
    )
    def test_for_a_second(self, site: Site, tmp_path: Path, script: str) -> None:
        path = tmp_path / "script.lua"
        path.write_text(script)
        options = ["-t", "1", "-c", "20", "-d", "1s", "--timeout", "10s", "-s", str(path)]
        said = run("wrk", *options, f"http://127.0.0.1:{site.port}/bystander")
        assert int(re.findall(r"([0-9]+) requests in", said)[0]) > 0
        assert "Non-2xx" not in said and "Socket errors" not in said
        site.goes_on()
