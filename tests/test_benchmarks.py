"""The benchmarks' load generator tells right answers from wrong ones, and a round runs."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

if not hasattr(select, "epoll"):
    pytest.skip("the benchmarks measure on Linux", allow_module_level=True)

from benchmarks import __main__ as command_line
from benchmarks import costs as costs_module
from benchmarks.costs import Case, Cost, run_costs, run_program
from benchmarks.files import static_folder
from benchmarks.floors import COST_SCENARIOS
from benchmarks.load import (
    HTTP,
    IdleConnections,
    Load,
    LoadError,
    Wire,
    expect_body,
    expect_json,
    same_requests,
    split_lines,
    split_responses,
    unlike_requests,
)
from benchmarks.measure import Cores, MeasureError, Sample, ServerProcess, measure
from benchmarks.nginx import Nginx
from benchmarks.programs import WrongAnswer, require
from benchmarks.runs import Plan, Ratio, run_requests
from benchmarks.scenarios import (
    FORM_FILE,
    GROWN_TARGETS,
    HELLO,
    REQUEST_SCENARIOS,
    RequestScenario,
    Target,
    json_requests,
    multipart_requests,
    unique_requests,
)
from benchmarks.servers import SEARCH_PATH, SERVERS, Server, installed
from benchmarks.tables import cost_table, median_ratio, memory_table, request_table, scaling_table
from benchmarks.transfers import (
    CHECKED_SIZE,
    LARGE_SIZE,
    MIB,
    PATTERN,
    SEND_SIZES,
    Download,
    FromServer,
    Tally,
    ToServer,
    Transfer,
    Upload,
    command,
    expected_report,
    parse_command,
)

ROOT = Path(__file__).resolve().parents[1]
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
SHORT_PLAN = Plan(
    rounds=1,
    seconds=0.1,
    warm_seconds=0.05,
    scaling_rounds=1,
    idle=5,
    long_seconds=0.1,
    operations=160,
    fetches=64,
)
LINES = Wire(b"right", split_lines)


@contextmanager
def canned_server(*answers: list[bytes]) -> Iterator[int]:
    """A server for one connection that sends the next of `answers` for each request, in pieces,
    repeats the last one, and gives its port.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def answer_requests() -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = iter(answers)
        pieces: list[bytes] = []
        with connection, suppress(ConnectionError):  # the generator may give up on us
            while data := connection.recv(65536):
                for _ in range(data.count(b"\r\n\r\n")):
                    pieces = next(left, pieces)
                    if not pieces:
                        return
                    for piece in pieces:
                        connection.sendall(piece)

    thread = threading.Thread(target=answer_requests)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(20)
        listener.close()


def drive(
    *answers: list[bytes], pipeline: int = 1, body: bytes = b"right", wire: Wire = HTTP
) -> int:
    """Load the canned server for a moment; the number of requests answered."""
    with (
        canned_server(*answers) as port,
        Load(
            port,
            same_requests(REQUEST),
            expect_body(body),
            connections=1,
            pipeline=pipeline,
            wire=wire,
        ) as load,
    ):
        return load.run(0.02).requests


class TestFraming:
    def test_nothing_is_nothing(self) -> None:
        assert split_responses(b"") == ([], b"")

    @pytest.mark.parametrize("cut", range(1, len(RIGHT)))
    def test_a_response_cut_anywhere_is_left_over(self, cut: int) -> None:
        responses, rest = split_responses(RIGHT + RIGHT[:cut])
        assert [response.body for response in responses] == [b"right"]
        assert rest == RIGHT[:cut]

    def test_two_at_once_and_their_sizes(self) -> None:
        responses, rest = split_responses(RIGHT + RIGHT)
        assert [response.size for response in responses] == [len(RIGHT)] * 2
        assert not rest

    def test_the_name_of_the_length_may_have_any_case(self) -> None:
        responses, _ = split_responses(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 1\r\n\r\nx")
        assert responses[0].body == b"x"

    def test_a_response_without_length_is_refused(self) -> None:
        with pytest.raises(LoadError, match="without Content-Length"):
            split_responses(b"HTTP/1.1 200 OK\r\n\r\nx")

    def test_lines_are_cut_behind_their_line_feeds(self) -> None:
        lines, rest = split_lines(b"one\n\ntwo\nthr")
        assert [line.body for line in lines] == [b"one\n", b"\n", b"two\n"]
        assert [line.size for line in lines] == [4, 1, 4]
        assert rest == b"thr"


class TestRequests:
    def test_unlike_requests_are_unlike(self) -> None:
        requests = list(islice(unique_requests(), 1000))
        assert len(set(requests)) == 1000
        assert len({request.partition(b"Cookie:")[2] for request in requests}) == 1000

    def test_every_place_is_filled(self) -> None:
        assert next(unlike_requests(b"%d-%d", first=7)) == b"7-7"

    def test_posted_file_has_the_length_that_is_said(self) -> None:
        head, _, body = next(multipart_requests()).partition(b"\r\n\r\n")
        assert head.startswith(b"POST /form ")
        assert b"Content-Length: %d" % len(body) in head
        assert FORM_FILE in body

    def test_json_request_carries_the_header(self) -> None:
        assert b"X-Request-Id: " in next(json_requests())


class TestAnswers:
    def test_right_answers_are_counted(self) -> None:
        assert drive([RIGHT]) > 1

    def test_answers_in_pieces_are_put_together(self) -> None:
        assert drive([RIGHT[:20], RIGHT[20:-1], RIGHT[-1:]]) > 1

    def test_head_of_another_size_is_right_too(self) -> None:
        assert drive([RIGHT], [RIGHT.replace(b"OK", b"Fine")]) > 1

    def test_pipelined_answers_are_all_counted(self) -> None:
        assert drive([RIGHT], pipeline=4) % 4 == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            RIGHT.replace(b"200 OK", b"500 No"),
            RIGHT.replace(b"right", b"wrong"),
            RIGHT.replace(b"5", b"4").replace(b"right", b"righ"),
        ],
    )
    def test_a_wrong_answer_ends_the_run(self, wrong: bytes) -> None:
        with pytest.raises(LoadError, match="wrong answer"):
            drive([RIGHT], [RIGHT], [wrong])

    def test_a_wrong_answer_among_pipelined_ones_ends_the_run(self) -> None:
        with pytest.raises(LoadError, match="wrong answer"):
            drive([RIGHT], [RIGHT], [RIGHT.replace(b"200", b"404")], [RIGHT], pipeline=3)

    def test_a_wrong_first_answer_is_not_taken_for_the_model(self) -> None:
        with pytest.raises(LoadError, match="wrong answer"):
            drive([RIGHT.replace(b"right", b"wrong")])

    def test_more_than_was_asked_for_ends_the_run(self) -> None:
        with pytest.raises(LoadError, match="more than was asked for"):
            drive([RIGHT], [RIGHT + RIGHT])

    def test_a_closed_connection_ends_the_run(self) -> None:
        with pytest.raises(LoadError, match="closed a connection"):
            drive([RIGHT], [RIGHT], [])

    def test_json_is_compared_by_value(self) -> None:
        spaced, _ = split_responses(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}')
        expect_json({"a": 1})(spaced[0])
        with pytest.raises(LoadError, match="instead of"):
            expect_json({"a": 2})(spaced[0])

    def test_lines_in_pieces_are_put_together(self) -> None:
        assert drive([b"rig", b"ht\n"], body=b"right\n", wire=LINES) > 1

    def test_pipelined_lines_are_all_counted(self) -> None:
        assert drive([b"right\n"], body=b"right\n", wire=LINES, pipeline=3) % 3 == 0

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [(b"wrong\n", "wrong answer"), (b"right\nright\n", "more than was asked for")],
    )
    def test_a_wrong_line_ends_the_run(self, wrong: bytes, message: str) -> None:
        with pytest.raises(LoadError, match=message):
            drive([b"right\n"], [b"right\n"], [wrong], body=b"right\n", wire=LINES)


class TestRounds:
    @pytest.mark.parametrize("scenario", REQUEST_SCENARIOS, ids=lambda scenario: scenario.name)
    def test_one_round(self, scenario: RequestScenario) -> None:
        said: list[str] = []
        server = SERVERS["floor" if scenario.servers is None else "tornadic"]
        results = run_requests(scenario, [server], SHORT_PLAN, Cores.choose(), said.append)
        (sample,) = results[server.name]
        assert sample.requests > 64
        assert sample.cpu_us > 0
        assert said
        assert server.label in request_table(results, Target(Fraction(1, 9)), scenario.unit)

    def test_lines_are_echoed_by_asyncio(self) -> None:
        echo = next(scenario for scenario in REQUEST_SCENARIOS if scenario.name == "echo")
        server = SERVERS["asyncio"]
        results = run_requests(echo, [server], SHORT_PLAN, Cores.choose(), lambda text: None)
        assert results["asyncio"][0].requests > 64

    def test_idle_connections_stay_open_and_are_seen_closed(self) -> None:
        with ServerProcess(SERVERS["floor"], "hello") as process:
            before = process.resident_bytes()
            assert before > 0
            with IdleConnections(process.port, REQUEST, 5) as idle:
                idle.require_open()
                process.kill()
                with pytest.raises(LoadError, match="5 of 5"):
                    idle.require_open()

    def test_cpu_time_is_that_of_the_server(self) -> None:
        with ServerProcess(SERVERS["floor"], "hello") as process:
            idle = process.cpu_seconds()
            hello = expect_body(b"Hello, world!")
            with Load(process.port, same_requests(REQUEST), hello, connections=2) as load:
                sample = measure(process, load, 0.05)
            used = process.cpu_seconds() - idle
        assert used >= sample.cpu_us * sample.requests / 1e6 > 0


@contextmanager
def transfer_partner(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection, which `answer` serves in a thread of its own; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(20)
        with connection, suppress(ConnectionError):
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(20)
        listener.close()


def receive_all(connection: socket.socket, size: int) -> Tally:
    """What a careful server got of a transfer of `size` bytes, without the command."""
    due = len(command(size, True)) + size
    held = b""
    while len(held) < due:
        held += connection.recv(MIB)
    line, _, data = held.partition(b"\n")
    assert parse_command(line) == (size, True)
    tally = Tally(True)
    tally.add(data)
    return tally


class TestTransfers:
    @pytest.mark.parametrize("checked", [True, False])
    def test_commands_are_read_back(self, checked: bool) -> None:
        assert parse_command(command(MIB, checked)) == (MIB, checked)

    def test_a_checked_report_tells_one_wrong_byte(self) -> None:
        tally = Tally(True)
        tally.add(PATTERN[:-1] + b"x")
        assert tally.size == MIB
        assert tally.report() != expected_report(MIB, True)
        assert expected_report(MIB, False) == b"1048576 unchecked"

    @pytest.mark.parametrize("name", ["asyncio", "tornadic", "floor"])
    @pytest.mark.parametrize("app", ["receive", "receive-exactly", *SEND_SIZES])
    def test_bytes_arrive(self, name: str, app: str) -> None:
        kind = FromServer if app in SEND_SIZES else ToServer
        with ServerProcess(SERVERS[name], app) as process:
            with kind(process.port, MIB) as transfer:
                assert transfer.run(0).requests == 1
            # The connection is gone, and the server takes another.
            kind(process.port, MIB).close()

    def test_uploads_arrive(self) -> None:
        with ServerProcess(SERVERS["tornadic"], "upload") as process:
            process.forget_peak()
            with Upload(process.port, MIB) as upload:
                assert upload.run(0).requests == 1
            assert process.peak_bytes() > 0

    def test_files_arrive(self) -> None:
        with (
            ServerProcess(SERVERS["tornadic"], "static") as process,
            Download(process.port) as download,
        ):
            assert download.run(0).requests == LARGE_SIZE // MIB

    @pytest.mark.parametrize(
        ("head", "last", "message"),
        [
            ("200 OK", b"x", "wrong bytes"),
            ("206 Partial Content", PATTERN[-1:], "wrong answer"),
            ("200 OK\r\nX: y", b"", "closed a connection"),
        ],
    )
    def test_a_wrong_file_ends_the_run(self, head: str, last: bytes, message: str) -> None:
        def answer(connection: socket.socket) -> None:
            connection.recv(65536)
            fields = f"HTTP/1.1 {head}\r\nContent-Length: {LARGE_SIZE}\r\n\r\n"
            with suppress(OSError):  # the other side has seen enough
                connection.sendall(fields.encode() + (PATTERN * 10)[:-1] + last)

        with transfer_partner(answer) as port, pytest.raises(LoadError, match=message):
            Download(port)

    def test_a_right_report_is_taken(self) -> None:
        def answer(connection: socket.socket) -> None:
            connection.sendall(receive_all(connection, CHECKED_SIZE).report() + b"\n")

        with transfer_partner(answer) as port:
            ToServer(port).close()

    @pytest.mark.parametrize(
        ("report", "message"),
        [
            (b"0 unchecked\n", "wrong answer"),
            (expected_report(CHECKED_SIZE, True) + b"\nx", "more than was asked for"),
            (b"", "closed a connection"),
        ],
    )
    def test_a_wrong_report_ends_the_run(self, report: bytes, message: str) -> None:
        def answer(connection: socket.socket) -> None:
            receive_all(connection, CHECKED_SIZE)
            connection.sendall(report)

        with transfer_partner(answer) as port, pytest.raises(LoadError, match=message):
            ToServer(port)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (PATTERN * 3 + PATTERN[:-1] + b"x", "wrong bytes"),
            (PATTERN * 3 + PATTERN[:-1], "closed a connection"),
        ],
    )
    def test_wrong_bytes_end_the_run(self, data: bytes, message: str) -> None:
        def answer(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(data)

        with transfer_partner(answer) as port, pytest.raises(LoadError, match=message):
            FromServer(port)

    def test_bytes_that_are_only_counted_must_end_right(self) -> None:
        def answer(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(PATTERN * 4)
            connection.recv(65536)
            connection.sendall(PATTERN[:-1] + b"x")

        with (
            transfer_partner(answer) as port,
            FromServer(port, MIB) as transfer,
            pytest.raises(LoadError, match="wrong bytes at the end"),
        ):
            transfer.run(0)

    def test_one_transfer_is_the_least(self) -> None:
        class Nothing(Transfer):
            moved = 0

            def transfer(self, size: int, *, checked: bool) -> None:
                self.moved += size

        with transfer_partner(lambda connection: None) as port, Nothing(port) as transfer:
            result = transfer.run(0)
            assert result.requests * MIB == transfer.moved - CHECKED_SIZE


def programs(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Case]:
    """The module of `benchmarks.programs` made for this package, and the cases that use it."""
    monkeypatch.setenv("BENCH_PACKAGE", package)
    name = f"benchmarks.programs.{module}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.import_module(name)
    return {
        case.app.partition(".")[2]: case
        for scenario in COST_SCENARIOS
        for case in scenario.cases
        if case.app.startswith(f"{module}.")
    }


class TestPrograms:
    @pytest.mark.parametrize(
        ("module", "package"),
        [
            ("coroutines", "tornadic"),
            ("locks", "asyncio"),
            ("locks", "tornadic"),
            ("templates", "tornadic"),
            ("sessions", "tornadic"),
            ("rings", "tornadic"),
        ],
    )
    def test_every_case_is_right(
        self, module: str, package: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if package == "tornadic" and module == "locks" and not installed("tornadic.queues"):
            pytest.skip("there is no tornadic.queues")
        cases = programs(module, package, monkeypatch)
        assert cases
        for function in cases:
            program = getattr(sys.modules[f"benchmarks.programs.{module}"], function)
            asyncio.run(program(64, 0))

    def test_a_wrong_answer_is_told(self) -> None:
        require(b"right", b"right")
        with pytest.raises(WrongAnswer, match="1 instead of 2"):
            require(1, 2)

    def test_a_program_measures_itself(self) -> None:
        cost = run_program("locks.lock_free", SERVERS["asyncio"], 1000, Cores.choose())
        assert cost.units == 1000
        assert cost.cpu_us > 0
        assert cost.peak_bytes is None

    def test_a_program_that_fails_ends_the_run(self) -> None:
        with pytest.raises(MeasureError, match=r"locks\.no_such: ended with status 1"):
            run_program("locks.no_such", SERVERS["asyncio"], 1, Cores.choose())

    def test_a_program_that_hangs_ends_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(costs_module, "PROGRAM_TIMEOUT_SECONDS", 0.01)
        with pytest.raises(MeasureError, match="does not end"):
            run_program("locks.lock_free", SERVERS["asyncio"], 10**9, Cores.choose())

    @pytest.mark.parametrize("name", ["tornadic", "aiohttp"])
    def test_clients_fetch(self, name: str) -> None:
        module = "tornadic.simple_httpclient" if name == "tornadic" else name
        if not installed(module):
            pytest.skip(f"there is no {module}")
        with ServerProcess(SERVERS["floor"], "hello") as process:
            cost = run_program("client.fetch", SERVERS[name], 64, Cores.choose(), process.port)
        assert cost.units == 64


@pytest.mark.skipif(not shutil.which("nginx", path=SEARCH_PATH), reason="there is no nginx")
def test_nginx_answers() -> None:
    with Nginx() as nginx:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=20)
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, HELLO)
        connection.close()


@pytest.mark.skipif(not shutil.which("nginx", path=SEARCH_PATH), reason="there is no nginx")
def test_nginx_sends_files() -> None:
    with Nginx(static_folder(), Cores.choose().server) as nginx, Download(nginx.port) as download:
        assert download.run(0).requests == LARGE_SIZE // MIB
        assert nginx.cpu_seconds() > 0


class TestCosts:
    @pytest.mark.parametrize(
        ("name", "peer"),
        [
            ("bulk", "asyncio"),
            ("upload", "tornadic"),
            ("download", "tornadic"),
            pytest.param(
                "download",
                "nginx",
                marks=pytest.mark.skipif(
                    not shutil.which("nginx", path=SEARCH_PATH), reason="there is no nginx"
                ),
            ),
            ("coroutines", "tornadic"),
        ],
    )
    def test_one_round(self, name: str, peer: str) -> None:
        scenario = next(scenario for scenario in COST_SCENARIOS if scenario.name == name)
        scenario = replace(scenario, cases=scenario.cases[:1])
        said: list[str] = []
        costs = run_costs(scenario, [SERVERS[peer]], SHORT_PLAN, Cores.choose(), said.append)
        ((cost,),) = costs[scenario.cases[0].name].values()
        assert cost.cpu_us > 0
        assert said
        printed = cost_table(scenario, costs)
        assert SERVERS[peer].label in printed
        assert ("peak MiB" in printed) == (name == "upload")

    def test_peers_exist_and_applications_are_distinct(self) -> None:
        for scenario in COST_SCENARIOS:
            assert set(scenario.peers) <= set(SERVERS)
            for attribute in ("name", "app"):
                values = [getattr(case, attribute) for case in scenario.cases]
                assert len(set(values)) == len(values)

    def test_targets_are_stated_for_each_peer_they_name(self) -> None:
        scenario = replace(
            COST_SCENARIOS[0],
            cases=(Case("send", "send-64k", (("tornado", Target(Fraction(3, 5))),)),),
            labels=(("tornado", "Someone"),),
        )
        ours, theirs = (Cost(cost, 1.0, 1.0, 0.0, 1) for cost in (6.1, 10.0))
        printed = cost_table(scenario, {"send": {"tornadic": [ours], "tornado": [theirs]}})
        assert printed.endswith("send, to Someone: target <= 3/5: 0.610 (not met)")
        alone = cost_table(scenario, {"send": {"tornadic": [ours]}})
        assert "target" not in alone

    def test_a_rate_is_to_be_reached(self) -> None:
        least = Target(Fraction(4, 5), is_least=True)
        scenario = replace(
            COST_SCENARIOS[0], cases=(Case("send", "send-64k", rates=(("tornado", least),)),)
        )
        for rate, verdict in ((80.0, "0.800 (met)"), (79.9, "0.799 (not met)")):
            ours, theirs = (Cost(1.0, each, 1.0, 0.0, 1) for each in (rate, 100.0))
            printed = cost_table(scenario, {"send": {"tornadic": [ours], "tornado": [theirs]}})
            assert printed.endswith(f"send rate, to Tornado: target >= 4/5: {verdict}")

    def test_what_cannot_run_is_left_out_and_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        monkeypatch.setattr(costs_module, "SEARCH_PATH", str(tmp_path))
        client = next(scenario for scenario in COST_SCENARIOS if scenario.name == "client")
        servers = [SERVERS["tornadic"]]
        assert command_line.run_cost(client, servers, SHORT_PLAN, Cores.choose()) == {}
        assert "client: left out, nginx is not installed" in capsys.readouterr().out
        lacking = replace(client, needs="", modules=("surely_not_there",))
        assert command_line.run_cost(lacking, servers, SHORT_PLAN, Cores.choose()) == {}
        assert "tornadic.surely_not_there is not installed" in capsys.readouterr().out


def test_command_line_measures_what_is_no_request(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds=1", "--seconds=0.1"]
    command += ["--only=echo,upload", "--servers=tornadic", f"--json={output}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert "CPU µs/line" in done.stdout
    assert "CPU µs/MB" in done.stdout
    found = json.loads(output.read_text())["found"]
    assert found["echo"]["tornadic"][0]["requests"] > 64
    assert found["upload"]["upload"]["tornadic"][0]["units"] >= 64


def test_command_line_writes_its_figures(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds=1", "--seconds=0.1"]
    command += ["--only=hello,memory", "--servers=floor", f"--json={output}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert "KiB/connection" in done.stdout
    figures = json.loads(output.read_text())
    assert figures["found"]["hello"]["floor"][0]["requests"] > 64
    assert figures["plan"]["rounds"] == 1


def test_profile_is_printed() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--seconds=0.1", "--profile"]
    command += ["--only=hello", "--servers=floor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert "requests under cProfile" in done.stdout
    assert "function calls" in done.stdout


def test_what_is_not_installed_is_named() -> None:
    absent = Server("none", "None", "none", needs=("os", "surely_not_installed.web"))
    assert absent.missing() == "surely_not_installed.web"
    assert Server("there", "There", "there", needs=("os",)).missing() is None


def test_server_dies_with_the_process_that_started_it() -> None:
    with ServerProcess(SERVERS["floor"], "hello") as process:
        assert process.finish() == ""
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", process.port), timeout=5)


def test_tables_state_ratio_and_target() -> None:
    ours, theirs = (Sample(cost, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1) for cost in (10.0, 100.0))
    requests = request_table({"tornado": [theirs], "tornadic": [ours]}, Target(Fraction(1, 9)))
    assert requests.endswith("target <= 1/9: 0.100 (met)")
    memory = memory_table({"tornado": 8192.0, "tornadic": 4096.0}, Target(Fraction(3)))
    assert memory.endswith("target <= 3: 4.000 (not met)")
    ratio = Ratio(before=[10.0, 10.0, 10.0], after=[11.0, 30.0, 12.0])
    assert median_ratio(ratio) == 1.2
    scaling = scaling_table({"routes": {"tornadic": ratio}}, {"routes": Target(Fraction(6, 5))})
    assert scaling.endswith("routes: target <= 6/5: 1.200 (met)")
    (grown,) = GROWN_TARGETS
    theirs_grown = Ratio(before=[100.0], after=[240.0])
    beside = scaling_table({grown: {"tornadic": ratio, "tornado": theirs_grown}}, {})
    assert beside.endswith(f"{grown}, to Tornado: target <= 1/15: 0.050 (met)")


def test_cores_are_ours() -> None:
    cores = Cores.choose()
    assert {cores.server, cores.load} <= os.sched_getaffinity(0)
