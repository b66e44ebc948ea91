"""How long a fuzzer runs, and from which seed.

``FUZZ_SECONDS`` is the time of the fuzzers of HTTP together (30); those of WebSocket have a fifth
of it besides, and that of forms a tenth.  ``FUZZ_SEED`` is the seed (a new one each time); it is
printed, and what fails names the bytes.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from random import Random

from tests.fuzz.grammar import Grammar

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))


def campaign(name: str, share: float) -> Iterator[Grammar]:
    """Grammars, each with a seed of its own, for ``share`` of the time, and at least one."""
    seed = os.environ.get("FUZZ_SEED") or secrets.token_hex(4)
    print(f"\n{name}: FUZZ_SEED={seed}")
    end = time.monotonic() + SECONDS * share
    count = 0
    while not count or time.monotonic() < end:
        yield Grammar(Random(f"{seed}/{name}/{count}"))
        count += 1
    print(f"{name}: {count} streams")
