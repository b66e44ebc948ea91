"""Loaders: where templates come from, and the place where they are kept, compiled."""

from __future__ import annotations

import os
import posixpath
import threading
from typing import Any

from tornadic.template.template import Template

__all__ = ["BaseLoader", "DictLoader", "Loader"]


class BaseLoader:
    """What loaders have in common.

    A loader of one's own defines `resolve_path` and ``_create_template(name)``, which returns a
    new `Template` with this name and this loader.  Loaders are safe to use from several threads.

    ``autoescape`` and ``whitespace`` are defaults for the templates, see `Template`; None for
    ``whitespace`` leaves it to their names.  ``namespace`` has variables for all of them.
    """

    def __init__(
        self,
        autoescape: str | None = "xhtml_escape",
        namespace: dict[str, Any] | None = None,
        whitespace: str | None = None,
    ) -> None:
        self.autoescape = autoescape
        self.namespace = namespace or {}
        self.whitespace = whitespace
        self.templates: dict[str, Template] = {}
        # Loading a template loads others.
        self.lock = threading.RLock()

    def reset(self) -> None:
        """Forget all templates, so that they are loaded anew."""
        with self.lock:
            self.templates = {}

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Return the full name of a template.

        ``name`` is as it stands in the template ``parent_path``, relative to that one's
        directory; None: as it was given to `load`, which is full already.
        """
        raise NotImplementedError()

    def load(self, name: str, parent_path: str | None = None) -> Template:
        """Return a template, made when it is first asked for.

        ``parent_path`` is the name of the template that asks, None if none does.

        Raises what making a `Template` does, and whatever there is if there is no such template.
        """
        name = self.resolve_path(name, parent_path)
        with self.lock:
            template = self.templates.get(name)
            if template is None:
                template = self.templates[name] = self._create_template(name)
            return template

    def _create_template(self, name: str) -> Template:
        raise NotImplementedError()

    def _path_of(self, name: str) -> str | None:
        """Where the file of a template would be, None if templates are no files."""
        return None


class Loader(BaseLoader):
    """Loads templates from files below ``root_directory``.

    The other arguments are those of `BaseLoader`.

    `load` takes paths relative to the root, and absolute ones, which may be anywhere.  Paths in
    ``include`` and ``extends`` are relative to the directory of the template they stand in.  No
    relative path leads out of the root by ``..``; symbolic links are followed, wherever they lead.

    `load` raises `OSError` for a file that cannot be read, `FileNotFoundError` among others, and
    `ValueError` for a path out of the root, or with a NUL.
    """

    def __init__(self, root_directory: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.abspath(root_directory)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Return the path relative to the root; what is absolute stays as it is."""
        if not parent_path or not _is_relative(name, parent_path):
            return name
        directory = os.path.dirname(os.path.join(self.root, parent_path))
        path = os.path.normpath(os.path.join(directory, name))
        # What leads out of the root stays as it is, for `load` to refuse.
        if path == self.root:
            return ""
        return path.removeprefix(_as_directory(self.root)) if self._holds(path) else name

    def _holds(self, path: str) -> bool:
        return path.startswith(_as_directory(self.root))

    def _path_of(self, name: str) -> str | None:
        path = os.path.normpath(os.path.join(self.root, name))
        return path if os.path.isabs(name) or path == self.root or self._holds(path) else None

    def _create_template(self, name: str) -> Template:
        path = self._path_of(name)
        if path is None:
            raise ValueError(f"template {name!r} is not below {self.root}")
        with open(path, "rb") as file:
            return Template(file.read(), name=name, loader=self)


class DictLoader(BaseLoader):
    """Loads templates from a dictionary of their texts, by name.

    The other arguments are those of `BaseLoader`.  `load` raises `KeyError` for a name that is
    not there.
    """

    def __init__(self, dict: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dict = dict

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Return the name, taken as a path relative to the parent's unless it begins with ``/``."""
        if not parent_path or not _is_relative(name, parent_path):
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(parent_path), name))

    def _create_template(self, name: str) -> Template:
        return Template(self.dict[name], name=name, loader=self)


def _is_relative(name: str, parent_path: str) -> bool:
    """Whether a name is to be taken as relative to the parent's directory."""
    # A parent in angle brackets has no place of its own, and an absolute one is not looked at.
    return not name.startswith("/") and not parent_path.startswith(("<", "/"))


def _as_directory(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"
