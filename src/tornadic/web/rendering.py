"""The part of a handler that renders templates.

A template is found by a loader, and loaders are kept for the process: one for each folder and each
way to make one, with the templates in it compiled.  What a template knows besides its arguments is
made anew for each page, for most of it belongs to the request.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from tornadic.escape import utf8
from tornadic.template import BaseLoader, Loader, Template
from tornadic.util import ObjectDict
from tornadic.web import resources
from tornadic.web.modules import ModuleNamespace, UIModule, bind_ui
from tornadic.web.protection import ProtectionMixin

if TYPE_CHECKING:
    import asyncio

    from tornadic.web.handler import RequestHandler

__all__ = ["RenderingMixin"]

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_UNSET = object()

# Where a template's page was looked for, among the names that the template knows: what is rendered
# within it is looked for there too.
_FOLDER = "_tt_folder"


class RenderingMixin(ProtectionMixin):
    """Pages from templates, with UI modules."""

    # Clearing it makes all templates be read anew.
    _template_loaders: ClassVar[dict[Any, BaseLoader]] = {}
    _template_loader_lock: ClassVar[threading.Lock] = threading.Lock()

    _ui: ObjectDict | None = None
    _active_modules: dict[str, UIModule] | None = None
    # Loaders that have forgotten their templates for this request, where none are to be kept.
    _emptied: set[BaseLoader] | None = None

    if TYPE_CHECKING:
        _finished: bool

        def finish(self, chunk: Any = None) -> asyncio.Future[None]: ...
        def static_url(self, path: str, include_host: bool | None = None) -> str: ...
        def reverse_url(self, name: str, *args: Any) -> str: ...

    @property
    def ui(self) -> ObjectDict:
        """The functions of the setting ``ui_methods``, and ``modules``, as attributes.

        A function is called without its first argument, which is this handler.
        """
        if self._ui is None:
            self._ui = ObjectDict(bind_ui(cast("RequestHandler", self)))
        return self._ui

    @ui.setter
    def ui(self, value: ObjectDict) -> None:
        self._ui = value

    # Pages

    def render(self, template_name: str, **kwargs: Any) -> asyncio.Future[None]:
        """Render a template with the variables ``kwargs``, and finish the response with that.

        The resources of UI modules are put into the page: styles before ``</head>``, scripts
        before the last ``</body>``.

        Returns what `finish` returns.  Raises RuntimeError after `finish`, ValueError if there is
        no place for styles, and what `render_string` raises.
        """
        self._require_unfinished()
        try:
            page = self.render_string(template_name, **kwargs)
        except BaseException:
            self._active_modules = None  # another page will come, for the error
            raise
        return self.finish(self._complete(page))

    def render_async(self, template_name: str, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Render a template that may wait, finish the response, and wait until it is sent.

        The template may contain ``await``, and its UI modules may be coroutines.  Beyond Tornado.
        """
        self._require_unfinished()
        return self._finish_with(self.render_string_async(template_name, **kwargs))

    async def _finish_with(self, page: Coroutine[Any, Any, str | bytes]) -> None:
        try:
            html = await page
        except BaseException:
            self._active_modules = None
            raise
        self._require_unfinished()
        await self.finish(self._complete(html))

    def _require_unfinished(self) -> None:
        if self._finished:
            raise RuntimeError("Cannot render() after finish()")

    def _complete(self, page: str | bytes) -> bytes:
        """The page with what its UI modules need."""
        if not self._active_modules:
            return utf8(page)
        modules, self._active_modules = self._active_modules, None
        handler = cast("RequestHandler", self)
        return resources.place(handler, list(modules.values()), utf8(page))

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """Render a template with the variables ``kwargs``, and return it as UTF-8.

        Besides them the template knows what `get_template_namespace` returns.  Raises what
        `.Template.generate` and the loader raise, such as FileNotFoundError.
        """
        template, namespace = self._prepare_template(template_name, kwargs)
        return template.generate(**namespace)

    def render_string_async(self, template_name: str, **kwargs: Any) -> Coroutine[Any, Any, bytes]:
        """The same for a template that may wait, as by `render_async`.  Beyond Tornado.

        The template is loaded at once, so that it is found relative to the caller's file.
        """
        template, namespace = self._prepare_template(template_name, kwargs)
        namespace["_tt_modules"] = ModuleNamespace(cast("RequestHandler", self), waits=True)
        return template.generate_async(**namespace)

    def get_template_namespace(self) -> dict[str, Any]:
        """A new dictionary of what every template of this handler knows; a subclass may add to it.

        That is ``handler``, ``request``, ``current_user``, ``locale``, ``_`` (which translates),
        ``pgettext``, ``static_url``, ``xsrf_form_html``, ``reverse_url``, ``modules`` and the
        functions of the setting ``ui_methods``.
        """
        return self._namespace(None)

    def _namespace(self, names: Collection[str] | None) -> dict[str, Any]:
        """The same without what takes long and is not among ``names``; None for all of it."""
        namespace: dict[str, Any] = {
            "handler": self,
            "request": self.request,
            "static_url": self.static_url,
            "xsrf_form_html": self.xsrf_form_html,
            "reverse_url": self.reverse_url,
        }
        if names is None or "current_user" in names:
            namespace["current_user"] = self.current_user
        if names is None or "locale" in names or "_" in names or "pgettext" in names:
            locale = namespace["locale"] = self.locale
            namespace["_"] = locale.translate
            namespace["pgettext"] = locale.pgettext
        # Not `ui`, which is kept: the handler would be held by what it holds.
        namespace.update(bind_ui(cast("RequestHandler", self)) if self._ui is None else self._ui)
        return namespace

    def _namespace_for(self, template: Template) -> dict[str, Any]:
        """What ``template`` knows, without what it does not use, unless a subclass has a say."""
        if type(self).get_template_namespace is not RenderingMixin.get_template_namespace:
            return self.get_template_namespace()
        # A loader of the program's own may have templates of another kind.
        return self._namespace(getattr(template, "global_names", None))

    # Loaders

    def get_template_path(self) -> str | None:
        """The folder of this handler's templates: the setting ``template_path``.

        None: the folder of the file that renders.
        """
        return self.settings.get("template_path")

    def create_template_loader(self, template_path: str) -> BaseLoader:
        """A loader for a folder, asked for once and then kept for the process.

        By default it is the setting ``template_loader``; without that, a `.Loader` with the
        settings ``autoescape`` and ``template_whitespace``.
        """
        settings = self.settings
        if settings.get("template_loader") is not None:
            loader: BaseLoader = settings["template_loader"]
            return loader
        options = {"whitespace": settings.get("template_whitespace")}
        if "autoescape" in settings:
            options["autoescape"] = settings["autoescape"]
        return Loader(template_path, **options)

    def _prepare_template(
        self, name: str, variables: dict[str, Any]
    ) -> tuple[Template, dict[str, Any]]:
        """A template, and all that it is to know."""
        settings = self.settings
        path = ""
        if settings.get("template_loader") is None or self._makes_loaders():
            path = self.get_template_path() or _folder_of_caller()
        loader = self._find_loader(path)
        if not settings.get("compiled_template_cache", True):
            # Once for a request, so that what is used often is read only once for it.
            if self._emptied is None:
                self._emptied = set()
            if loader not in self._emptied:
                self._emptied.add(loader)
                loader.reset()
        template = loader.load(name)
        return template, {**self._namespace_for(template), _FOLDER: path, **variables}

    def _makes_loaders(self) -> bool:
        """Whether a subclass has a say in how loaders are made."""
        return type(self).create_template_loader is not RenderingMixin.create_template_loader

    def _find_loader(self, path: str) -> BaseLoader:
        settings = self.settings
        key: Any
        if self._makes_loaders():
            key = (path, type(self).create_template_loader)
        elif not path:
            return self.create_template_loader(path)
        else:
            escape = settings.get("autoescape", _UNSET)
            key = (path, escape, settings.get("template_whitespace"))
        loader = self._template_loaders.get(key)
        if loader is None:
            with self._template_loader_lock:
                loader = self._template_loaders.get(key)
                if loader is None:
                    loader = self._template_loaders[key] = self.create_template_loader(path)
        return loader

    # What a subclass may write in another way

    def render_linked_js(self, js_files: Iterable[str]) -> str:
        """The elements that link the scripts of the page's UI modules, each file once."""
        return resources.link_js(cast("RequestHandler", self), js_files)

    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
        """The element that holds the scripts of the page's UI modules."""
        return resources.embed_js(js_embed)

    def render_linked_css(self, css_files: Iterable[str]) -> str:
        """The elements that link the style sheets of the page's UI modules, each file once."""
        return resources.link_css(cast("RequestHandler", self), css_files)

    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
        """The element that holds the style rules of the page's UI modules."""
        return resources.embed_css(css_embed)


def _folder_of_caller() -> str:
    """The folder of the file that asked for a template, or that of the template's page."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if _FOLDER in frame.f_globals:
            folder: str = frame.f_globals[_FOLDER]
            return folder
        if not frame.f_code.co_filename.startswith(_OWN_FOLDER):
            break
        frame = frame.f_back
    return os.path.dirname(frame.f_code.co_filename) or os.curdir
