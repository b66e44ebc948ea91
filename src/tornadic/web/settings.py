"""The part of a handler that reads the application's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornadic.web.application import Application

__all__ = ["SettingsMixin"]


class SettingsMixin:
    """What an application was made with, for its handlers."""

    application: Application

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings."""
        return self.application.settings

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise RuntimeError if the setting ``name`` is missing or empty.

        ``feature`` is what cannot be used then, for the message.
        """
        if not self.settings.get(name):
            raise RuntimeError(
                f"You must define the '{name}' setting in your application to use {feature}"
            )

    def get_template_path(self) -> str | None:
        """The folder of this handler's templates: the setting ``template_path``.

        None: the folder of the file that renders.
        """
        return self.settings.get("template_path")
