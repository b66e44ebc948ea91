"""What a handler raises to end a request."""

from __future__ import annotations

from typing import Any

from tornadic.http.statuses import responses

__all__ = ["Finish", "HTTPError", "MissingArgumentError"]


class HTTPError(Exception):
    """Ends the request with an error page.

    ``status_code`` is answered; ``log_message`` is for the log only, %-formatted with ``args``
    if there are any; ``reason`` is the phrase in the status line, also for the page (None: the
    usual one).
    """

    def __init__(
        self,
        status_code: int = 500,
        log_message: str | None = None,
        *args: Any,
        reason: str | None = None,
    ) -> None:
        super().__init__(status_code, log_message, *args)
        self.status_code = status_code
        self._log_message = log_message
        self.args = args
        self.reason = reason

    @property
    def log_message(self) -> str | None:
        """The message for the log; if there are no ``args``, a percent sign is doubled."""
        if self._log_message is not None and not self.args:
            return self._log_message.replace("%", "%%")
        return self._log_message

    def get_message(self) -> str | None:
        """The message for the log, formatted; None if there is none."""
        if self._log_message is not None and self.args:
            return self._log_message % self.args
        return self._log_message

    def __str__(self) -> str:
        phrase = self.reason or responses.get(self.status_code, "Unknown")
        message = f"HTTP {self.status_code}: {phrase}"
        detail = self.get_message()
        return f"{message} ({detail})" if detail else message


class Finish(Exception):
    """Ends the request as it stands, without an error page or a line in the log.

    ``Finish(chunk)`` writes ``chunk`` first.
    """


class MissingArgumentError(HTTPError):
    """An argument that has no default was not sent: a 400.  Its name is ``arg_name``."""

    def __init__(self, arg_name: str) -> None:
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name
