"""Patterns as programs write them, and paths that come near to matching them."""

from __future__ import annotations

from hypothesis import strategies as st

# Few characters, so that patterns and paths often meet.
LETTERS = "ab/.x|$]-"

SPECIAL_PIECES = [
    ".*",
    ".",
    "a?",
    "/?",
    "b*",
    "a+",
    "x{2}",
    "x{0,1}",
    "[ab]",
    "[^/]+",
    "[]|]",
    "[^]|]",
    r"[\]|]",
    r"[\[|]",
    "[|]",
    "[(]",
    "(a|b)",
    "(?:a|b)",
    "(a)?",
    "(?:/x)?",
    "(.*)",
    "([^/]+)",
    "(?P<name>.)",
    "(?=a)",
    "(?!a)",
    "(?#comment)",
    "(?#()",
    "(?i:a)",
    r"\d",
    r"\w+",
    r"\b",
    r"\.",
    r"\/",
    r"\-",
    r"\$",
    r"\|",
    r"\\",
    r"\(",
    r"\[",
    r"\]",
    r"\.?",
    "((a)b)",
    "|",
    "|/",
    "|/b",
    "^",
    "$",
]


def words() -> st.SearchStrategy[str]:
    """Short texts of the letters that patterns are made of."""
    return st.text(LETTERS, max_size=5).map(lambda text: "/" + text)


def literals() -> st.SearchStrategy[str]:
    """Pieces without any meaning beyond themselves."""
    return st.text("ab/x", min_size=1, max_size=3)


def patterns() -> st.SearchStrategy[str]:
    """Patterns of texts and of everything that is more than text."""
    piece = st.one_of(literals(), st.sampled_from(SPECIAL_PIECES))
    inside = st.lists(piece, max_size=5).map("".join)
    start = st.sampled_from(["", "", "^"])
    end = st.sampled_from(["", "", "$"])
    return st.builds(lambda a, b, c: f"{a}/{b}{c}", start, inside, end)
