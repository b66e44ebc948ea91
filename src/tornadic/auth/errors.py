"""What is raised when a login cannot be believed."""

from __future__ import annotations

__all__ = ["AuthError"]


class AuthError(Exception):
    """A provider's answer, or what the browser brought from it, will not do."""
