"""The log formatter, which strangers' text must not fool, and the logging options."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic import log
from tornadic.log import LogFormatter, define_logging_options, enable_pretty_logging
from tornadic.options import Error, OptionParser


def record(message: object, *args: object, **attributes: Any) -> logging.LogRecord:
    result = logging.LogRecord("name", logging.INFO, "/x/module.py", 12, message, args, None)
    result.created = 0.0
    result.__dict__.update(attributes)
    return result


def format_plain(message: object, *args: object, **attributes: Any) -> str:
    """Format a record and return what follows the prefix."""
    formatter = LogFormatter(color=False)
    formatter.converter = time.gmtime
    prefix = "[I 700101 00:00:00 module:12] "
    text = formatter.format(record(message, *args, **attributes))
    assert text.startswith(prefix)
    return text.removeprefix(prefix)


def exception_info(message: str) -> Any:
    try:
        raise ValueError(message)
    except ValueError:
        return sys.exc_info()


def test_loggers_have_tornados_names() -> None:
    names = [logger.name for logger in (log.access_log, log.app_log, log.gen_log)]
    assert names == ["tornado.access", "tornado.application", "tornado.general"]


class TestMessages:
    @pytest.mark.parametrize(
        ("message", "args", "expected"),
        [
            ("hello", (), "hello"),
            ("é %s %d", ("x", 1), "é x 1"),
            (b"\xff\n", (), "b'\\xff\\n'"),
            ("%s", (b"\n",), "b'\\n'"),
            ({"a": 1}, (), "{'a': 1}"),
            ("tab\there", (), "tab\there"),
        ],
    )
    def test_message(self, message: object, args: tuple[object, ...], expected: str) -> None:
        assert format_plain(message, *args) == expected

    def test_continuation_lines_are_indented(self) -> None:
        forged = "GET /\n[I 700101 00:00:00 module:12] 200 GET /admin"
        assert format_plain("%s", forged) == forged.replace("\n", "\n    ")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a\rb", "a\\x0db"),
            ("a\r\nb", "a\\x0d\n    b"),
            ("\x1b[2J\x00\x08\x7f", "\\x1b[2J\\x00\\x08\\x7f"),
            ("\x85\x9b", "\\x85\\x9b"),
            ("\u2028\u2029", "\\u2028\\u2029"),
            ("\u202e\u2066", "\\u202e\\u2066"),
            ("\ud800", "\\ud800"),
        ],
    )
    def test_control_characters_are_escaped(self, text: str, expected: str) -> None:
        assert format_plain("%s", text) == expected
        assert format_plain("m", exc_text=text) == f"m\n    {expected}"
        assert format_plain("m", stack_info=text) == f"m\n    {expected}"

    @given(st.text(), st.text())
    def test_a_record_is_one_entry(self, message: str, exception: str) -> None:
        text = format_plain("x%s", message, exc_info=exception_info(exception))
        text.encode()
        assert all(line.startswith("    ") for line in text.splitlines()[1:])
        assert not any(ord(character) < 32 and character not in "\t\n" for character in text)

    @pytest.mark.parametrize("args", [(1,), (1, "x"), (1, 2, 3)])
    def test_arguments_that_do_not_fit(self, args: tuple[object, ...]) -> None:
        text = format_plain("%d %d", *args)
        assert text.startswith("Bad message (TypeError(")
        assert "'msg': '%d %d'" in text

    def test_argument_without_text(self) -> None:
        class Unprintable:
            def __str__(self) -> str:
                raise ValueError("line\n[I forged]\x1b")

        text = format_plain("%s", Unprintable())
        assert text.startswith("Bad message (ValueError(")
        assert "\n" not in text
        assert "\x1b" not in text

    def test_exception(self) -> None:
        lines = format_plain("message ", exc_info=exception_info("evil\nforged")).split("\n")
        assert lines[:2] == ["message", "    Traceback (most recent call last):"]
        assert lines[-2:] == ["    ValueError: evil", "    forged"]


class TestFormats:
    def test_default_format(self) -> None:
        assert LogFormatter.DEFAULT_FORMAT == (
            "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
        )
        assert LogFormatter.DEFAULT_DATE_FORMAT == "%y%m%d %H:%M:%S"
        assert LogFormatter.DEFAULT_COLORS == {10: 4, 20: 2, 30: 3, 40: 1, 50: 5}

    @pytest.mark.parametrize(
        ("fmt", "style"),
        [
            ("%(levelname)s %(message)s", "%"),
            ("{levelname} {message}", "{"),
            ("$levelname $message", "$"),
        ],
    )
    def test_styles(self, fmt: str, style: Any) -> None:
        assert LogFormatter(fmt, style=style).format(record("x")) == "INFO x"

    def test_date_format(self) -> None:
        assert LogFormatter("%(asctime)s", datefmt="%Y").format(record("x")) in ("1970", "1969")

    def test_dict_config(self) -> None:
        logger = logging.getLogger("tornadic.test.dictconfig")
        configuration = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"f": {"class": "tornadic.log.LogFormatter", "format": "<%(message)s>"}},
            "handlers": {"h": {"class": "logging.NullHandler", "formatter": "f"}},
            "loggers": {logger.name: {"handlers": ["h"]}},
        }
        logging.config.dictConfig(configuration)
        try:
            formatter = logger.handlers[0].formatter
            assert isinstance(formatter, LogFormatter)
            assert formatter.format(record("x")) == "<x>"
        finally:
            logger.handlers.clear()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestColor:
    @pytest.fixture
    def patch(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setenv("TERM", "xterm")
        return monkeypatch

    @staticmethod
    def show(
        patch: pytest.MonkeyPatch,
        fmt: str = "%(color)s<%(end_color)s",
        level: int = logging.INFO,
        stderr: Any = None,
        **arguments: Any,
    ) -> str:
        with patch.context() as here:
            # Not in a fixture: pytest sets stderr anew when the test begins.
            here.setattr(sys, "stderr", stderr or Terminal())
            return LogFormatter(fmt, **arguments).format(record("x", levelno=level))

    def test_levels(self, patch: pytest.MonkeyPatch) -> None:
        assert self.show(patch) == "\x1b[32m<\x1b[0m"
        assert self.show(patch, level=logging.ERROR) == "\x1b[31m<\x1b[0m"
        assert self.show(patch, level=25) == "<"

    def test_own_colors(self, patch: pytest.MonkeyPatch) -> None:
        assert self.show(patch, colors={20: 208}) == "\x1b[38;5;208m<\x1b[0m"
        assert self.show(patch, colors={20: 208}, level=10) == "<"

    def test_switched_off(self, patch: pytest.MonkeyPatch) -> None:
        assert self.show(patch, color=False) == "<"

    @pytest.mark.parametrize("terminal", ["dumb", ""])
    def test_terminal_without_colors(self, terminal: str, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("TERM", terminal)
        assert self.show(patch) == "<"

    @pytest.mark.parametrize("stream", [io.StringIO(), object()])
    def test_no_terminal(self, stream: object, patch: pytest.MonkeyPatch) -> None:
        assert self.show(patch, stderr=stream) == "<"

    def test_windows(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(sys, "platform", "win32")
        patch.delenv("WT_SESSION", raising=False)
        patch.delitem(sys.modules, "colorama", raising=False)
        assert self.show(patch) == "<"
        patch.setenv("WT_SESSION", "1")
        assert self.show(patch) == "\x1b[32m<\x1b[0m"


class TestEnablePrettyLogging:
    @pytest.fixture
    def options(self) -> OptionParser:
        options = OptionParser()
        define_logging_options(options)
        return options

    @pytest.fixture
    def logger(self) -> Iterator[logging.Logger]:
        logger = logging.Logger("tornadic.test")
        yield logger
        for handler in logger.handlers:
            handler.close()

    def test_stderr_by_default(self, options: OptionParser, logger: logging.Logger) -> None:
        enable_pretty_logging(options, logger)
        [handler] = logger.handlers
        assert type(handler) is logging.StreamHandler
        assert handler.stream is sys.stderr
        assert isinstance(handler.formatter, LogFormatter)
        assert logger.level == logging.INFO

    def test_not_beside_another_handler(
        self, options: OptionParser, logger: logging.Logger
    ) -> None:
        logger.addHandler(logging.NullHandler())
        enable_pretty_logging(options, logger)
        assert len(logger.handlers) == 1
        options.log_to_stderr = True
        enable_pretty_logging(options, logger)
        assert len(logger.handlers) == 2

    def test_stderr_refused(self, options: OptionParser, logger: logging.Logger) -> None:
        options.log_to_stderr = False
        enable_pretty_logging(options, logger)
        assert logger.handlers == []

    @pytest.mark.parametrize("level", [None, "none", "None"])
    def test_none_leaves_the_logger_alone(
        self, options: OptionParser, logger: logging.Logger, level: str | None, tmp_path: Path
    ) -> None:
        options.logging = level
        options.log_file_prefix = str(tmp_path / "log")
        enable_pretty_logging(options, logger)
        assert (logger.level, logger.handlers) == (logging.NOTSET, [])
        assert not any(tmp_path.iterdir())

    @pytest.mark.parametrize(("name", "level"), [("debug", 10), ("Warning", 30), ("CRITICAL", 50)])
    def test_levels(
        self, options: OptionParser, logger: logging.Logger, name: str, level: int
    ) -> None:
        options.logging = name
        enable_pretty_logging(options, logger)
        assert logger.level == level

    def test_unknown_level(self, options: OptionParser, logger: logging.Logger) -> None:
        options.logging = "loud"
        with pytest.raises(ValueError, match="LOUD"):
            enable_pretty_logging(options, logger)

    def test_file_rotated_by_size(
        self, options: OptionParser, logger: logging.Logger, tmp_path: Path
    ) -> None:
        options.log_file_prefix = str(tmp_path / "log")
        options.log_file_max_size = 300
        options.log_file_num_backups = 2
        enable_pretty_logging(options, logger)
        [handler] = logger.handlers
        assert isinstance(handler, logging.handlers.RotatingFileHandler)
        for number in range(50):
            logger.error("é\n%d", number)
        handler.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
        assert (tmp_path / "log").read_text("utf-8").endswith("] é\n    49\n")

    def test_file_rotated_by_time(
        self, options: OptionParser, logger: logging.Logger, tmp_path: Path
    ) -> None:
        options.log_file_prefix = str(tmp_path / "log")
        options.log_rotate_mode = "time"
        options.log_rotate_when = "H"
        options.log_rotate_interval = 3
        options.log_to_stderr = True
        enable_pretty_logging(options, logger)
        handler, stderr = logger.handlers
        assert isinstance(handler, logging.handlers.TimedRotatingFileHandler)
        assert (handler.when, handler.interval, handler.backupCount) == ("H", 3 * 3600, 10)
        assert type(stderr) is logging.StreamHandler

    def test_wrong_rotation(
        self, options: OptionParser, logger: logging.Logger, tmp_path: Path
    ) -> None:
        options.log_file_prefix = str(tmp_path / "log")
        options.log_rotate_mode = "moon"
        with pytest.raises(ValueError, match="moon"):
            enable_pretty_logging(options, logger)
        assert not any(tmp_path.iterdir())

    def test_file_that_cannot_be_opened(
        self, options: OptionParser, logger: logging.Logger, tmp_path: Path
    ) -> None:
        options.log_file_prefix = str(tmp_path / "missing" / "log")
        with pytest.raises(FileNotFoundError):
            enable_pretty_logging(options, logger)

    def test_defined_twice(self, options: OptionParser) -> None:
        with pytest.raises(Error, match="already defined"):
            define_logging_options(options)
        with pytest.raises(Error, match="already defined"):
            define_logging_options()

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([], True),
            (["--logging=warning"], False),
            (["--logging=none"], False),
            (["--log-to-stderr=false"], False),
        ],
    )
    def test_parsing_sets_up_the_root_logger(self, arguments: list[str], expected: bool) -> None:
        program = (
            "import logging, tornadic.options\n"
            "tornadic.options.parse_command_line()\n"
            "logging.getLogger('x').info('shown')\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=30
        )
        assert (result.returncode, result.stdout) == (0, "")
        assert bool(result.stderr) == expected
        assert result.stderr.endswith("shown\n" if expected else "")


def test_all() -> None:
    assert sorted(log.__all__) == log.__all__
    assert all(hasattr(log, name) for name in log.__all__)
