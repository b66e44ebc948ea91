"""Options: definition, command line, config files, help and mocking."""

from __future__ import annotations

import copy
import datetime
import decimal
import io
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tornadic.options as options_module
from tornadic.options import Error, OptionParser


@pytest.fixture(autouse=True)
def program_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])


def parser(**definitions: dict[str, Any]) -> OptionParser:
    result = OptionParser()
    for name, definition in definitions.items():
        result.define(name, **definition)
    return result


def parse(value: str, **definition: Any) -> Any:
    """Return what ``--x=value`` sets an option of this definition to."""
    options = parser(x=definition)
    assert options.parse_command_line(["program", f"--x={value}"]) == []
    return options.x


class TestCommandLine:
    def test_values_and_defaults(self) -> None:
        options = parser(a={"default": 1}, b={"type": str}, c={"default": 2.5})
        assert options.parse_command_line(["program", "--a=5", "-b=x=y"]) == []
        assert (options.a, options.b, options.c) == (5, "x=y", 2.5)

    @pytest.mark.parametrize(
        ("arguments", "remaining", "a"),
        [
            (["--a=2", "x", "--a=3"], ["x", "--a=3"], 2),
            (["--a=2", "--", "--a=3"], ["--a=3"], 2),
            (["--"], [], 1),
            (["x", "--"], ["x", "--"], 1),
            ([], [], 1),
        ],
    )
    def test_remaining_arguments(self, arguments: list[str], remaining: list[str], a: int) -> None:
        options = parser(a={"default": 1})
        assert options.parse_command_line(["program", *arguments]) == remaining
        assert options.a == a

    def test_sys_argv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["program", "--a=7", "rest"])
        options = parser(a={"type": int})
        assert options.parse_command_line() == ["rest"]
        assert options.a == 7

    def test_empty(self) -> None:
        assert OptionParser().parse_command_line([]) == []

    @pytest.mark.parametrize("argument", ["--nope", "--nope=1", "-n", "-", "--A=1"])
    def test_unknown(self, argument: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(Error, match="Unrecognized command line option"):
            parser(a={}).parse_command_line(["program", argument])
        assert "Usage: program" in capsys.readouterr().err

    def test_missing_value(self) -> None:
        with pytest.raises(Error, match="'a-b' requires a value"):
            parser(a_b={"type": int}).parse_command_line(["program", "--a_b"])

    @pytest.mark.parametrize("defined", ["a-b", "a_b"])
    @pytest.mark.parametrize("given_name", ["a-b", "a_b"])
    def test_dashes_and_underscores(self, defined: str, given_name: str) -> None:
        options = parser(**{defined: {"default": 1}})
        options.parse_command_line(["program", f"--{given_name}=2"])
        assert options.a_b == options["a-b"] == options["a_b"] == 2
        assert given_name in options
        assert list(options) == ["help", defined]

    def test_callbacks(self) -> None:
        seen: list[Any] = []
        options = parser(
            a={"type": int, "callback": seen.append},
            b={"type": int, "multiple": True, "callback": seen.append},
        )
        options.add_parse_callback(lambda: seen.append("done"))
        options.add_parse_callback(lambda: seen.append("really"))
        options.parse_command_line(["program", "--a=1", "--b=1:2", "--a=3"], final=False)
        assert seen == [1, [1, 2], 3]
        options.a = 4
        options.run_parse_callbacks()
        assert seen[3:] == [4, "done", "really"]
        options.parse_command_line(["program"])
        assert seen[6:] == ["done", "really"]


class TestTypes:
    @pytest.mark.parametrize(
        ("value", "type", "expected"),
        [
            ("-1", int, -1),
            ("1e3", float, 1000.0),
            ("", str, ""),
            ("é", str, "é"),
            ("1.50", decimal.Decimal, decimal.Decimal("1.50")),
            ("a/b", Path, Path("a/b")),
            ("abc", str.upper, "ABC"),
        ],
    )
    def test_types(self, value: str, type: Any, expected: Any) -> None:
        assert parse(value, type=type) == expected

    @pytest.mark.parametrize("default", [3, 2.5, "x", True, datetime.timedelta(1)])
    def test_type_of_the_default(self, default: Any) -> None:
        assert type(parse("1", default=default)) is type(default)

    @pytest.mark.parametrize(("value", "type"), [("x", int), ("", int), ("0x1", int), ("x", float)])
    def test_wrong_numbers(self, value: str, type: Any) -> None:
        with pytest.raises(ValueError):
            parse(value, type=type)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            *[(value, True) for value in ("true", "T", "1", "", "no")],
            *[(value, False) for value in ("false", "F", "0", "FALSE")],
        ],
    )
    def test_bool(self, value: str, expected: bool) -> None:
        assert parse(value, type=bool) is expected

    def test_bool_without_value(self) -> None:
        options = parser(a={"type": bool}, b={"default": True})
        options.parse_command_line(["program", "--a", "--b=false"])
        assert (options.a, options.b) == (True, False)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("Wed Jan  2 03:04:05 2013", (2013, 1, 2, 3, 4, 5)),
            ("2013-01-02 03:04:05", (2013, 1, 2, 3, 4, 5)),
            ("2013-01-02 03:04", (2013, 1, 2, 3, 4)),
            ("2013-01-02T03:04", (2013, 1, 2, 3, 4)),
            ("2013-01-02T03:04:05.5", (2013, 1, 2, 3, 4, 5, 500_000)),
            ("20130102 03:04:05", (2013, 1, 2, 3, 4, 5)),
            ("20130102 03:04", (2013, 1, 2, 3, 4)),
            ("2013-01-02", (2013, 1, 2)),
            ("20130102", (2013, 1, 2)),
            ("03:04:05", (1900, 1, 1, 3, 4, 5)),
            ("03:04", (1900, 1, 1, 3, 4)),
        ],
    )
    def test_datetime(self, value: str, expected: Any) -> None:
        assert parse(value, type=datetime.datetime) == datetime.datetime(*expected)

    @pytest.mark.parametrize("value", ["", "x", "2013", "2013-13-01", "12:00 PM"])
    def test_wrong_datetime(self, value: str) -> None:
        with pytest.raises(Error, match="Unrecognized date/time format"):
            parse(value, type=datetime.datetime)

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("1", 1),
            ("1.5", 1.5),
            ("2s", 2),
            ("2sec", 2),
            ("2m", 120),
            ("2 min", 120),
            ("2minutes", 120),
            ("1h", 3600),
            ("2 hours", 7200),
            ("3d", 3 * 86400),
            ("1w", 7 * 86400),
            ("5ms", 0.005),
            ("5 microseconds", 5e-6),
            ("1h 30m", 5400),
            ("1h-30m", 1800),
            ("-1h", -3600),
            (" .5h ", 1800),
            ("1e3s", 1000),
            ("1d2h3m4s", 86400 + 7384),
            ("1 h 2", 3602),
            ("", 0),
        ],
    )
    def test_timedelta(self, value: str, seconds: float) -> None:
        assert parse(value, type=datetime.timedelta).total_seconds() == seconds

    @pytest.mark.parametrize("value", ["x", "1x", "1H", "  ", "12:30", "5 5", "inf", "1,2", "--1"])
    def test_wrong_timedelta(self, value: str) -> None:
        with pytest.raises(Error, match="Unrecognized time interval"):
            parse(value, type=datetime.timedelta)

    @pytest.mark.parametrize("value", ["1e400", "1e20d", "-1e20d"])
    def test_timedelta_out_of_range(self, value: str) -> None:
        with pytest.raises(Error, match="out of range"):
            parse(value, type=datetime.timedelta)

    # The first date that is parsed loads the locale's names, which may be slow.
    @settings(deadline=None)
    @given(st.text())
    def test_arbitrary_text_raises_only_documented_errors(self, value: str) -> None:
        for type in (datetime.datetime, datetime.timedelta):
            for multiple in (False, True):
                try:
                    parse(value, type=type, multiple=multiple)
                except Error:
                    pass
        parse(value, type=bool)
        assert parse(value) == value


class TestMultiple:
    @pytest.mark.parametrize(
        ("value", "type", "expected"),
        [
            ("1,2,3", int, [1, 2, 3]),
            ("1:3,7", int, [1, 2, 3, 7]),
            ("-2:0", int, [-2, -1, 0]),
            ("1:1", int, [1]),
            ("3:1", int, []),
            ("1:", int, [1]),
            (" 1 , 2 ", int, [1, 2]),
            ("a,b,,c:d", str, ["a", "b", "", "c:d"]),
            ("1.5,2", float, [1.5, 2.0]),
            (
                "1h,2m",
                datetime.timedelta,
                [datetime.timedelta(0, 3600), datetime.timedelta(0, 120)],
            ),
        ],
    )
    def test_values(self, value: str, type: Any, expected: list[Any]) -> None:
        assert parse(value, type=type, multiple=True) == expected

    def test_bools_stay_bools(self) -> None:
        values = parse("true,0", type=bool, multiple=True)
        assert values[0] is True
        assert values[1] is False

    @pytest.mark.parametrize("value", ["", "1,", "a", "1:2:3", ":3"])
    def test_wrong_values(self, value: str) -> None:
        with pytest.raises(ValueError):
            parse(value, type=int, multiple=True)

    def test_later_values_replace_earlier(self) -> None:
        options = parser(m={"type": int, "multiple": True})
        options.parse_command_line(["program", "--m=1", "--m=2"])
        assert options.m == [2]

    def test_default(self) -> None:
        assert parser(m={"multiple": True}).m == []
        assert parser(m={"multiple": True, "default": ["a"]}).m == ["a"]
        assert parse("4", multiple=True, default=[1]) == ["4"]


class TestAccess:
    @pytest.fixture
    def options(self) -> OptionParser:
        return parser(
            a={"default": 1, "group": "g"}, b_c={"type": str}, m={"type": int, "multiple": True}
        )

    def test_setting(self, options: OptionParser) -> None:
        options.a = 2
        options["b-c"] = "x"
        options.m = [1, None]
        assert options.as_dict() == {"help": None, "a": 2, "b_c": "x", "m": [1, None]}
        options.a = None
        assert options.a is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [("a", "2"), ("a", 1.5), ("b_c", b"x"), ("m", 1), ("m", ["a"]), ("m", None)],
    )
    def test_wrong_type(self, options: OptionParser, name: str, value: Any) -> None:
        before = options[name]
        with pytest.raises(Error, match=f"Option '{name}' is required to be a"):
            options[name] = value
        assert options[name] == before

    def test_unknown(self, options: OptionParser) -> None:
        assert "nope" not in options
        assert not hasattr(options, "nope")
        with pytest.raises(AttributeError, match="Unrecognized option 'nope'"):
            options.nope = 1
        with pytest.raises(AttributeError):
            options["nope"]

    def test_listing(self, options: OptionParser) -> None:
        assert list(options) == ["help", "a", "b_c", "m"]
        assert dict(options.items()) == options.as_dict()
        assert options.group_dict("g") == {"a": 1}
        assert options.group_dict("") == options.as_dict()
        assert options.group_dict("nope") == {}

    def test_groups(self, options: OptionParser) -> None:
        assert options.groups() == {"", "g", __file__}
        assert options.group_dict(__file__) == {"b_c": None, "m": []}

    def test_definition_through_the_module_is_grouped_by_its_caller(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fresh = OptionParser()
        monkeypatch.setattr(options_module, "options", fresh)
        options_module.define("x", default=1)
        assert fresh.groups() == {"", __file__}

    def test_defined_twice(self, options: OptionParser) -> None:
        for name in ("b_c", "b-c", "help"):
            with pytest.raises(Error, match="already defined"):
                options.define(name)

    def test_any_callable_as_type_is_not_checked(self) -> None:
        options = parser(x={"type": lambda text: text + "!"})
        options.x = 3
        assert options.x == 3

    def test_copying(self, options: OptionParser) -> None:
        duplicate = copy.deepcopy(options)
        duplicate.a = 5
        assert (options.a, duplicate.a) == (1, 5)


class TestMockable:
    def test_value_is_restored(self) -> None:
        options = parser(b_c={"default": "x"})
        with mock.patch.object(options.mockable(), "b_c", "patched"):
            assert options.b_c == "patched"
        assert options.b_c == "x"

    def test_nested(self) -> None:
        options = parser(a={"default": 1})
        mockable = options.mockable()
        with mock.patch.object(mockable, "a", 2):
            with mock.patch.object(mockable, "a", 3):
                assert options.a == 3
            assert options.a == 2
        assert options.a == 1

    def test_unknown(self) -> None:
        with pytest.raises(AttributeError), mock.patch.object(OptionParser().mockable(), "a", 1):
            pass


class TestConfigFile:
    @staticmethod
    def load(tmp_path: Path, text: str | bytes, **definition: Any) -> Any:
        path = tmp_path / "config.py"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        options = parser(x=definition)
        options.parse_config_file(str(path))
        return options.x

    @pytest.mark.parametrize(
        ("text", "type", "expected"),
        [
            ("x = 80", int, 80),
            ("x = '80'", int, 80),
            ("x = None", int, None),
            ("x = 'é'", str, "é"),
            ("x = 'false'", bool, False),
            ("x = '1.5'", float, 1.5),
            ("x = '1h'", datetime.timedelta, datetime.timedelta(0, 3600)),
            (
                "import datetime\nx = datetime.datetime(2013, 1, 2)",
                datetime.datetime,
                datetime.datetime(2013, 1, 2),
            ),
            ("X = 1\ny = 2", int, None),
            ("# coding: latin-1\nx = 'é'", str, "é"),
            ("\ufeffx = 'é'\r\n", str, "é"),
        ],
    )
    def test_values(self, tmp_path: Path, text: str, type: Any, expected: Any) -> None:
        assert self.load(tmp_path, text, type=type) == expected

    @pytest.mark.parametrize(
        ("text", "type", "expected"),
        [("x = 'a,b'", str, ["a", "b"]), ("x = ['a']", str, ["a"]), ("x = '1:3'", int, [1, 2, 3])],
    )
    def test_multiple(self, tmp_path: Path, text: str, type: Any, expected: list[Any]) -> None:
        assert self.load(tmp_path, text, type=type, multiple=True) == expected

    @pytest.mark.parametrize("text", ["x = 1.5", "x = b'1'", "x = [1]"])
    def test_wrong_type(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(Error, match="required to be a int"):
            self.load(tmp_path, text, type=int)

    @pytest.mark.parametrize("text", ["x = 1", "x = None", "x = ('a',)", "x = [1]", "x = b'a'"])
    def test_wrong_type_for_multiple(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(Error, match="required to be a list of str"):
            self.load(tmp_path, text, multiple=True)

    def test_file_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "config.py").write_text("x = __file__")
        monkeypatch.chdir(tmp_path)
        options = parser(x={})
        options.parse_config_file("config.py")
        assert options.x == str(tmp_path / "config.py")

    def test_dashes(self, tmp_path: Path) -> None:
        path = tmp_path / "config.py"
        path.write_text("a_b = 3")
        options = parser(**{"a-b": {"type": int}})
        options.parse_config_file(path)
        assert options.a_b == 3

    def test_callbacks(self, tmp_path: Path) -> None:
        path = tmp_path / "config.py"
        path.write_text("x = '3'")
        seen: list[Any] = []
        options = parser(x={"type": int, "callback": seen.append})
        options.add_parse_callback(lambda: seen.append("done"))
        options.parse_config_file(path, final=False)
        assert seen == [3]
        options.parse_config_file(path)
        assert seen == [3, 3, "done"]

    def test_config_file_named_on_the_command_line(self, tmp_path: Path) -> None:
        path = tmp_path / "config.py"
        path.write_text("x = 2\ny = 2")
        options = parser(x={"default": 0}, y={"default": 0})
        options.define("config", callback=lambda path: options.parse_config_file(path, final=False))
        options.parse_command_line(["program", "--x=1", f"--config={path}", "--y=3"])
        assert (options.x, options.y) == (2, 3)

    def test_errors(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            OptionParser().parse_config_file(str(tmp_path / "missing"))
        with pytest.raises(UnicodeDecodeError):
            self.load(tmp_path, b"x = '\xe9'")
        with pytest.raises(ZeroDivisionError):
            self.load(tmp_path, "1 / 0")
        with pytest.raises(SyntaxError) as caught:
            self.load(tmp_path, "ok = 1\nx = = 1")
        assert (caught.value.filename, caught.value.lineno) == (str(tmp_path / "config.py"), 2)


class TestHelp:
    @staticmethod
    def help(options: OptionParser) -> str:
        file = io.StringIO()
        options.print_help(file)
        return file.getvalue()

    def test_empty(self) -> None:
        assert self.help(OptionParser()) == (
            "Usage: program [OPTIONS]\n\nOptions:\n\n"
            "  --help                           show this help information\n\n"
        )

    def test_columns(self) -> None:
        options = parser(
            port={"default": 80, "help": "port to listen on", "group": "g"},
            a_b={"metavar": "PATH", "help": "path " * 12, "group": "g"},
            none={"group": "g"},
            empty={"default": "", "help": "empty", "group": "g"},
            **{"n" * 28: {"help": "28", "group": "g"}, "m" * 29: {"help": "29", "group": "g"}},
        )
        assert self.help(options).partition("information\n\n")[2] == (
            "g options:\n"
            "\n"
            "  --a-b=PATH                       path path path path path path path path path\n"
            "                                   path path path\n"
            "  --empty                          empty\n"
            "  --mmmmmmmmmmmmmmmmmmmmmmmmmmmmm  \n"
            "                                   29\n"
            "  --nnnnnnnnnnnnnnnnnnnnnnnnnnnn   28\n"
            "  --none                           \n"
            "  --port                           port to listen on (default 80)\n"
            "\n"
        )

    def test_groups_are_sorted(self) -> None:
        text = self.help(parser(a={"group": "z"}, b={"group": "y"}))
        assert text.index("--help") < text.index("y options:") < text.index("z options:")

    def test_help_ends_the_program(self, capsys: pytest.CaptureFixture[str]) -> None:
        options = OptionParser()
        options.add_parse_callback(lambda: pytest.fail("parsing went on"))
        with pytest.raises(SystemExit) as caught:
            options.parse_command_line(["program", "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().err == self.help(options)

    def test_help_refused(self) -> None:
        assert OptionParser().parse_command_line(["program", "--help=false", "x"]) == ["x"]


def test_global_options_have_the_logging_options() -> None:
    program = (
        "from tornadic.options import *\n"
        "define('x', default=1)\n"
        "add_parse_callback(lambda: print('done'))\n"
        "print(parse_command_line(['program', '--x=2', '--logging=none', 'rest']))\n"
        "print(sorted(options))\n"
        "print_help()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout.splitlines() == [
        "done",
        "['rest']",
        "['help', 'log_file_max_size', 'log_file_num_backups', 'log_file_prefix', "
        "'log_rotate_interval', 'log_rotate_mode', 'log_rotate_when', 'log_to_stderr', "
        "'logging', 'x']",
    ]
    assert "--logging=debug|info|warning|error|none" in result.stderr


def test_module_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(options_module, "options", OptionParser())
    options_module.define("x", type=int, help="an x")
    done: list[int] = []
    options_module.add_parse_callback(lambda: done.append(1))
    (tmp_path / "config.py").write_text("x = 5")
    options_module.parse_config_file(str(tmp_path / "config.py"), final=False)
    assert (options_module.options.x, done) == (5, [])
    assert options_module.parse_command_line(["program", "--x=6", "rest"]) == ["rest"]
    assert (options_module.options.x, done) == (6, [1])
    options_module.print_help()
    assert "an x" in capsys.readouterr().err


def test_all() -> None:
    assert sorted(options_module.__all__) == options_module.__all__
    assert all(hasattr(options_module, name) for name in options_module.__all__)
