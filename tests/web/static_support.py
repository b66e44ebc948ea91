"""A folder of files to be served, and what is around it that must not be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from tests.web.support import Response, fetch

from tornadic.web import Application, StaticFileHandler

MODIFIED = 1_000_000_000
LAST_MODIFIED = "Sun, 09 Sep 2001 01:46:40 GMT"
BODY = b"hello world"
ETAG = f'"{hashlib.sha512(BODY).hexdigest()}"'
SECRET = b"not for you"


def write(path: Path, content: bytes = BODY, modified: float = MODIFIED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


def make_root(folder: Path) -> Path:
    """A root with a few files, beside a secret and a folder whose name begins alike."""
    root = folder / "root"
    write(root / "a.txt")
    write(root / "folder" / "index.html", b"<p>index</p>")
    write(root / "two words.txt")
    write(root / "ä.txt")
    write(root / "empty.txt", b"")
    write(folder / "secret.txt", SECRET)
    write(folder / "root2" / "secret.txt", SECRET)
    return root


def app(
    root: Path | str,
    handler: type[StaticFileHandler] = StaticFileHandler,
    pattern: str = "/f/(.*)",
    settings: dict[str, Any] | None = None,
    **arguments: Any,
) -> Application:
    """An application whose one rule serves ``root``."""
    rules = [(pattern, handler, {"path": str(root), **arguments})]
    return Application(rules, log_function=lambda handler: None, **(settings or {}))


def get(root: Path, name: str = "a.txt", **headers: str) -> Response:
    """What a plain handler answers for the file ``name``; ``If_Range="x"`` becomes a header."""
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return fetch(app(root), f"/f/{name}", headers=fields)
