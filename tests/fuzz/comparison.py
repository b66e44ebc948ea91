"""Holds what a reader says against the reference."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fuzz.reference import Conversation, Message, Verdict
from tests.http.reading import Head, Listener, Reader, Reading

# Whatever is pending in a head, a chunk's size or trailers ends here, and must be looked at.
DECISION = b"\r\n\r\n"


@dataclass
class Found:
    """A message as the events tell it."""

    head: Head
    body: bytes = b""
    complete: bool = False


def messages_of(reading: Reading) -> list[Found]:
    found: list[Found] = []
    for event in reading.events:
        if isinstance(event, Head):
            found.append(Found(event, complete=not event.framing.body))
        elif event == "end":
            found[-1].complete = True
        else:
            assert isinstance(event, bytes)
            found[-1].body += event
    return found


def check(found: Found, expected: Message, refused: bool) -> None:
    """They are the same message; what an error cut off of its body may be less."""
    head = found.head
    start = tuple(str(part) for part in head.start_line)
    said = tuple(part.decode("latin-1") for part in expected.start)
    if said[0].startswith("HTTP/"):
        said = (said[0], str(int(said[1])), said[2])
    assert start == said
    fields: dict[str, list[str]] = {}
    for name, value in expected.fields:
        fields.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    assert [(name.lower(), value) for name, value in head.fields] == [
        (name, value) for name, values in fields.items() for value in values
    ]
    assert head.framing.keep_alive == expected.keep_alive
    assert (head.framing.body != 0) == expected.has_body
    assert found.complete == expected.complete
    if refused and not found.complete:
        assert expected.body.startswith(found.body)
    else:
        assert found.body == expected.body


def compare(reading: Reading, expected: Conversation, reader: Reader, eof: bool = False) -> None:
    """What the reader took is what there is; and what it refused is wrong."""
    found = messages_of(reading)
    refused = reading.error is not None
    cut_short = eof and expected.verdict is Verdict.INCOMPLETE
    assert len(found) == len(expected.messages), "not the same messages"
    for one, other in zip(found, expected.messages, strict=True):
        check(one, other, refused)
    if expected.verdict is Verdict.CLEAN:
        assert not refused, "what is valid was refused"
    elif expected.verdict is Verdict.INVALID and not refused:
        assert not eof, "what is invalid was taken"
        rest = Listener(reader)
        rest.feed(reading.rest + DECISION)
        assert rest.error is not None, "what is invalid was taken"
        assert not rest.events
    elif cut_short:
        assert refused, "what was cut short was taken"
