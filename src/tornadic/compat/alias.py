"""The ``tornado`` alias: one module object under two names.

A finder at the head of ``sys.meta_path`` answers for every ``tornado`` and ``tornadic`` name.
A module is always made under its first name, ``tornado.X``, so that its ``__name__``, its
classes and whatever was pickled read as Tornado's.  Files are looked for in Tornadic's own
folders and nowhere else: an installed Tornado cannot be reached.

The import system has a lock for each name, and lets a thread have any module that it finds in
``sys.modules`` while holding the lock of the name that it came by.  Hence a module is entered
under a name only while that name's lock is held until it is complete: the first name makes the
module and imports the second, which executes it; the second, asked for first, imports the first.
Two threads that begin from either end would wait for each other; the import system notices, and
who is told so goes on for both.

What Tornado's users have long had beside it, Tornadic has too, and it is found under those names:
``hash_ring`` and ``tornado_mysql``.  And so are the modules that Tornado has removed
(`tornadic.compat.legacy`).
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from tornadic.compat.children import alias_in_children

__all__ = ["AliasFinder", "install_as_tornado"]

FIRST = "tornado"
SECOND = "tornadic"
NEIGHBOURS = {"hash_ring": "hashring", "tornado_mysql": "mysql"}
"""Packages that are modules of ours."""

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_installing = threading.Lock()


def install_as_tornado(*, child_processes: bool = False) -> None:
    """Make ``import tornado`` and all its submodules mean Tornadic, from now on.

    ``import hash_ring`` gives `tornadic.hashring` then, and ``import tornado_mysql``
    `tornadic.mysql`.

    ``tornado.X`` and ``tornadic.X`` are then the very same module, whichever is imported first.
    Modules loaded from now on are called ``tornado.X`` (``__name__``, the ``__module__`` of
    their classes, so reprs and pickles too), and so is the package itself.  A module that was
    loaded before is known under both names as well, but keeps the name it was loaded with:
    call this before anything else of Tornadic is imported, and before threads are started.

    ``child_processes``: whether processes that this one starts from now on with the same
    Python, by whatever means, have the alias too (it changes PYTHONPATH in ``os.environ``).

    A Tornado installed beside is never used.  Importing a module that Tornadic does not have
    raises ModuleNotFoundError.  Calling this again does no harm.

    Raises RuntimeError if the real Tornado was imported already; nothing is changed then.
    """
    with _installing:
        if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
            _refuse_real_tornado()
            _rename_package(sys.modules[SECOND])
            sys.meta_path.insert(0, AliasFinder())
            for name, module in list(sys.modules.items()):
                if _is_within(name, SECOND):
                    sys.modules[_other_name(name)] = module
    if child_processes:
        alias_in_children(os.environ)


class AliasFinder(MetaPathFinder):
    """Finds the modules of Tornadic under both names, in Tornadic's folders only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load ``fullname``, or None if the name is not ours to answer for.

        Raises ModuleNotFoundError for a ``tornado`` name that Tornadic has no module for: with
        None the finders after this one would be asked, and one of them may know a real Tornado.
        """
        package, dot, rest = fullname.partition(".")
        if package in NEIGHBOURS:
            ours = f"{FIRST}.{NEIGHBOURS[package]}{dot}{rest}"
            return ModuleSpec(fullname, _NeighbourLoader(ours))
        is_first = _is_within(fullname, FIRST)
        if not is_first and not _is_within(fullname, SECOND):
            return None
        spec = _find_file(fullname, path)
        if spec is None:
            spec = _find_removed(fullname)
            if spec is not None:
                return spec
        if spec is None and is_first:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: Tornadic, which stands in for Tornado here, "
                f"has no such module",
                name=fullname,
            )
        if spec is None or spec.loader is None or target is not None:
            return spec  # With a target this is a reload, of a module that has both names.
        if not is_first or _other_name(fullname) in sys.modules:
            return _LoadingSpec(spec, _OtherNameLoader(spec, spec.loader))
        return _LoadingSpec(spec, _FirstNameLoader(spec, spec.loader))


class _LoadingSpec(ModuleSpec):
    """The spec of a module while it loads.

    Whoever finds a module in ``sys.modules`` looks at ``__spec__._initializing`` and, if that
    is true, waits for the lock of the name it came by.  The thread that executes the module is
    told that it need not: it may have to hold only one of the two locks.
    """

    def __init__(self, found: ModuleSpec, loader: Loader) -> None:
        super().__init__(found.name, loader, origin=found.origin)
        self.submodule_search_locations = found.submodule_search_locations
        self.has_location = found.has_location
        self.cached = found.cached
        self.executing_thread: int | None = None
        self._is_loading = True

    @property
    def _initializing(self) -> bool:
        is_busy = self._is_loading or self.executing_thread is not None
        return is_busy and self.executing_thread != threading.get_ident()

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self._is_loading = value


class _WrappedLoader(Loader):
    """A loader in all but how it makes the module (``python -m`` wants its ``get_code``)."""

    def __init__(self, found: ModuleSpec, loader: Loader) -> None:
        self._found = found
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _State(enum.Enum):
    """How far a module has come."""

    MADE = enum.auto()
    EXECUTING = enum.auto()
    COMPLETE = enum.auto()
    FAILED = enum.auto()


class _FirstNameLoader(_WrappedLoader):
    """Makes a module under its first name, and has it executed by importing its second."""

    def __init__(self, found: ModuleSpec, loader: Loader) -> None:
        super().__init__(found, loader)
        self._state = _State.MADE
        self._error: BaseException | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        second = _other_name(self._found.name)
        while self._state in (_State.MADE, _State.EXECUTING):
            before = self._state
            try:
                __import__(second)
            except RuntimeError:
                if self._state is _State.MADE:
                    # A deadlock avoided: another thread has the second name's lock and waits,
                    # in _OtherNameLoader, for the one we hold.  So it holds that lock for us.
                    self._execute_for_both(module)
                elif self._error is None:
                    raise
            there = sys.modules.get(second)
            if there is not None and there is not module:
                sys.modules[self._found.name] = there  # It came to be there in the meantime.
                return
            if before is _State.EXECUTING and self._state is _State.EXECUTING:
                return  # Not waited for: two threads' modules import each other.  As always.
        if self._error is not None:
            raise self._error

    def _execute_for_both(self, module: ModuleType) -> None:
        """Execute the module, entered under its second name without the import system."""
        second = _other_name(self._found.name)
        sys.modules[second] = module
        try:
            self.execute(module)
        except BaseException:
            sys.modules.pop(second, None)
            raise

    def execute(self, module: ModuleType) -> None:
        """Execute the module, if that was not tried; raise what became of it."""
        if self._error is not None:
            raise self._error
        if self._state is not _State.MADE:
            return
        self._state = _State.EXECUTING
        spec = module.__spec__
        if isinstance(spec, _LoadingSpec):
            spec.executing_thread = threading.get_ident()
        module.__loader__ = self._loader
        try:
            self._loader.exec_module(module)
        except BaseException as error:
            self._state, self._error = _State.FAILED, error
            raise
        else:
            self._state = _State.COMPLETE
            module.__spec__ = self._found  # From here on it is a module like any other.
        finally:
            if isinstance(spec, _LoadingSpec):
                spec.executing_thread = None


class _OtherNameLoader(_WrappedLoader):
    """Hands out the module of the other name, executed if that is still to be done."""

    def __init__(self, found: ModuleSpec, loader: Loader) -> None:
        super().__init__(found, loader)
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        other = _other_name(self._found.name)
        module = sys.modules.get(other)
        if module is None:
            try:
                module = _import(other)
            except RuntimeError:
                # A deadlock avoided: another thread has just made the module, and waits for
                # the lock that we hold.  It leaves the rest to us.
                module = sys.modules.get(other)
                if module is None:
                    raise
        self._own_spec = module.__spec__  # The import system puts its own in this place.
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec
        loader = self._own_spec and self._own_spec.loader
        if isinstance(loader, _FirstNameLoader):
            loader.execute(module)


class _NeighbourLoader(Loader):
    """Hands out the module ``name`` under a third name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _import(self._name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec


def _find_removed(fullname: str) -> ModuleSpec | None:
    """The spec of a module that Tornado has removed, and that we have a room for."""
    from tornadic.compat.legacy import MODULES

    name = fullname.partition(".")[2]
    if name not in MODULES:
        return None
    room, instead = MODULES[name]
    importlib.import_module("tornadic._legacy").warn(f"tornado.{name}", instead)
    return ModuleSpec(fullname, _NeighbourLoader(f"{FIRST}.compat.legacy.{room}"))


def _import(name: str) -> ModuleType:
    """``importlib.import_module``, but for two threads that wait for each other.

    Then this takes a module that is half loaded, as an import statement does, where the other
    gives up.
    """
    __import__(name)
    module = sys.modules.get(name)
    # The thread that was waited for may have failed; what for is found out by trying again.
    return importlib.import_module(name) if module is None else module


def _is_within(name: str, package: str) -> bool:
    return name.startswith(package) and (name == package or name[len(package)] == ".")


def _other_name(name: str) -> str:
    """The same module's name in the other package."""
    package, dot, rest = name.partition(".")
    return (SECOND if package == FIRST else FIRST) + dot + rest


def _find_file(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """The plain spec of a module, by its name and the folders of the package it is in."""
    if fullname in (FIRST, SECOND):
        return importlib.util.spec_from_file_location(
            fullname, os.path.join(_FOLDER, "__init__.py"), submodule_search_locations=[_FOLDER]
        )
    return PathFinder.find_spec(fullname, path)


def _refuse_real_tornado() -> None:
    for name, module in list(sys.modules.items()):
        if not _is_within(name, FIRST) or module is None:
            continue
        if module is not sys.modules.get(_other_name(name)):
            where = getattr(module, "__file__", None) or "an unknown place"
            raise RuntimeError(
                f"Tornadic cannot stand in for Tornado: {name} was imported before, from {where}"
            )


def _rename_package(package: ModuleType) -> None:
    """Give the package itself, which is loaded by necessity, its first name."""
    spec = _find_file(FIRST, None)
    assert spec is not None
    package.__name__ = package.__package__ = FIRST
    package.__spec__ = spec
    package.__loader__ = spec.loader
