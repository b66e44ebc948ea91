"""The settings of an application that are about sessions, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["SessionOptions"]

_SAMESITE = ("Strict", "Lax", "None")
_POLICIES = ("error", "fresh")


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How sessions and browsers meet; each of these is a setting, with ``session_`` before it.

    ``cookie_name``: with ``__Host-`` in front, browsers let nobody else set it, other
    subdomains included; it then needs TLS.  ``cookie_domain``: None for this very host.
    ``cookie_samesite``: "Strict", "Lax" or "None".  ``cookie_secure``: None for whatever the
    request came by.  ``cookie_persistent``: whether the cookie outlasts the browser.
    ``on_store_error``: "error" answers 503, "fresh" goes on with an empty session that is not
    kept.  Raises ValueError for what cannot be.
    """

    cookie_name: str = "session"
    cookie_domain: str | None = None
    cookie_samesite: str = "Lax"
    cookie_secure: bool | None = None
    cookie_persistent: bool = True
    on_store_error: str = "error"

    def __post_init__(self) -> None:
        if self.cookie_samesite not in _SAMESITE:
            raise ValueError(f"session_cookie_samesite must be one of {', '.join(_SAMESITE)}")
        if self.on_store_error not in _POLICIES:
            raise ValueError(f"session_on_store_error must be one of {', '.join(_POLICIES)}")
        if self.cookie_name.startswith("__Host-") and self.cookie_domain is not None:
            raise ValueError("a cookie whose name begins with __Host- has no domain")
        if self.must_be_secure and self.cookie_secure is False:
            raise ValueError("browsers refuse such a session cookie without session_cookie_secure")

    @property
    def must_be_secure(self) -> bool:
        """Whether browsers take the cookie over TLS only."""
        return (
            self.cookie_name.startswith(("__Host-", "__Secure-")) or self.cookie_samesite == "None"
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> SessionOptions:
        """Those of the settings that are meant, and the defaults for the rest."""
        names = [field.name for field in fields(cls)]
        return cls(**{n: settings[f"session_{n}"] for n in names if f"session_{n}" in settings})
