"""White space in the text of templates."""

from __future__ import annotations

import re

__all__ = ["default_mode", "filter_whitespace"]

# A whole run at a time, so that no run is looked at twice, however long it is.
_RUN = re.compile(r"\s+")
_BLANKS = re.compile(r"[\t ]+")
_COLLAPSED_SUFFIXES = (".html", ".js")


def _collapse(run: re.Match[str]) -> str:
    text = run[0]
    return "\n" if "\n" in text else _BLANKS.sub(" ", text)


def filter_whitespace(mode: str, text: str) -> str:
    """Treat the white space of ``text`` by one of three modes.

    * ``all``: nothing is changed.
    * ``single``: a run of white space becomes one line end if there is one in it; otherwise its
      spaces and tabs become single spaces.
    * ``oneline``: every run of white space, line ends among it, becomes one space.

    Raises `ValueError` for any other mode.
    """
    if mode == "all":
        return text
    if mode == "single":
        return _RUN.sub(_collapse, text)
    if mode == "oneline":
        return _RUN.sub(" ", text)
    raise ValueError(f"invalid whitespace mode {mode!r}")


def default_mode(name: str) -> str:
    """The mode for a template of this name: ``single`` for HTML and JavaScript, else ``all``."""
    return "single" if name.endswith(_COLLAPSED_SUFFIXES) else "all"
