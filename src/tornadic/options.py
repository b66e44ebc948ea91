"""Command-line options that each module defines for itself.

A module calls `define` at import; ``options.name`` is then its value everywhere.  The program's
``main`` calls `parse_command_line` or `parse_config_file` once all such modules are imported::

    define("port", default=8080, help="port to listen on")

    def main() -> None:
        tornadic.options.parse_command_line()
        app.listen(options.port)

``options`` is one `OptionParser`, on which the functions of this module work; others can be made.
It has the logging options from the start (see `tornadic.log`): parsing sets up logging, unless
``options.logging`` is None or ``--logging=none`` is given.  With several ``parse_*`` calls, pass
``final=False`` to all but the last.

Dashes and underscores in names are the same.  An option knows its type, which turns strings into
values and checks values that are set; the parser only finds it and asks.
"""

from __future__ import annotations

import datetime
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from tornadic import _legacy
from tornadic.escape import to_unicode
from tornadic.log import define_logging_options
from tornadic.util import exec_in

__all__ = [
    "Error",
    "OptionParser",
    "add_parse_callback",
    "define",
    "options",
    "parse_command_line",
    "parse_config_file",
    "print_help",
]


__getattr__ = _legacy.names_of(__name__)


class Error(Exception):
    """A wrong definition, name or value of an option."""


_DATETIME_FORMATS = (
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%H:%M:%S",
    "%H:%M",
)

_TIMEDELTA_PART = re.compile(
    r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)\s*", re.ASCII
)
_TIMEDELTA_UNITS = {
    unit: datetime.timedelta(**{keyword: 1})
    for keyword, units in {
        "weeks": "w week weeks",
        "days": "d day days",
        "hours": "h hour hours",
        "minutes": "m min mins minute minutes",
        "seconds": "s sec secs second seconds",
        "milliseconds": "ms millisecond milliseconds",
        "microseconds": "us microsecond microseconds",
    }.items()
    for unit in units.split()
}
_TIMEDELTA_UNITS[""] = datetime.timedelta(seconds=1)


def _parse_datetime(value: str) -> datetime.datetime:
    for format in _DATETIME_FORMATS:
        try:
            return datetime.datetime.strptime(value, format)
        except ValueError:
            pass
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        raise Error(f"Unrecognized date/time format: {value!r}") from None


def _parse_timedelta(value: str) -> datetime.timedelta:
    """Add up parts such as ``1h``, ``30 min``, ``-1.5 days``; the last may lack its unit."""
    total = datetime.timedelta()
    position = 0
    while position < len(value):
        match = _TIMEDELTA_PART.match(value, position)
        if (
            match is None
            or match[2] not in _TIMEDELTA_UNITS
            or not (match[2] or match.end() == len(value))
        ):
            raise Error(f"Unrecognized time interval: {value!r}")
        try:
            total += float(match[1]) * _TIMEDELTA_UNITS[match[2]]
        except OverflowError:
            raise Error(f"Time interval out of range: {value!r}") from None
        position = match.end()
    return total


def _parse_bool(value: str) -> bool:
    return value.lower() not in ("false", "0", "f")


_PARSERS: dict[Any, Callable[[str], Any]] = {
    datetime.datetime: _parse_datetime,
    datetime.timedelta: _parse_timedelta,
    bool: _parse_bool,
    str: to_unicode,
}


class _Option:
    """The definition and the value of one option."""

    UNSET = object()

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = str,
        help: str | None = None,
        metavar: str | None = None,
        multiple: bool = False,
        file_name: str = "",
        group_name: str = "",
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        self.name = name
        self.default = [] if default is None and multiple else default
        self.type = type
        self.help = help
        self.metavar = metavar
        self.multiple = multiple
        self.file_name = file_name
        self.group_name = group_name
        self.callback = callback
        self._value: Any = _Option.UNSET

    def value(self) -> Any:
        return self.default if self._value is _Option.UNSET else self._value

    def parse(self, value: str) -> Any:
        """Set the option from text, run its callback and return the new value."""
        parse = _PARSERS.get(self.type, self.type)
        if self.multiple:
            parsed: Any = []
            for part in value.split(","):
                parsed.extend(self._parse_part(parse, part))
        else:
            parsed = parse(value)
        self._store(parsed)
        return parsed

    def _parse_part(self, parse: Callable[[str], Any], part: str) -> Iterable[Any]:
        """Parse one of several values; for integers ``low:high`` is a range, both included."""
        is_integer = isinstance(self.type, type) and issubclass(self.type, int)
        if not is_integer or self.type is bool:
            return [parse(part)]
        low, _, high = part.partition(":")
        first = parse(low)
        return range(first, parse(high) + 1) if high else [first]

    def set(self, value: Any) -> None:
        """Set the option to a value of its type (or a list of such) or None; run its callback."""
        if self.multiple:
            if not isinstance(value, list) or not all(map(self._accepts, value)):
                raise Error(f"Option {self.name!r} is required to be a list of {self.type_name}")
        elif not self._accepts(value):
            raise Error(
                f"Option {self.name!r} is required to be a {self.type_name} ({type(value)} given)"
            )
        self._store(value)

    def set_from_config(self, value: Any) -> None:
        """Set the option to a value found in a config file: text is parsed."""
        if self.multiple and not isinstance(value, list | str):
            raise Error(
                f"Option {self.name!r} is required to be a list of {self.type_name} "
                "or a comma-separated string"
            )
        if isinstance(value, str) and (self.type is not str or self.multiple):
            self.parse(value)
        else:
            self.set(value)

    def _accepts(self, value: Any) -> bool:
        # A type may be any callable; the values of such an option cannot be checked.
        return value is None or not isinstance(self.type, type) or isinstance(value, self.type)

    def _store(self, value: Any) -> None:
        self._value = value
        if self.callback is not None:
            self.callback(value)

    @property
    def type_name(self) -> str:
        return getattr(self.type, "__name__", repr(self.type))

    def help_text(self) -> str:
        """Return the two columns of help for this option."""
        prefix = "--" + self.name.replace("_", "-")
        if self.metavar:
            prefix += "=" + self.metavar
        description = self.help or ""
        if self.default is not None and self.default != "":
            description += f" (default {self.default})"
        lines = textwrap.wrap(description, _HELP_WIDTH - _HELP_INDENT)
        if not lines or len(prefix) > _HELP_INDENT - 5:
            lines.insert(0, "")
        first = f"  {prefix:{_HELP_INDENT - 3}} {lines[0]}"
        return "\n".join([first, *(" " * _HELP_INDENT + line for line in lines[1:])])


_HELP_WIDTH = 79
_HELP_INDENT = 35


def _normalize_name(name: str) -> str:
    return name.replace("_", "-")


def _calling_file() -> str:
    """Return the file of the innermost frame outside this module."""
    frame = sys._getframe(1)
    own_file = frame.f_code.co_filename
    while frame.f_code.co_filename == own_file and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename


class OptionParser:
    """A set of options, whose values are its attributes and its items.

    ``options.name``, ``options["name"]`` and ``"name" in options`` take dashes and underscores
    alike; iterating gives the names as defined.  Reading or setting an unknown name raises
    `AttributeError`; setting a value of the wrong type raises `Error`.
    """

    _options: dict[str, _Option]
    _parse_callbacks: list[Callable[[], None]]

    def __init__(self) -> None:
        # Set through __dict__ because __setattr__ sets options.
        self.__dict__["_options"] = {}
        self.__dict__["_parse_callbacks"] = []
        self._options["help"] = _Option(
            "help", type=bool, help="show this help information", callback=self._help_callback
        )

    def _find(self, name: str) -> _Option:
        # Looked up in __dict__ since copy and pickle ask for attributes before it is filled.
        option: _Option | None = self.__dict__.get("_options", {}).get(_normalize_name(name))
        if option is None:
            raise AttributeError(f"Unrecognized option {name!r}")
        return option

    def __getattr__(self, name: str) -> Any:
        return self._find(name).value()

    def __setattr__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __getitem__(self, name: str) -> Any:
        return self._find(name).value()

    def __setitem__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __contains__(self, name: str) -> bool:
        return _normalize_name(name) in self._options

    def __iter__(self) -> Iterator[str]:
        return (option.name for option in self._options.values())

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the (name, value) pairs of all options."""
        return [(option.name, option.value()) for option in self._options.values()]

    def groups(self) -> set[str]:
        """Return the names of the groups that `define` has made; that of ``help`` is empty."""
        return {option.group_name for option in self._options.values()}

    def group_dict(self, group: str) -> dict[str, Any]:
        """Return the values, by name, of the options in a group; of all if ``group`` is empty.

        Handy for application settings: ``Application(handlers, **options.group_dict("app"))``.
        """
        return {
            option.name: option.value()
            for option in self._options.values()
            if not group or option.group_name == group
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the values of all options, by name."""
        return dict(self.items())

    def define(
        self,
        name: str,
        default: Any = None,
        type: Callable[[str], Any] | None = None,
        help: str | None = None,
        metavar: str | None = None,
        multiple: bool = False,
        group: str | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        """Define an option.

        ``type`` is `str`, `int`, `float`, `bool`, `~datetime.datetime`, `~datetime.timedelta`, or
        anything that makes a value from text.  None means the type of ``default``, and `str` if
        that is None too or ``multiple`` is true.  With ``multiple`` the value is a list of that
        type, by default an empty one.

        ``help`` and ``metavar`` appear in the help text, as in ``--name=METAVAR  help``, and
        options of the same ``group`` together; None is the file that defines the option.
        ``callback`` is called with the new value whenever the option is set.

        Raises `Error` if the name is taken.
        """
        normalized = _normalize_name(name)
        if normalized in self._options:
            file_name = self._options[normalized].file_name
            raise Error(f"Option {normalized!r} already defined in {file_name}")
        if type is None:
            type = str if multiple or default is None else default.__class__
        file_name = _calling_file()
        self._options[normalized] = _Option(
            name,
            default=default,
            type=type,
            help=help,
            metavar=metavar,
            multiple=multiple,
            file_name=file_name,
            group_name=group or file_name,
            callback=callback,
        )

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Set options from command-line arguments; return those left over.

        ``args`` of None means `sys.argv`; its first item, the program's name, is skipped.  Options
        look like ``--name=value``; for a `bool`, ``--name`` alone is true.  An option defined with
        ``multiple`` takes values separated by commas, and integers as ranges too: ``1:3`` is 1, 2
        and 3.  What follows ``--``, or begins with the first argument that is no option, is left
        over.  If ``final``, the parse callbacks run at the end.

        Raises `Error` for an unknown option (after printing the help) or a missing value, and what
        the option's type raises for a wrong one.
        """
        if args is None:
            args = sys.argv
        remaining: list[str] = []
        for index in range(1, len(args)):
            if args[index] == "--":
                remaining = args[index + 1 :]
                break
            if not args[index].startswith("-"):
                remaining = args[index:]
                break
            self._parse_argument(args[index])
        if final:
            self.run_parse_callbacks()
        return remaining

    def _parse_argument(self, argument: str) -> None:
        name, equals, value = argument.lstrip("-").partition("=")
        name = _normalize_name(name)
        if name not in self._options:
            self.print_help()
            raise Error(f"Unrecognized command line option: {name!r}")
        option = self._options[name]
        if not equals:
            if option.type is not bool:
                raise Error(f"Option {name!r} requires a value")
            value = "true"
        option.parse(value)

    def parse_config_file(self, path: str | os.PathLike[str], final: bool = True) -> None:
        """Execute a config file and set the options that have the names of its global variables.

        The file is Python code in UTF-8, so it must be trusted; ``__file__`` in it is its absolute
        path.  Values are of the option's type, or text to be parsed as on the command line; a list
        or text with commas for options with ``multiple``.  If ``final``, the parse callbacks run
        at the end.

        Raises `Error` for a value of the wrong type, `OSError` if the file cannot be read,
        `UnicodeDecodeError` if it is not UTF-8, and whatever its code raises.
        """
        full_path = os.path.abspath(path)
        with open(full_path, "rb") as file:
            source = file.read().decode("utf-8-sig")
        variables: dict[str, Any] = {"__file__": full_path}
        exec_in(compile(source, full_path, "exec", dont_inherit=True), variables, variables)
        for name, value in variables.items():
            if name in self:
                self._find(name).set_from_config(value)
        if final:
            self.run_parse_callbacks()

    def print_help(self, file: TextIO | None = None) -> None:
        """Print all options, by group, to a file; None is stderr."""
        if file is None:
            file = sys.stderr
        groups: dict[str, list[_Option]] = {}
        for option in self._options.values():
            groups.setdefault(option.group_name, []).append(option)
        print(f"Usage: {sys.argv[0]} [OPTIONS]", file=file)
        print("\nOptions:\n", file=file)
        for group, members in sorted(groups.items()):
            if group:
                print(f"\n{os.path.normpath(group)} options:\n", file=file)
            for option in sorted(members, key=lambda option: option.name):
                print(option.help_text(), file=file)
        print(file=file)

    def _help_callback(self, value: bool) -> None:
        if value:
            self.print_help()
            sys.exit(0)

    def add_parse_callback(self, callback: Callable[[], None]) -> None:
        """Have a function called when parsing is done (see ``final``)."""
        self._parse_callbacks.append(callback)

    def run_parse_callbacks(self) -> None:
        """Call the functions given to `add_parse_callback`, in order."""
        for callback in self._parse_callbacks:
            callback()

    def mockable(self) -> _Mockable:
        """Return a wrapper whose attributes `unittest.mock.patch.object` can set and restore.

        ::

            with mock.patch.object(options.mockable(), "name", value):
                assert options.name == value
        """
        return _Mockable(self)


class _Mockable:
    """Lets `mock.patch` believe that options are plain attributes.

    `mock.patch` undoes a change to an attribute that is not in the object's ``__dict__`` by
    deleting it, so deleting one brings its value before the last setting back.
    """

    _options: OptionParser
    _originals: dict[str, list[Any]]

    def __init__(self, options: OptionParser) -> None:
        self.__dict__["_options"] = options
        self.__dict__["_originals"] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def __setattr__(self, name: str, value: Any) -> None:
        original = getattr(self._options, name)
        setattr(self._options, name, value)
        self._originals.setdefault(name, []).append(original)

    def __delattr__(self, name: str) -> None:
        setattr(self._options, name, self._originals[name].pop())


options = OptionParser()


def define(
    name: str,
    default: Any = None,
    type: Callable[[str], Any] | None = None,
    help: str | None = None,
    metavar: str | None = None,
    multiple: bool = False,
    group: str | None = None,
    callback: Callable[[Any], None] | None = None,
) -> None:
    """Define a global option; see `OptionParser.define`."""
    options.define(name, default, type, help, metavar, multiple, group, callback)


def parse_command_line(args: list[str] | None = None, final: bool = True) -> list[str]:
    """Set global options from the command line; see `OptionParser.parse_command_line`."""
    return options.parse_command_line(args, final)


def parse_config_file(path: str | os.PathLike[str], final: bool = True) -> None:
    """Set global options from a config file; see `OptionParser.parse_config_file`."""
    options.parse_config_file(path, final)


def print_help(file: TextIO | None = None) -> None:
    """Print the global options; see `OptionParser.print_help`."""
    options.print_help(file)


def add_parse_callback(callback: Callable[[], None]) -> None:
    """Have a function called when parsing is done; see `OptionParser.add_parse_callback`."""
    options.add_parse_callback(callback)


define_logging_options(options)
