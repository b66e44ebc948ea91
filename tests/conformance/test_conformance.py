"""What runs the Autobahn test suite, without the suite: reports, choices, a Python for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conformance.__main__ import main, report
from tests.conformance.environment import SUITE, find_python
from tests.conformance.reports import MISSING, CaseResult, failing, read_folder, table
from tests.conformance.suite import SERVER, Slice, chosen, run_slice, slices, started

from tornadic.websocket import websocket_connect

CASES = ["1.1.1", "2.10", "9.1.1", "9.2.1", "9.1.2", "10.1.1", "12.1.1"]


def write_report(folder: Path, case: str, behavior: str, close: str = "OK") -> None:
    """Add a case to the reports in ``folder``, in the suite's form."""
    folder.mkdir(exist_ok=True)
    index = folder / "index.json"
    agents = json.loads(index.read_text()) if index.exists() else {"tornadic": {}, "other": {}}
    name = f"tornadic_case_{case.replace('.', '_')}.json"
    entry = {"behavior": behavior, "behaviorClose": close, "reportfile": name, "duration": 2}
    agents["tornadic"][case] = entry
    index.write_text(json.dumps(agents))
    words = {
        "description": "Send a <b>ping</b>.<br/>\nThen\n  wait.",
        "result": "No pong came.",
        "resultClose": "Closed properly.",
    }
    (folder / name).write_text(json.dumps(words))


class TestReports:
    @pytest.mark.parametrize(
        ("behavior", "close", "verdict"),
        [
            ("OK", "OK", "OK"),
            ("OK", "INFORMATIONAL", "INFORMATIONAL"),
            ("INFORMATIONAL", "OK", "INFORMATIONAL"),
            ("NON-STRICT", "OK", "NON-STRICT"),
            ("UNIMPLEMENTED", "OK", "UNIMPLEMENTED"),
            ("FAILED", "OK", "FAILED"),
            ("NON-STRICT", "FAILED", "FAILED"),
            ("OK", "UNCLEAN", "FAILED"),
            ("OK", "WRONG CODE", "FAILED"),
            ("OK", "FAILED BY CLIENT", "FAILED"),
            ("WHATEVER", "OK", "FAILED"),
        ],
    )
    def test_verdict(self, tmp_path: Path, behavior: str, close: str, verdict: str) -> None:
        write_report(tmp_path, "2.1", behavior, close)
        (result,) = read_folder(tmp_path, "tornadic", ["2.1"])
        assert (result.case, result.group, result.verdict) == ("2.1", "2", verdict)
        if verdict != "OK":
            assert result.words == (
                f"Send a ping . Then wait. | {behavior}: No pong came. "
                f"| close {close}: Closed properly."
            )

    def test_missing_case_agent_and_index(self, tmp_path: Path) -> None:
        assert [one.verdict for one in read_folder(tmp_path, "tornadic", CASES)] == [MISSING] * 7
        write_report(tmp_path, "2.10", "OK")
        verdicts = [one.verdict for one in read_folder(tmp_path, "tornadic", ["2.1", "2.10"])]
        assert verdicts == [MISSING, "OK"]
        for agent in ("other", "nobody"):
            (result,) = read_folder(tmp_path, agent, ["2.10"])
            assert result.verdict == MISSING

    def test_table(self) -> None:
        results = [
            CaseResult("10.1.1", "OK"),
            CaseResult("2.1", "OK"),
            CaseResult("2.2", "OK"),
            CaseResult("2.3", "FAILED"),
            CaseResult("9.1.1", MISSING),
        ]
        assert [" ".join(line.split()) for line in table(results).splitlines()] == [
            "group OK NON-STRICT INFORMATIONAL UNIMPLEMENTED FAILED MISSING",
            "2 2 0 0 0 1 0",
            "9 0 0 0 0 0 1",
            "10 1 0 0 0 0 0",
            "all 3 0 0 0 1 1",
        ]

    @pytest.mark.parametrize(
        ("verdict", "with_compression", "without"),
        [
            ("OK", 0, 0),
            ("NON-STRICT", 0, 0),
            ("INFORMATIONAL", 0, 0),
            ("UNIMPLEMENTED", 1, 0),
            ("FAILED", 1, 1),
            (MISSING, 1, 1),
        ],
    )
    def test_status(
        self,
        verdict: str,
        with_compression: int,
        without: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        results = [CaseResult("1.1.1", "OK"), CaseResult("1.1.2", verdict, "so it is")]
        assert report("server", True, results) == with_compression
        assert report("server", False, results) == without
        assert len(failing(results, is_compressed=True)) == with_compression
        shown = capsys.readouterr().out.count(f"1.1.2 {verdict}: so it is")
        assert shown == (2 if verdict == "NON-STRICT" else with_compression + without)


class TestChoices:
    def test_patterns(self) -> None:
        assert chosen(CASES, ["*"]) == CASES
        assert chosen(CASES, ["1.*", "9.1.*"]) == ["1.1.1", "9.1.1", "9.1.2"]
        with pytest.raises(LookupError, match=r"no case 11\.\*"):
            chosen(CASES, ["1.*", "11.*"])

    def test_slices_have_every_case_once(self) -> None:
        parts = [one.cases for one in slices("client", True, CASES)]
        assert parts == [
            ("1.1.1", "2.10", "10.1.1"),
            ("12.1.1",),
            ("9.1.1", "9.1.2"),
            ("9.2.1",),
        ]
        assert {one.name for one in slices("client", True, ["1.1.1"])} == {
            "client-compressed-1.1.1"
        }


class TestPython:
    @pytest.fixture
    def python(self, tmp_path: Path) -> Callable[[str, str], Path]:
        """Write a program that says it is a Python of some version."""

        def write(folder: str, version: str) -> Path:
            path = tmp_path / folder / "python2.7"
            path.parent.mkdir(parents=True)
            path.write_text(f"#!/bin/sh\nprintf {version}\n")
            path.chmod(0o755)
            return path

        return write

    def test_named(self, python: Callable[[str, str], Path]) -> None:
        named, other = python("named", "2.7"), python("path", "2.7")
        variables = {"AUTOBAHN_PYTHON": str(named), "PATH": str(other.parent)}
        assert find_python(variables) == str(named)

    @pytest.mark.parametrize("named", [sys.executable, "/nowhere/python2.7"])
    def test_named_and_no_python_2(self, named: str) -> None:
        with pytest.raises(LookupError, match=f"{named}.*no Python 2.7"):
            find_python({"AUTOBAHN_PYTHON": named})

    def test_path_before_pyenv(self, python: Callable[[str, str], Path], tmp_path: Path) -> None:
        shim, on_path = python("shims", "none"), python("path", "2.7")
        ours = python("home/.pyenv/versions/2.7.18/bin", "2.7")
        variables = {"PATH": f"{shim.parent}:{on_path.parent}", "HOME": str(tmp_path / "home")}
        assert find_python(variables) == str(on_path)
        on_path.unlink()
        assert find_python(variables) == str(ours)
        assert find_python({"PYENV_ROOT": str(tmp_path / "home" / ".pyenv")}) == str(ours)

    def test_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("PATH", "HOME", "PYENV_ROOT"):
            monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.delenv("AUTOBAHN_PYTHON", raising=False)
        assert main(["--venv", str(tmp_path / "venv"), "--reports", str(tmp_path)]) == 2
        assert "AUTOBAHN_PYTHON=/path/to/python2.7" in capsys.readouterr().err
        assert not (tmp_path / "venv").exists()


class TestRunning:
    """With a program that stands for the suite's."""

    @pytest.fixture
    def wstest(self, tmp_path: Path) -> Callable[[str], Path]:
        def write(source: str) -> Path:
            path = tmp_path / "wstest"
            path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{source}")
            path.chmod(0o755)
            return path

        return write

    def test_each_case_has_a_result(self, tmp_path: Path, wstest: Callable[[str], Path]) -> None:
        program = wstest(
            "spec = json.load(open(sys.argv[-1]))\n"
            "assert spec['servers'][0]['url'].startswith('ws://127.0.0.1:')\n"
            "ok = {'behavior': 'OK', 'behaviorClose': 'OK', 'reportfile': 'none'}\n"
            "os.mkdir(spec['outdir'])\n"
            "index = {'tornadic': {spec['cases'][0]: ok}}\n"
            "json.dump(index, open(spec['outdir'] + '/index.json', 'w'))\n"
        )
        one = Slice(SERVER, True, ("1.1.1", "1.1.2"))
        results = run_slice(one, program, tmp_path / "reports", timeout=30)
        assert [(r.case, r.verdict) for r in results] == [("1.1.1", "OK"), ("1.1.2", MISSING)]

    @pytest.mark.parametrize(
        ("source", "timeout", "said"),
        [
            ("sys.exit(3)", 30, "failed with 3"),
            ("import time; time.sleep(60)", 0.1, "longer than 0.1 seconds"),
        ],
    )
    def test_one_that_fails_or_hangs(
        self,
        tmp_path: Path,
        wstest: Callable[[str], Path],
        source: str,
        timeout: float,
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        one = Slice(SERVER, False, ("1.1.1",))
        (result,) = run_slice(one, wstest(source), tmp_path / "reports", timeout)
        assert result.verdict == MISSING
        assert said in capsys.readouterr().err

    def test_a_suite_that_does_not_start(
        self,
        tmp_path: Path,
        wstest: Callable[[str], Path],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        wstest("sys.exit(4)").rename(tmp_path / "program")
        (tmp_path / "bin").mkdir()
        (tmp_path / "program").rename(tmp_path / "bin" / "wstest")
        (tmp_path / f".prepared-{SUITE}").touch()
        assert main(["--venv", str(tmp_path), "--reports", str(tmp_path / "reports")]) == 2
        assert "cannot be run" in capsys.readouterr().err

    @pytest.mark.parametrize("options", [[], ["--compress"]])
    def test_our_server_sends_back(self, tmp_path: Path, options: list[str]) -> None:
        async def talk(url: str) -> str | bytes | None:
            connection = await websocket_connect(url, compression_options={})
            extensions = connection.headers.get("Sec-WebSocket-Extensions", "")
            assert ("permessage-deflate" in extensions) is bool(options)
            await connection.write_message(b"back", binary=True)
            message = await connection.read_message()
            connection.close()
            return message

        command = [sys.executable, "-m", "tests.conformance.server", *options]
        with (tmp_path / "log").open("wb") as log, started(command, log, subprocess.PIPE) as server:
            assert server.stdout is not None
            url = f"ws://127.0.0.1:{int(server.stdout.readline())}/"
            assert asyncio.run(talk(url)) == b"back"
