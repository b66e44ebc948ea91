"""Logging: the three loggers, the formatter, and the options that set both up.

- ``tornado.access``: one line per request served.
- ``tornado.application``: errors in application code, such as uncaught exceptions.
- ``tornado.general``: everything else, warnings of the framework itself included.

The loggers keep Tornado's names, so that logging configurations written for it stay valid.  Much of
what is logged was sent by strangers, so `LogFormatter` makes sure that one record can look neither
like two nor like a command to the terminal: line feeds are followed by indentation and all other
control characters are shown escaped.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from typing import Any, Literal

__all__ = [
    "LogFormatter",
    "access_log",
    "app_log",
    "define_logging_options",
    "enable_pretty_logging",
    "gen_log",
]

access_log = logging.getLogger("tornado.access")
app_log = logging.getLogger("tornado.application")
gen_log = logging.getLogger("tornado.general")


def _escape_table() -> dict[int, str]:
    """Map what may end a line, move the cursor or reverse the reading order to its escape."""
    table = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
    line_separators = range(0x2028, 0x202A)
    bidirectional_controls = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
    table |= {code: f"\\u{code:04x}" for code in (*line_separators, *bidirectional_controls)}
    del table[ord("\n")], table[ord("\t")]
    return table


_ESCAPES = _escape_table()


def _safe_unicode(text: str) -> str:
    """Escape control characters other than line feed and tab, and lone surrogates."""
    if text.isprintable():
        return text
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()


def _stderr_supports_color() -> bool:
    try:
        if not sys.stderr.isatty():
            return False
    except Exception:  # None, or a stand-in that lacks the method or is closed
        return False
    if sys.platform == "win32":
        return "WT_SESSION" in os.environ or "colorama" in sys.modules
    return os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def _color_sequence(color: int) -> str:
    """Return the escape sequence for a colour: one of the eight basic ones, or of 256."""
    return f"\x1b[3{color}m" if color < 8 else f"\x1b[38;5;{color}m"


class LogFormatter(logging.Formatter):
    """Formats records as one time-stamped line, coloured by level where the terminal can.

    Line feeds in the message are kept, each followed by four spaces; other control characters
    appear as ``\\x1b`` and the like.  A message that cannot be formatted is shown as
    ``Bad message (...)`` instead of raising.

    ``fmt`` is the format of the line, in the given ``style`` of `logging.Formatter`; beyond the
    attributes of the record it may use ``color`` and ``end_color``, between which text is coloured.
    ``datefmt`` is that of ``asctime``; None is the standard library's format.  ``color`` of False
    never colours.  ``colors`` maps levels to terminal colours (0 to 255).
    """

    DEFAULT_FORMAT = (
        "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
    )
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    DEFAULT_COLORS = {
        logging.DEBUG: 4,  # blue
        logging.INFO: 2,  # green
        logging.WARNING: 3,  # yellow
        logging.ERROR: 1,  # red
        logging.CRITICAL: 5,  # magenta
    }

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str | None = DEFAULT_DATE_FORMAT,
        style: Literal["%", "{", "$"] = "%",
        color: bool = True,
        colors: dict[int, int] = DEFAULT_COLORS,
    ) -> None:
        super().__init__(fmt, datefmt, style, validate=False)
        self._colors: dict[int, str] = {}
        self._normal = ""
        if color and _stderr_supports_color():
            self._colors = {level: _color_sequence(code) for level, code in colors.items()}
            self._normal = "\x1b[0m"

    def format(self, record: logging.LogRecord) -> str:
        """Return the text for a record.

        Sets ``message``, ``asctime``, ``color`` and ``end_color`` on the record, and ``exc_text``
        if it carries an exception.
        """
        try:
            record.message = _safe_unicode(record.getMessage())
        except Exception as e:
            record.message = _safe_unicode(f"Bad message ({e!r}): {record.__dict__!r}")
        record.asctime = self.formatTime(record, self.datefmt)
        color = self._colors.get(record.levelno, "")
        record.__dict__.update(color=color, end_color=self._normal if color else "")
        text = self.formatMessage(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            text = f"{text.rstrip()}\n{_safe_unicode(record.exc_text)}"
        if record.stack_info:
            text = f"{text.rstrip()}\n{_safe_unicode(self.formatStack(record.stack_info))}"
        return text.replace("\n", "\n    ")


def _file_handler(options: Any) -> logging.FileHandler:
    if options.log_rotate_mode == "size":
        return logging.handlers.RotatingFileHandler(
            filename=options.log_file_prefix,
            maxBytes=options.log_file_max_size,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    if options.log_rotate_mode == "time":
        return logging.handlers.TimedRotatingFileHandler(
            filename=options.log_file_prefix,
            when=options.log_rotate_when,
            interval=options.log_rotate_interval,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    raise ValueError(
        'The value of log_rotate_mode option should be "size" or "time", '
        f'not "{options.log_rotate_mode}".'
    )


def enable_pretty_logging(options: Any = None, logger: logging.Logger | None = None) -> None:
    """Set a logger's level and give it handlers as the logging options say.

    `tornadic.options.parse_command_line` and ``parse_config_file`` call this.  ``options`` of None
    means the global ones, ``logger`` of None the root logger.  Nothing is touched if the
    ``logging`` option is None or ``"none"``.

    Raises `ValueError` for an unknown level, rotation mode or rotation interval, and `OSError` if
    the log file cannot be opened.
    """
    if options is None:
        options = _global_options()
    if options.logging is None or options.logging.lower() == "none":
        return
    if logger is None:
        logger = logging.getLogger()
    # The level is a name such as "info", in either case.
    logger.setLevel(options.logging.upper())
    if options.log_file_prefix:
        _add_handler(logger, _file_handler(options), color=False)
    if options.log_to_stderr or (options.log_to_stderr is None and not logger.handlers):
        _add_handler(logger, logging.StreamHandler(), color=True)


def _add_handler(logger: logging.Logger, handler: logging.Handler, color: bool) -> None:
    handler.setFormatter(LogFormatter(color=color))
    logger.addHandler(handler)


def define_logging_options(options: Any = None) -> None:
    """Define the options that `enable_pretty_logging` reads, and have parsing end with it.

    ``options`` is the `.OptionParser` to define them on.  The global one (None) has them already.
    Raises `tornadic.options.Error` if they are defined.
    """
    if options is None:
        options = _global_options()
    options.define(
        "logging",
        default="info",
        metavar="debug|info|warning|error|none",
        help="Lowest level to log. With 'none' the logging configuration is left as it is.",
    )
    options.define(
        "log_to_stderr",
        type=bool,
        help="Log to stderr, in colour where possible. By default this is done if neither "
        "--log_file_prefix nor any other log handler is set.",
    )
    options.define(
        "log_file_prefix",
        type=str,
        metavar="PATH",
        help="Path of the log file, to which the names of rotated files add a suffix. Each "
        "process needs a path of its own (put its port into it, for example).",
    )
    options.define(
        "log_file_max_size", default=100_000_000, help="Size in bytes at which a file is rotated."
    )
    options.define("log_file_num_backups", default=10, help="Number of rotated files to keep.")
    options.define(
        "log_rotate_when",
        default="midnight",
        help="Unit of the interval for rotation by time: S, M, H, D, W0 to W6 or midnight.",
    )
    options.define("log_rotate_interval", default=1, help="Interval for rotation by time.")
    options.define("log_rotate_mode", default="size", help="Rotate files by 'size' or by 'time'.")
    options.add_parse_callback(lambda: enable_pretty_logging(options))


def _global_options() -> Any:
    # Imported late: tornadic.options imports this module.
    from tornadic.options import options

    return options
