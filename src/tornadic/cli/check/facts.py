"""What is kept of a file once its syntax tree is read: what it defines, and what it uses.

A *trail* is how something is reached, as a tuple of words: where to begin, then names, with ``()``
for a call.  ``from tornado.ioloop import IOLoop as L; L.instance().start`` has the trail
``("@", "tornado", "ioloop", "IOLoop", "instance", "()", "start")``.  It begins with

- ``@``: an import by its whole name, the next word;
- ``.``, ``..`` and so on: a relative import, with as many dots;
- ``#``: this file, the next word being the qualified name of a class or function, or a name of
  the module;
- ``super``: the bases of a class of this file, the next word;
- ``?``: nobody knows, only the name of the method does.

Trails are followed when all files are known, by `project`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "CALLED",
    "FOLLOWED",
    "GUESSED",
    "HERE",
    "IMPORTED",
    "SUPER",
    "Call",
    "ClassFact",
    "FunctionFact",
    "ModuleFacts",
    "Trail",
    "Use",
]

Trail = tuple[str, ...]

IMPORTED = "@"
HERE = "#"
SUPER = "super"
GUESSED = "?"
CALLED = "()"

FOLLOWED = 24
"""Words of a trail; what is reached by more is not looked at, so that work stays linear."""


@dataclass(frozen=True, slots=True)
class Use:
    """A place where something is named."""

    trail: Trail
    line: int
    column: int
    """In characters, from 1 on."""
    is_guarded: bool
    """The program is prepared for this to fail, or asks first whether it is there."""
    is_import: bool = False


@dataclass(frozen=True, slots=True)
class Call(Use):
    """A place where something is called."""

    keywords: frozenset[str] = frozenset()
    """Those that are given anything but None."""
    positional: tuple[Trail | None, ...] = ()
    functions: frozenset[int] = frozenset()
    """Places in ``positional`` where a function stands, as far as this file tells."""


@dataclass(slots=True)
class FunctionFact:
    """A function or method."""

    line: int
    column: int
    decorators: list[Trail]
    parameters: frozenset[str]
    takes_any: bool
    """It has ``**keywords``."""


@dataclass(slots=True)
class ClassFact:
    """A class."""

    bases: list[Trail | None] = field(default_factory=list)
    methods: dict[str, FunctionFact] = field(default_factory=dict)
    attributes: dict[str, Trail | None] = field(default_factory=dict)


@dataclass(slots=True)
class ModuleFacts:
    """A file."""

    path: str
    names: dict[str, Trail | None] = field(default_factory=dict)
    """What its module-level names are bound to."""
    stars: list[Trail] = field(default_factory=list)
    """From where all names are imported."""
    classes: dict[str, ClassFact] = field(default_factory=dict)
    functions: dict[str, FunctionFact] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    """Names of attributes that are set anywhere in it."""
