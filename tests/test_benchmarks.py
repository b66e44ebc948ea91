"""The benchmarks' load generator tells right answers from wrong ones, and a round runs."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

if not hasattr(select, "epoll"):
    pytest.skip("the benchmarks measure on Linux", allow_module_level=True)

from benchmarks.load import (
    IdleConnections,
    Load,
    LoadError,
    expect_body,
    expect_json,
    same_requests,
    split_responses,
    unlike_requests,
)
from benchmarks.measure import Cores, Sample, ServerProcess, measure
from benchmarks.runs import Plan, Ratio, run_requests
from benchmarks.scenarios import (
    REQUEST_SCENARIOS,
    RequestScenario,
    Target,
    json_requests,
    unique_requests,
)
from benchmarks.servers import SERVERS, Server
from benchmarks.tables import median_ratio, memory_table, request_table, scaling_table

ROOT = Path(__file__).resolve().parents[1]
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
SHORT_PLAN = Plan(
    rounds=1, seconds=0.1, warm_seconds=0.05, scaling_rounds=1, idle=5, long_seconds=0.1
)


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


def drive(*answers: list[bytes], pipeline: int = 1) -> int:
    """Load the canned server for a moment; the number of requests answered."""
    with (
        canned_server(*answers) as port,
        Load(
            port, same_requests(REQUEST), expect_body(b"right"), connections=1, pipeline=pipeline
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


class TestRequests:
    def test_unlike_requests_are_unlike(self) -> None:
        requests = list(islice(unique_requests(), 1000))
        assert len(set(requests)) == 1000
        assert len({request.partition(b"Cookie:")[2] for request in requests}) == 1000

    def test_every_place_is_filled(self) -> None:
        assert next(unlike_requests(b"%d-%d", first=7)) == b"7-7"

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


class TestFloorServer:
    @pytest.mark.parametrize("scenario", REQUEST_SCENARIOS, ids=lambda scenario: scenario.name)
    def test_one_round(self, scenario: RequestScenario) -> None:
        said: list[str] = []
        floor = SERVERS["floor"]
        results = run_requests(scenario, [floor], SHORT_PLAN, Cores.choose(), said.append)
        (sample,) = results["floor"]
        assert sample.requests > 64
        assert sample.cpu_us > 0
        assert said
        assert floor.label in request_table(results, Target(Fraction(1, 9)))

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


def test_cores_are_ours() -> None:
    cores = Cores.choose()
    assert {cores.server, cores.load} <= os.sched_getaffinity(0)
