"""All files of a project together: where a trail leads.

Imports are followed as Python would, by the folders around the importing file, so that neither
package names nor ``sys.path`` need be known: ``import base`` is looked for in the file's own
folder, then in those around it, then anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tornadic.cli.check import forms, surface
from tornadic.cli.check.facts import (
    CALLED,
    GUESSED,
    HERE,
    IMPORTED,
    SUPER,
    FunctionFact,
    ModuleFacts,
    Trail,
)

__all__ = ["Folder", "Known", "OwnClass", "OwnFunction", "OwnModule", "Project", "Target"]

_DEEPEST = 60
"""Trails that are followed within one another: imports of imports, bases of bases."""
_MOST_TARGETS = 8
"""Bases of one class that are followed."""


@dataclass(frozen=True)
class Known:
    """Something of Tornado's: ``path`` is without ``tornado.``, and empty for the package."""

    path: str
    is_object: bool = False
    """It is an object of the class that ``path`` names."""


@dataclass(frozen=True)
class Folder:
    """A folder of the project."""

    path: str


@dataclass(frozen=True)
class OwnModule:
    """A file of the project."""

    path: str


@dataclass(frozen=True)
class OwnClass:
    """A class of the project, or an object of it."""

    file: str
    name: str
    is_object: bool = False
    above: bool = False
    """Only what it has from its bases: ``super()``."""


@dataclass(frozen=True)
class OwnFunction:
    """A function or method of the project; ``owner`` is its class, empty if it has none."""

    file: str
    owner: str
    name: str


Target = Known | Folder | OwnModule | OwnClass | OwnFunction


class Project:
    """The files of a project, and where the trails in them lead."""

    def __init__(self, files: Iterable[ModuleFacts]) -> None:
        self.files = {facts.path: facts for facts in files}
        self._folders: set[str] = set()
        self._anywhere: dict[str, str] = {}
        for path in sorted(self.files, reverse=True):
            self._note_folders(path)
        self._found: dict[tuple[str, Trail], list[Target]] = {}
        self._known_bases: dict[tuple[str, str], frozenset[str] | None] = {}
        self._depth = 0

    def _note_folders(self, path: str) -> None:
        """Take down the folders of a file, and under which names they are imported."""
        folder, file = os.path.split(path)
        self._anywhere[file.removesuffix(".py")] = folder
        while folder not in self._folders:
            self._folders.add(folder)
            parent, name = os.path.split(folder)
            if parent == folder:
                break
            self._anywhere[name] = parent
            folder = parent

    def follow(self, path: str, trail: Trail) -> list[Target]:
        """Return what a trail in file ``path`` leads to; nothing if that is not known."""
        key = path, trail
        found = self._found.get(key)
        if found is None:
            self._found[key] = []  # while it is looked for: a circle leads nowhere
            if self._depth > _DEEPEST:
                return []
            self._depth += 1
            found = list(dict.fromkeys(self._follow(path, trail)))[:_MOST_TARGETS]
            self._depth -= 1
            self._found[key] = found
        return found

    def _follow(self, path: str, trail: Trail) -> list[Target]:
        start, *words = trail
        if start == GUESSED:
            known = forms.UNIQUE_METHODS.get(trail[1])
            return [] if known is None else [Known(known)]
        if len(trail) == 1:
            return self._start_relative(path, start)
        if len(trail) == 2:
            if start == IMPORTED:
                return self._import(path, trail[1])
            if start == HERE:
                return self._name_in(path, trail[1])
            if start == SUPER:
                return [OwnClass(path, trail[1], True, True)]
        return [
            after
            for before in self.follow(path, trail[:-1])
            for after in self._step(before, words[-1])
        ]

    def _start_relative(self, path: str, dots: str) -> list[Target]:
        if not dots.startswith("."):
            return []
        folder = os.path.dirname(path)
        for _ in dots[1:]:
            folder = os.path.dirname(folder)
        return [Folder(folder)]

    def _import(self, path: str, name: str) -> list[Target]:
        """What ``import name`` gives in a file."""
        if name in ("tornado", "tornadic"):
            return [Known("")]
        folder = os.path.dirname(path)
        while folder in self._folders:
            found = self._in_folder(folder, name)
            if found:
                return found
            parent = os.path.dirname(folder)
            if parent == folder:
                break
            folder = parent
        return self._in_folder(self._anywhere.get(name, ""), name)

    def _in_folder(self, folder: str, name: str) -> list[Target]:
        place = os.path.join(folder, name)
        if f"{place}.py" in self.files:
            return [OwnModule(f"{place}.py")]
        return [Folder(place)] if place in self._folders else []

    def _name_in(self, path: str, name: str) -> list[Target]:
        """What a file's module has under a name."""
        facts = self.files.get(path)
        if facts is None:
            return []
        if name in facts.classes:
            return [OwnClass(path, name)]
        if name in facts.functions:
            return [OwnFunction(path, "", name)]
        if name in facts.names:
            trail = facts.names[name]
            return [] if trail is None or trail == (HERE, name) else self.follow(path, trail)
        for star in facts.stars:
            for origin in self.follow(path, star):
                found = self._starred(origin, name)
                if found:
                    return found
        return []

    def _starred(self, origin: Target, name: str) -> list[Target]:
        if name.startswith("_"):
            return []
        if not isinstance(origin, Known):
            return self._step(origin, name)
        path = f"{origin.path}.{name}"
        if path in forms.NAMES or surface.old_name(origin.path, name):
            return [Known(path)]
        is_there = surface.has_module(origin.path) and surface.exports(origin.path, name)
        return [Known(path)] if is_there else []

    def _step(self, target: Target, word: str) -> list[Target]:
        """What is reached from a target by one more word."""
        if isinstance(target, Known):
            return _step_known(target, word)
        if isinstance(target, Folder):
            package = os.path.join(target.path, "__init__.py")
            found = self.follow(package, (HERE, word))
            return found or self._in_folder(target.path, word)
        if isinstance(target, OwnModule):
            return self.follow(target.path, (HERE, word))
        if isinstance(target, OwnClass):
            if word == CALLED:
                return [OwnClass(target.file, target.name, True)]
            return self._member(target, word)
        return []

    def _member(self, target: OwnClass, word: str) -> list[Target]:
        """An attribute of a class of the project: its own, or of what it is derived from."""
        fact = self.files[target.file].classes.get(target.name)
        if fact is None:
            return []
        if not target.above:
            if word in fact.methods:
                return [OwnFunction(target.file, target.name, word)]
            if word in fact.attributes:
                trail = fact.attributes[word]
                return [] if trail is None else self.follow(target.file, trail)
        found: list[Target] = []
        for base in self.bases(target.file, target.name):
            if isinstance(base, Known):
                base = Known(base.path, target.is_object)
                found += _step_known(base, word)
            else:
                key = (
                    (HERE, base.name, CALLED, word) if target.is_object else (HERE, base.name, word)
                )
                found += self.follow(base.file, key)
        return found

    def bases(self, file: str, name: str) -> list[Known | OwnClass]:
        """Return what a class of the project is derived from, as far as that is known."""
        trails = self.files[file].classes[name].bases[:_MOST_TARGETS]
        found = [target for trail in trails if trail for target in self.follow(file, trail)]
        return [
            target
            for target in found
            if isinstance(target, Known | OwnClass) and not target.is_object
        ]

    def ancestors(self, file: str, name: str) -> tuple[frozenset[str], bool]:
        """Return the classes of Tornado's above a class, and whether all those above are known."""
        paths: set[str] = set()
        is_complete = True
        waiting = [(file, name)]
        seen = set(waiting)
        while waiting:
            place = waiting.pop()
            trails = self.files[place[0]].classes[place[1]].bases
            bases = self.bases(*place)
            is_complete = is_complete and len(bases) >= sum(t != (HERE, "object") for t in trails)
            for base in bases:
                if isinstance(base, Known):
                    paths.add(base.path)
                elif (base.file, base.name) not in seen:
                    seen.add((base.file, base.name))
                    waiting.append((base.file, base.name))
        return frozenset(paths), is_complete

    def function(self, target: OwnFunction) -> FunctionFact:
        """Return what is known of a function."""
        facts = self.files[target.file]
        if target.owner:
            return facts.classes[target.owner].methods[target.name]
        return facts.functions[target.name]

    def is_decorated(self, target: OwnFunction, decorators: Sequence[str]) -> bool:
        """Whether a function has one of these decorators, which are paths."""
        return any(
            isinstance(found, Known) and found.path in decorators
            for trail in self.function(target).decorators
            for found in self.follow(target.file, trail)
        )


def _step_known(target: Known, word: str) -> list[Target]:
    if word == CALLED:
        if target.is_object:
            return []
        if target.path in forms.RETURNS:
            return [Known(forms.RETURNS[target.path], True)]
        return [Known(target.path, True)] if surface.is_class(target.path) else []
    if target.is_object:
        for path, kind in forms.ATTRIBUTES.items():
            owner, _, name = path.rpartition(".")
            if name == word and surface.is_derived(target.path, owner):
                return [Known(kind, True)]
    return [Known(f"{target.path}.{word}" if target.path else word)]
