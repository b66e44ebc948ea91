"""From what a project uses to findings: each use is held against `forms` and `surface`."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tornadic.cli.check import forms, surface
from tornadic.cli.check.facts import GUESSED, IMPORTED, Call, ModuleFacts, Trail, Use
from tornadic.cli.check.forms import Form, Level
from tornadic.cli.check.project import Known, OwnClass, OwnFunction, Project

__all__ = ["Finding", "judge"]


@dataclass(frozen=True)
class Finding:
    """An old form that a project uses, at one place."""

    path: str
    line: int
    column: int
    """In characters, from 1 on."""
    level: Level
    name: str
    """What it is: ``tornado.web.asynchronous``, or ``callback= of tornado....``."""
    instead: str


_OURS = (IMPORTED, "tornadic")
_THEIRS = (IMPORTED, "tornado")
_PRIVATE = Form(Level.MAY_NOT_RUN, "private to Tornado, and free to be otherwise here")


def judge(project: Project, shown: Mapping[str, str]) -> list[Finding]:
    """Return the findings of all files, by place; ``shown`` says how each path is to be shown."""
    judging = _Judge(project)
    found = [one for facts in project.files.values() for one in judging.look_at(facts)]
    found.sort(key=lambda one: (one.path, one.line, one.column, one.name))
    return [replace(one, path=shown.get(one.path, one.path)) for one in found]


class _Judge:
    def __init__(self, project: Project) -> None:
        self._project = project
        # Names that the project itself gives to objects, or to Tornado's modules.
        self._own_names = {
            name
            for facts in project.files.values()
            for names in (facts.stored, *(one.attributes for one in facts.classes.values()))
            for name in names
        }

    def look_at(self, facts: ModuleFacts) -> list[Finding]:
        """The findings of one file."""
        found: dict[tuple[int, int, str], Finding] = {}
        missing: dict[str, Level] = {}
        may_guess = any(use.trail[:2] in (_THEIRS, _OURS) for use in facts.uses)
        for use in sorted(facts.uses, key=lambda use: not use.is_import):
            if use.trail[0] == GUESSED and not may_guess:
                continue
            for key, name, form in self._of_use(facts, use):
                level = form.level
                if level is Level.WILL_NOT_RUN:
                    if use.is_guarded or missing.get(key) is Level.MAY_NOT_RUN:
                        level = Level.MAY_NOT_RUN
                    elif key in missing and not use.is_import:
                        continue  # nobody gets as far as here
                    if use.is_import:
                        missing[key] = level
                one = Finding(facts.path, use.line, use.column, level, name, form.instead)
                before = found.get((use.line, use.column, key))
                if before is None or len(before.name) < len(name):
                    found[use.line, use.column, key] = one
        return [*found.values(), *self._definitions(facts)]

    def _of_use(self, facts: ModuleFacts, use: Use) -> Iterator[tuple[str, str, Form]]:
        """What is old in a use: a key, by which it is known; its name, and its form."""
        for target in self._project.follow(facts.path, use.trail):
            if isinstance(use, Call):
                yield from self._of_call(facts, use, target)
            elif isinstance(target, Known) and not target.is_object:
                yield from self._of_name(facts, use, target.path)

    # Names

    def _of_name(self, facts: ModuleFacts, use: Use, path: str) -> Iterator[tuple[str, str, Form]]:
        name = f"tornado.{path}"
        module, rest = _split(path)
        old = _old_module(path)
        if old is not None:
            yield f"tornado.{old[0]}", name, old[1]
            return
        form = forms.NAMES.get(path) or _of_member(path, forms.NAMES)
        if form is not None:
            if form.level is Level.WILL_NOT_RUN and _is_here(path, module, rest):
                form = Form(Level.REMOVED, form.instead)
            yield name, name, form
        elif len(rest) == 1 or (rest and use.is_import and not surface.has_name(module, rest[0])):
            form = self._of_module_name(module, rest[0], use.trail[:2] == _OURS)
            if form is not None:
                yield f"tornado.{module}.{rest[0]}", name, form
        elif rest and _is_private(rest[-1]) and self._is_strange(facts, use.trail, path):
            yield name, name, _PRIVATE

    def _of_module_name(self, module: str, name: str, is_ours: bool) -> Form | None:
        """What is old about a name of one of Tornado's modules; ``is_ours``: said tornadic."""
        if name in self._own_names or (name.startswith("__") and name.endswith("__")):
            return None
        if _is_private(name):
            return None if is_ours and surface.has_name(module, name) else _PRIVATE
        instead = surface.old_name(module, name)
        if instead is not None:
            return Form(Level.REMOVED, instead)
        if surface.has_name(module, name):
            return None
        today = surface.where(name)
        hint = f"use {today}.{name}" if today else "neither Tornado 6.6 nor Tornadic has it"
        return Form(Level.WILL_NOT_RUN, hint)

    def _is_strange(self, facts: ModuleFacts, trail: Trail, path: str) -> bool:
        """Whether a private attribute can only be one of Tornado's that Tornadic has not."""
        owner, _, name = path.rpartition(".")
        if name in self._own_names or not surface.is_class(owner):
            return False
        holders = self._project.follow(facts.path, trail[:-1])
        if any(isinstance(one, OwnClass) for one in holders) and name not in forms.PRIVATE_MEMBERS:
            return False  # of a class of the project's, or of one that is mixed in
        return not surface.has_attribute(owner, name)

    # Calls

    def _of_call(
        self, facts: ModuleFacts, use: Call, target: object
    ) -> Iterator[tuple[str, str, Form]]:
        if isinstance(target, OwnFunction):
            yield from self._of_own_function(use, target)
            return
        if isinstance(target, OwnClass) and not target.is_object:
            paths, _ = self._project.ancestors(target.file, target.name)
            if self._takes_a_loop(target):
                return
        elif isinstance(target, Known) and not target.is_object:
            paths = frozenset({target.path})
        else:
            return
        for path in sorted(paths):
            arguments = forms.ARGUMENTS.get(path) or _of_member(path, forms.ARGUMENTS) or ()
            for argument in arguments:
                form = self._of_argument(facts, use, argument)
                if form is not None:
                    name = f"{argument.keyword}= of tornado.{path}"
                    yield name, name, form
        if paths and self._is_given_a_loop(facts, use):
            keyword = forms.LOOP_ARGUMENT.keyword
            name = f"{keyword}= of tornado.{min(paths)}"
            yield name, name, forms.LOOP_ARGUMENT.form

    def _of_own_function(self, use: Call, target: OwnFunction) -> Iterator[tuple[str, str, Form]]:
        """A callback for what gen.coroutine has made of a function."""
        function = self._project.function(target)
        if "callback" not in use.keywords or function.takes_any:
            return
        if "callback" in function.parameters:
            return
        if self._project.is_decorated(target, ("gen.coroutine",)):
            name = f"callback= of the coroutine {target.name}"
            yield name, name, forms.COROUTINE_CALLBACK

    def _of_argument(self, facts: ModuleFacts, use: Call, argument: forms.Argument) -> Form | None:
        """What is old about a call that gives this argument; None if it does not."""
        if argument.keyword in use.keywords:
            return argument.form
        if argument.position is None:
            return None
        places = range(argument.position, len(use.positional))
        is_given = any(
            place in use.functions or self._is_function(facts, use.positional[place])
            for place in places
        )
        if not is_given:
            return None
        return forms.TWO_IN_ONE_PLACE if argument.today in use.keywords else argument.form

    def _is_function(self, facts: ModuleFacts, trail: Trail | None) -> bool:
        if trail is None:
            return False
        return any(
            isinstance(target, OwnFunction)
            or (
                isinstance(target, Known)
                and not target.is_object
                and surface.is_function(target.path)
            )
            for target in self._project.follow(facts.path, trail)
        )

    def _is_given_a_loop(self, facts: ModuleFacts, use: Call) -> bool:
        if forms.LOOP_ARGUMENT.keyword in use.keywords:
            return True
        name = use.trail[-1]
        return name in forms.LOOP_TAKERS and any(
            target == Known("ioloop.IOLoop", True)
            for trail in use.positional
            if trail is not None
            for target in self._project.follow(facts.path, trail)
        )

    def _takes_a_loop(self, target: OwnClass) -> bool:
        """Whether a class of the project has use for a loop itself."""
        methods = self._project.files[target.file].classes[target.name].methods
        made = [methods[name] for name in ("__init__", "initialize") if name in methods]
        keyword = forms.LOOP_ARGUMENT.keyword
        return any(one.takes_any or keyword in one.parameters for one in made)

    # Definitions

    def _definitions(self, facts: ModuleFacts) -> Iterator[Finding]:
        """Methods that are there to be called by Tornado, and are not any more."""
        for name, fact in facts.classes.items():
            wanted = [method for method in fact.methods if method in _OVERRIDDEN]
            if not wanted:
                continue
            paths, _ = self._project.ancestors(facts.path, name)
            for method in wanted:
                form = _of_override(paths, method)
                if form is not None:
                    at = fact.methods[method]
                    what = f"def {method}"
                    yield Finding(facts.path, at.line, at.column, form.level, what, form.instead)


def _of_override(paths: Collection[str], method: str) -> Form | None:
    """What is old about a class that defines ``method``, being derived from ``paths``."""
    for path in sorted(paths):
        form = _of_member(f"{path}.{method}", forms.OVERRIDES)
        if form is not None:
            return None if form.level is Level.MAY_NOT_RUN and _is_there(path, method) else form
    return None


def _is_there(path: str, method: str) -> bool:
    return surface.is_class(path) and surface.has_attribute(path, method)


_OVERRIDDEN = frozenset(path.rpartition(".")[2] for path in forms.OVERRIDES)

_Entry = TypeVar("_Entry")


def _of_member(path: str, table: Mapping[str, _Entry]) -> _Entry | None:
    """The entry for a member of a class, or of a class that this one is derived from."""
    if path in table:
        return table[path]
    owner, _, name = path.rpartition(".")
    for base in _owners(name):
        entry = table.get(f"{base}.{name}")
        if entry is not None and surface.is_derived(owner, base):
            return entry
    return None


@functools.cache
def _owners(name: str) -> list[str]:
    """The classes of which a member called ``name`` is in one of the tables."""
    paths = (*forms.NAMES, *forms.ARGUMENTS, *forms.OVERRIDES)
    parts = (path.rpartition(".") for path in dict.fromkeys(paths))
    return [owner for owner, _, last in parts if last == name and "." in owner]


@functools.cache
def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """The longest module that a path begins with, and the names below it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if surface.has_module(module):
            return module, tuple(parts[length:])
    return "", tuple(parts)


def _is_here(path: str, module: str, rest: tuple[str, ...]) -> bool:
    """Whether Tornadic has an old name all the same."""
    if len(rest) == 1:
        return surface.has_name(module, rest[0])
    owner, _, name = path.rpartition(".")
    return surface.is_class(owner) and surface.has_attribute(owner, name)


def _old_module(path: str) -> tuple[str, Form] | None:
    """The module that ``path`` is in, and what to write instead, if the module is gone."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        module = ".".join(parts[:length])
        form = forms.MODULES.get(module)
        instead = surface.old_module(module)
        if instead is not None:
            return module, Form(Level.REMOVED, form.instead if form else instead)
        if form is not None:
            return module, form
    return None


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
