"""What the frames of WebSockets cost, without any connection: ``python -m benchmarks.frames``.

Each figure is the least of many short windows, in microseconds: what it takes when nothing else
runs.  With ``TORNADIC_NO_EXTENSION=1`` the masks are made in Python.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from tornadic.frames import masking
from tornadic.frames.codes import BINARY, TEXT
from tornadic.frames.deflate import Deflate, DeflateOptions
from tornadic.frames.reader import MessageReader
from tornadic.frames.writer import encode_frame

SIZES = {"32 B": 32, "8 KB": 8192, "1 MB": 1 << 20}
# What one recv gives at most.
PIECE = 65536
WINDOW = 200e-6
MEASURED = 0.4


def least(action: Callable[[], object]) -> float:
    """Microseconds that ``action`` takes."""
    action()
    began = time.perf_counter()
    action()
    once = time.perf_counter() - began
    number = max(1, int(WINDOW / once))
    repeat = max(30, min(2000, int(MEASURED / (once * number))))
    return min(timeit.repeat(action, number=number, repeat=repeat)) / number * 1e6


def reading(frame: bytes) -> Callable[[], object]:
    """A server's reader gets ``frame`` again and again, in pieces as they are received."""
    reader = MessageReader(expects_mask=True, max_message_size=1 << 24)
    pieces = [frame[i : i + PIECE] for i in range(0, len(frame), PIECE)]

    def read() -> object:
        for piece in pieces:
            events = reader.feed(piece)
        assert len(events) == 1
        return events

    return read


def compressing(message: bytes) -> dict[str, float]:
    """A message like the one before, in both directions."""
    agreed = Deflate()
    compressor = agreed.compressor(DeflateOptions(), is_server=True)
    inflater = agreed.inflater(is_server=False)
    assert compressor is not None
    inflater.inflate(compressor.compress(message), 1 << 24, True)
    again = compressor.compress(message)
    return {
        "compress": least(lambda: compressor.compress(message)),
        "inflate": least(lambda: inflater.inflate(again, 1 << 24, True)),
    }


def figures_of(message: bytes) -> dict[str, float]:
    text = encode_frame(TEXT, message, mask=True)
    binary = encode_frame(BINARY, message, mask=True)
    return {
        "mask": least(lambda: masking.mask(b"\x37\xfa\x21\x3d", message)),
        "read text": least(reading(text)),
        "read binary": least(reading(binary)),
        "write": least(lambda: encode_frame(TEXT, message)),
        "write masked": least(lambda: encode_frame(TEXT, message, mask=True)),
        **compressing(message),
    }


def main() -> None:
    # As in a server: the C library keeps the memory of large messages for the next ones.
    bytes(4 << 20)
    print("masks by", "the extension" if masking.HAS_EXTENSION else "Python")
    prose = b"All the world's a stage, and all the men and women merely players. " * 16000
    for name, size in SIZES.items():
        figures = figures_of(prose[:size])
        print(f"{name}:", ", ".join(f"{what} {cost:.2f}" for what, cost in figures.items()))
    many = encode_frame(TEXT, b"x" * 32, mask=True) * 200
    reader = MessageReader(expects_mask=True, max_message_size=1 << 24)
    print(f"32 B, 200 frames received at once, each: {least(lambda: reader.feed(many)) / 200:.2f}")


if __name__ == "__main__":
    main()
