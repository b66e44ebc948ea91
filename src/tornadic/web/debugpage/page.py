"""The report as a page.  Every text goes through `_e`; nothing else may be put into the page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from tornadic.escape import xhtml_escape
from tornadic.web.debugpage.collect import Failure, Report, RouteTable, Section
from tornadic.web.debugpage.frames import OWN, Excerpt, Frame, Gap, Line, Variable
from tornadic.web.debugpage.style import STYLE

__all__ = ["render"]

# What is not seen, or turns round what is: controls, marks of direction, half of a character.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)

_KINDS = {
    "program": "your program",
    "template": "template",
    "framework": "Tornadic",
    "library": "library",
}
_WHERE = {"framework": "Tornadic", "library": "libraries"}
_MOST_TITLE = 120

# So many calls that are not the program's become one line.
_LONG_RUN = 3


def render(report: Report) -> str:
    """The page, in HTML; every text of the report is text in it."""
    first = report.failures[0]
    unmatched = report.routes is not None and report.routes.is_unmatched
    title = f"No route for {report.url}" if unmatched else f"{first.kind}: {first.message}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_e(title[:_MOST_TITLE])}</title><style>{STYLE}</style></head><body>",
        *_header(report, first, unmatched),
        "<main>",
    ]
    if report.routes is not None and unmatched:
        parts += _routes(report.routes)
    parts += _failures(report)
    if report.routes is not None and not unmatched:
        parts += _routes(report.routes)
    parts.append("<h2>The request</h2>")
    for section in report.sections:
        parts += _section(section, is_open=True)
    parts.append("<h2>The application</h2>")
    parts += _section(report.settings, is_open=False)
    parts.append(
        '<details class="box"><summary>Traceback as text</summary><pre class="text" tabindex="0">'
        f"{_e(report.text)}</pre></details></main>"
    )
    parts.append(f"<footer>{_e(report.settings.note)}. You see this page because of the setting ")
    parts.append("<code>serve_traceback</code>, which <code>debug</code> turns on. ")
    parts.append("Never set it where strangers can see it.</footer></body></html>\n")
    return "".join(parts)


def _e(text: str) -> str:
    """Any text as the text of an element, or of an attribute."""
    return xhtml_escape(_UNSEEN.sub(_seen, text))


def _seen(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _header(report: Report, first: Failure, unmatched: bool) -> Iterator[str]:
    yield f'<header><div class="request"><span class="status">{report.status} '
    yield f"{_e(report.reason)}</span><strong>{_e(report.method)}</strong>"
    yield f'<span class="mono">{_e(report.url)}</span></div>'
    if unmatched:
        yield "<h1>No route leads there</h1>"
    else:
        yield f"<h1>{_class_name(first)}</h1>"
        yield f'<p class="message">{_e(first.message)}</p>'
        yield from _notes(first)
    if report.routes is not None:
        for path in report.routes.similar:
            yield f'<p class="hint">Did you mean <code>{_e(path)}</code>?</p>'
    yield "</header>"


def _class_name(failure: Failure) -> str:
    module = f'<span class="module">{_e(failure.module)}.</span>' if failure.module else ""
    return f"{module}{_e(failure.kind)}"


def _notes(failure: Failure) -> Iterator[str]:
    for note in failure.notes:
        yield f'<p class="hint">{_e(note)}</p>'


# Exceptions and frames


def _failures(report: Report) -> Iterator[str]:
    for i, failure in enumerate(report.failures):
        if i:
            yield f'<p class="relation">{_e(_begun(failure.relation))}:</p>'
            yield f"<h2>{_class_name(failure)}</h2>"
            yield f'<p class="message">{_e(failure.message)}</p>'
            yield from _notes(failure)
        else:
            where = "Where it was answered" if report.routes else "Where it happened"
            yield f'<h2>{where} <span class="soft">latest call at the top</span></h2>'
        if failure.place is not None and failure.place.lines:
            yield '<div class="frame"><p class="place"><span class="where mono">'
            yield f"{_e(failure.place.file)}:{failure.place.number}</span></p>"
            yield from _excerpt(failure.place)
            yield "</div>"
        yield from _frames(failure.frames, may_open_any=failure.place is None and not report.routes)
        if not failure.frames:
            yield '<p class="soft">It was never raised, so there is no traceback.</p>'
    if report.failures_left_out:
        yield f'<p class="soft">{report.failures_left_out} more exceptions are not shown.</p>'


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _frames(frames: tuple[Frame | Gap, ...], may_open_any: bool) -> Iterator[str]:
    """The frames, the program's open; if there are none of these, the last call."""
    mine = any(isinstance(one, Frame) and one.kind in OWN for one in frames)
    first_is_open = may_open_any and not mine
    if first_is_open and frames and isinstance(frames[0], Frame):
        yield from _frame(frames[0], True)
        frames = frames[1:]
    for kind, group in itertools.groupby(frames, lambda one: isinstance(one, Frame) and one.kind):
        run = list(group)
        is_own = kind in OWN
        if len(run) >= _LONG_RUN and kind and not is_own:
            yield '<details class="run"><summary class="soft">'
            yield f"{len(run)} calls within {_WHERE[kind]}</summary>"
        for one in run:
            if isinstance(one, Gap):
                yield f'<p class="gap">… {one.count} frames are not shown …</p>'
            else:
                yield from _frame(one, is_own)
        if len(run) >= _LONG_RUN and kind and not is_own:
            yield "</details>"


def _frame(frame: Frame, is_open: bool) -> Iterator[str]:
    place = f"{frame.excerpt.file}:{frame.excerpt.number}"
    yield f'<details class="frame {frame.kind}"{" open" if is_open else ""}><summary>'
    yield f'<span class="where mono">{_e(frame.function)}</span> '
    yield f'<span class="soft mono">{_e(place)}</span> '
    yield f'<span class="kind">{_KINDS[frame.kind]}</span></summary>'
    if frame.path != frame.excerpt.file:
        yield f'<p class="path mono">{_e(frame.path)}</p>'
    yield from _excerpt(frame.excerpt)
    yield from _variables(frame.variables, frame.variables_left_out, frame.kind == "template")
    yield "</details>"


def _excerpt(excerpt: Excerpt) -> Iterator[str]:
    if not excerpt.lines:
        yield '<p class="more">The source is not known.</p>'
        return
    yield f'<pre tabindex="0" role="group" aria-label="Source around line {excerpt.number}">'
    for line in excerpt.lines:
        now = ' now" aria-current="true' if line.is_current else ""
        yield f'<span class="row{now}"><span class="no">{line.number}</span>{_code(line)}</span>'
    yield "</pre>"


def _code(line: Line) -> str:
    if line.marked is None:
        return _e(line.text) or " "
    begin, end = line.marked
    marked = f"<mark>{_e(line.text[begin:end])}</mark>" if line.text[begin:end] else ""
    return f"{_e(line.text[:begin])}{marked}{_e(line.text[end:])}"


def _variables(variables: tuple[Variable, ...], left_out: int, is_template: bool) -> Iterator[str]:
    if not variables and not left_out:
        return
    title = "Variables of the template" if is_template else "Local variables"
    yield f'<details class="inner" open><summary>{title}</summary>'
    yield from _pairs((one.name, one.value) for one in variables)
    if left_out:
        yield f'<p class="more">… {left_out} more are not shown</p>'
    yield "</details>"


# Tables


def _section(section: Section, is_open: bool) -> Iterator[str]:
    if not section.pairs and not section.note:
        return
    yield f'<details class="box"{" open" if is_open else ""}><summary>{_e(section.title)}</summary>'
    yield from _pairs((one.name, one.value) for one in section.pairs)
    if section.note:
        yield f'<p class="more">{_e(section.note)}</p>'
    yield "</details>"


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield '<table class="pairs"><tbody>'
    for name, value in pairs:
        yield f'<tr><th scope="row">{_e(name)}</th><td>{_e(value)}</td></tr>'
    yield "</tbody></table>"


def _routes(table: RouteTable) -> Iterator[str]:
    tried = "The routes, in the order in which they were tried"
    yield f"<h2>{tried if table.is_unmatched else 'The routes of the application'}</h2>"
    if not table.routes:
        yield '<p class="soft">The application has none.</p>'
        return
    yield '<div class="box"><table class="routes"><thead><tr><th scope="col">Pattern</th>'
    yield '<th scope="col">Methods</th><th scope="col">Handler</th><th scope="col">Name</th>'
    yield '<th scope="col">Host</th></tr></thead><tbody>'
    for route, is_for_host in table.routes:
        indent = f'<span class="indent">{"   " * route.depth}└ </span>' if route.depth else ""
        host = route.host or ""
        if not is_for_host:
            host += " (another host)"
        yield f"<tr{'' if is_for_host else ' class=other'}>"
        yield f'<th scope="row" class="mono">{indent}{_e(route.pattern)}</th>'
        cells = [
            ("Methods", " ".join(route.methods or ())),
            ("Handler", route.handler),
            ("Name", route.name or ""),
            ("Host", host),
        ]
        for label, text in cells:
            yield f'<td data-label="{label}">{_e(text)}</td>'
        yield "</tr>"
    yield "</tbody></table></div>"
    if table.left_out:
        yield f'<p class="soft">{table.left_out} more are not shown.</p>'
