"""The documents keep their word: commands exist, samples run, links lead somewhere."""

from __future__ import annotations

import html
import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tornadic
from tornadic.http1connection.states import State

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "tornadic"
DOCUMENTS = [
    *sorted(path for path in ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks" / "README.md",
]
GUIDES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in path.read_text("utf-8")
]
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")

PATIENCE = 20.0

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


def samples(text: str, language: str = "python") -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def hello_world() -> str:
    [sample] = [code for code in samples(README) if "Hello, world" in code]
    return sample


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The fragments by which the headings of a document are reached, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path.read_text("utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


# The first steps


@pytest.mark.parametrize("target", ["demo", "test"])
def test_both_commands_are_at_the_top_and_in_the_makefile(target: str) -> None:
    top = README.splitlines()[:20]
    assert any(re.match(rf" {{4}}make {target}\b", line) for line in top)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@each_document
def test_every_make_target_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.findall(r"(?:^ {4}|`)make ([a-z]+)", path.read_text("utf-8"), re.MULTILINE)
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_readme_keeps_room_for_the_benchmarks() -> None:
    before, between, after = re.split(r"<!-- /?bench -->", README)
    assert README.index("<!-- bench -->") < README.index("<!-- /bench -->")
    assert "## Speed" in before and "## Requirements" in after
    assert "<!--" not in between


# Samples


@each_document
def test_python_samples_compile(path: Path) -> None:
    for number, code in enumerate(samples(path.read_text("utf-8"))):
        compile(code, f"{path.name}, sample {number}", "exec", dont_inherit=True)


@contextmanager
def served(command: list[str], port: int) -> Iterator[http.client.HTTPConnection]:
    """Run a server that listens on ``port`` of this host, and connect to it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        while True:
            try:
                connection.connect()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, process.communicate()[0]
        yield connection
    finally:
        connection.close()
        process.kill()
        process.communicate(timeout=PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("tornadic", []),
        ("tornadic", ["-m", "tornadic", "run"]),
        ("tornado", ["-m", "tornadic", "run"]),
    ],
    ids=["by itself", "under tornadic run", "as a Tornado program"],
)
def test_hello_world(package: str, command: list[str], tmp_path: Path) -> None:
    port = free_port()
    code = hello_world()
    assert code.count("8888") == 1
    program = tmp_path / "hello.py"
    program.write_text(code.replace("8888", str(port)).replace("tornadic", package), "utf-8")
    with served([*command, str(program)], port) as connection:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"Hello, world")
        assert response.headers["Server"] == f"Tornadic/{tornadic.__version__}"


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_other_samples_run(path: Path, tmp_path: Path) -> None:
    others = [code for code in samples(path.read_text("utf-8")) if code != hello_world()]
    assert others
    for code in others:
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (finished.returncode, finished.stderr) == (0, "")


# Links


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text("utf-8"))):
        if "://" in target:
            continue
        file, _, fragment = html.unescape(target).partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if fragment:
            assert fragment in anchors(found), target


def test_index_names_every_document() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", index)
    linked = {(ROOT / "docs" / link).resolve() for link in links}
    assert linked == set(DOCUMENTS) - {ROOT / "docs" / "index.md"}


@each_document
def test_documents_name_no_place_on_a_machine(path: Path) -> None:
    here = "|".join(re.escape(place) for place in (str(ROOT), os.path.expanduser("~")))
    places = re.findall(rf"(?:{here}|/home|/root|/Users)/\S+", path.read_text("utf-8"))
    assert places == []


# Truth


def test_changelog_has_this_version_first() -> None:
    released = re.findall(r"^## \[([0-9][^\]]*)\] - \d{4}-\d{2}-\d{2}$", CHANGELOG, re.MULTILINE)
    assert released[0] == tornadic.__version__


def test_architecture_names_files_that_exist() -> None:
    named = re.findall(r"`([a-z0-9_/]+(?:\.py|/))`", prose(ARCHITECTURE))
    assert len(named) > 40
    assert [name for name in named if not (SOURCES / name).exists()] == []


def test_architecture_names_every_room() -> None:
    rooms = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py") and path.parent.name != "startup"
    }
    missing = [room for room in sorted(rooms) if f"`{room}`" not in ARCHITECTURE]
    assert missing == []


def test_architecture_names_functions_that_exist() -> None:
    """Whatever stands as code there, and looks like a name of ours, is in the sources."""
    sources = "\n".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    words = set(re.findall(r"\w+", sources))
    marked = re.findall(r"`([A-Za-z_][\w.]*)`", prose(ARCHITECTURE))
    names = {part for mark in marked for part in mark.removesuffix(".py").split(".")}
    others = {"X", "tornado", "python", "pipe"}
    assert sorted(names - words - others) == []


def test_architecture_has_the_states_of_a_connection() -> None:
    section = ARCHITECTURE.split("## The states of a connection")[1].split("\n## ")[0]
    [diagram] = samples(section, "mermaid")
    drawn = set(re.findall(r"^    ([A-Z]+) --> ", diagram, re.MULTILINE))
    assert drawn == {state.name for state in State}
    rows = re.findall(r"^\| ([^|]+) \|.*\| ([^|]+) \|$", section, re.MULTILINE)
    told = {name for row in rows for cell in row for name in re.findall(r"`([A-Z]+)`", cell)}
    assert told == drawn
