"""UI modules: parts of a page that bring their own style sheets and scripts.

A handler makes one object of each class that its page uses, and calls it for every
``{% module Name(...) %}``.  What its page needs besides is asked of the objects when all of the
page is there (see `resources`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from tornadic.escape import linkify, to_unicode
from tornadic.util import ObjectDict

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest
    from tornadic.locale import Locale
    from tornadic.web.handler import RequestHandler

__all__ = [
    "BUILTIN_MODULES",
    "ModuleNamespace",
    "Output",
    "TemplateModule",
    "UIModule",
    "as_list",
    "bind_ui",
    "collect_ui_methods",
    "collect_ui_modules",
]

Output = str | bytes
"""What a part of a page may be given as; bytes are UTF-8."""


class UIModule:
    """A part of a page that can be used again, with the style sheets and scripts that it needs.

    A subclass defines `render`, and is made known by the setting ``ui_modules``.  One object is
    made for a handler however often its pages use the module, so what the methods about resources
    return must not depend on the arguments of one use.

    ``handler`` is the `.RequestHandler`, ``request``, ``ui``, ``locale`` and ``current_user`` are
    the handler's own.
    """

    def __init__(self, handler: RequestHandler) -> None:
        self.handler = handler
        self.request: HTTPServerRequest = handler.request

    @cached_property
    def ui(self) -> ObjectDict:
        """Functions and modules of the handler."""
        return self.handler.ui

    @cached_property
    def locale(self) -> Locale:
        """The locale of the handler."""
        return self.handler.locale

    @property
    def current_user(self) -> Any:
        """The user of the handler."""
        return self.handler.current_user

    def render(self, *args: Any, **kwargs: Any) -> Output | Awaitable[Output]:
        """The part of the page, as HTML; for subclasses.

        The arguments are those of the use.  A coroutine is for `.RequestHandler.render_async`.
        """
        raise NotImplementedError

    def render_async(self, *args: Any, **kwargs: Any) -> Output | Awaitable[Output]:
        """What `.RequestHandler.render_async` takes instead of `render`, by default the same.

        For modules that can do without waiting, but better with it.  Beyond Tornado.
        """
        return self.render(*args, **kwargs)

    def embedded_javascript(self) -> Output | None:
        """Script for the end of the page's body, None for none."""
        return None

    def javascript_files(self) -> Output | Iterable[Output] | None:
        """Scripts that the page is to link at the end of its body; one, several, or None.

        What is relative goes through `.RequestHandler.static_url`.  A file is linked once.
        """
        return None

    def embedded_css(self) -> Output | None:
        """Style rules for the page's head, None for none."""
        return None

    def css_files(self) -> Output | Iterable[Output] | None:
        """Style sheets that the page is to link in its head, as `javascript_files`."""
        return None

    def html_head(self) -> Output | None:
        """HTML for the end of the page's head, None for none."""
        return None

    def html_body(self) -> Output | None:
        """HTML for the end of the page's body, behind all scripts; None for none."""
        return None

    def render_string(self, path: str, **kwargs: Any) -> bytes:
        """Render a template, as `.RequestHandler.render_string` does."""
        return self.handler.render_string(path, **kwargs)

    def render_string_async(self, path: str, **kwargs: Any) -> Awaitable[bytes]:
        """The same by `.RequestHandler.render_string_async`.  Beyond Tornado."""
        return self.handler.render_string_async(path, **kwargs)


class _Linkify(UIModule):
    """``{% module linkify(text) %}``: a text whose URLs are links, see `.escape.linkify`."""

    def render(self, text: Output, **kwargs: Any) -> str:
        return linkify(text, **kwargs)


class _XsrfFormHtml(UIModule):
    """``{% module xsrf_form_html() %}``, for every form that is posted."""

    def render(self) -> str:
        return self.handler.xsrf_form_html()


_RESOURCES = frozenset(
    {
        "embedded_javascript",
        "javascript_files",
        "js_files",
        "embedded_css",
        "css_files",
        "html_head",
        "html_body",
    }
)


class TemplateModule(UIModule):
    """``{% module Template("part.html", name=value) %}``: a template with variables of its own.

    Unlike an included template it does not see the variables of the one around it.  It may tell
    what it needs::

        {{ set_resources(javascript_files="part.js", embedded_css=".part { color: red }") }}

    The names are those of the methods of `UIModule` (and ``js_files`` for ``javascript_files``).
    They count once for each file, so ``set_resources`` raises `ValueError` if a second use of the
    same file asks for something else; and `TypeError` for a name that is none of them.
    """

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        # By path, in the order of their first use.
        self._resources: dict[str, dict[str, Any]] = {}

    def render(self, path: str, **kwargs: Any) -> bytes:
        return self.render_string(path, set_resources=self._setter(path), **kwargs)

    def render_async(self, path: str, **kwargs: Any) -> Awaitable[bytes]:
        return self.render_string_async(path, set_resources=self._setter(path), **kwargs)

    def _setter(self, path: str) -> Callable[..., str]:
        def set_resources(**resources: Any) -> str:
            unknown = resources.keys() - _RESOURCES
            if unknown:
                raise TypeError(f"set_resources() in {path} got unknown {sorted(unknown)}")
            if self._resources.setdefault(path, resources) != resources:
                raise ValueError(
                    f"set_resources called with different resources for the same template, {path}"
                )
            return ""

        return set_resources

    def _of(self, *names: str) -> Iterator[Any]:
        """What the templates have set under these names, where that is anything."""
        for resources in self._resources.values():
            for name in names:
                if resources.get(name):
                    yield resources[name]

    def _files(self, *names: str) -> list[Output]:
        files: list[Output] = []
        for one in self._of(*names):
            files += as_list(one)
        return files

    def embedded_javascript(self) -> str:
        return "\n".join(map(to_unicode, self._of("embedded_javascript")))

    def javascript_files(self) -> list[Output]:
        return self._files("javascript_files", "js_files")

    def embedded_css(self) -> str:
        return "\n".join(map(to_unicode, self._of("embedded_css")))

    def css_files(self) -> list[Output]:
        return self._files("css_files")

    def html_head(self) -> str:
        return "".join(map(to_unicode, self._of("html_head")))

    def html_body(self) -> str:
        return "".join(map(to_unicode, self._of("html_body")))


BUILTIN_MODULES: Mapping[str, type[UIModule]] = {
    "Template": TemplateModule,
    "linkify": _Linkify,
    "xsrf_form_html": _XsrfFormHtml,
}
"""What every page knows, unless the application has its own of the same name."""


class ModuleNamespace:
    """The UI modules of a handler by name, as attributes or items.

    What one gets is called with the arguments of the use.  ``waits``: for a page that may wait.
    """

    __slots__ = ("_handler", "_waits")

    def __init__(self, handler: RequestHandler, waits: bool = False) -> None:
        self._handler = handler
        self._waits = waits

    def __getattr__(self, name: str) -> Callable[..., Any]:
        active = self._handler._active_modules
        if active is not None and name in active:
            # Here, and not by way of an item, since a page may have many uses of one module.
            return active[name].render_async if self._waits else active[name].render
        try:
            return self[name]
        except KeyError:
            message = f"no UI module {name!r} in the setting ui_modules"
            raise AttributeError(message, name=name, obj=self) from None

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return partial(self._use, name, self._handler.application.ui_modules[name])

    def _use(self, name: str, kind: type[UIModule], *args: Any, **kwargs: Any) -> Any:
        # Only a module that is used brings its resources, not one that was looked for.
        handler = self._handler
        if handler._active_modules is None:
            handler._active_modules = {}
        module = handler._active_modules.get(name)
        if module is None:
            module = handler._active_modules[name] = kind(handler)
        return (module.render_async if self._waits else module.render)(*args, **kwargs)


def bind_ui(handler: RequestHandler) -> dict[str, Any]:
    """What is in `.RequestHandler.ui`: functions that have the handler as argument, and modules."""
    ui: dict[str, Any] = {}
    for name, method in handler.application.ui_methods.items():
        ui[name] = MethodType(method, handler)
    ui["_tt_modules"] = ui["modules"] = ModuleNamespace(handler)
    return ui


def collect_ui_modules(setting: Any) -> dict[str, type[UIModule]]:
    """The UI modules of the setting ``ui_modules``, besides those that are always there.

    It is a Python module or a dictionary, of which only what is a subclass of `UIModule` counts,
    or a list of these.  Raises TypeError for anything else.
    """
    modules = dict(BUILTIN_MODULES)
    for name, value in _items("ui_modules", setting):
        if isinstance(value, type) and issubclass(value, UIModule):
            modules[name] = value
    return modules


def collect_ui_methods(setting: Any) -> dict[str, Callable[..., Any]]:
    """The functions of the setting ``ui_methods``.

    It has the same forms.  Only what can be called counts, by a name that begins neither with an
    underscore nor with a capital.  Raises TypeError for anything else.
    """
    return {
        name: value
        for name, value in _items("ui_methods", setting)
        if callable(value) and name[0] != "_" and name[0] == name[0].lower()
    }


def _items(name: str, setting: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(setting, ModuleType):
        yield from vars(setting).items()
    elif isinstance(setting, Mapping):
        yield from setting.items()
    elif isinstance(setting, list | tuple):
        for one in setting:
            yield from _items(name, one)
    elif setting is not None:
        raise TypeError(f"{name} takes a module, a dictionary or a list of them, not {setting!r}")


def as_list(files: Output | Iterable[Output]) -> list[Output]:
    """One file or several, as a list."""
    return [files] if isinstance(files, str | bytes) else list(files)
