"""How the debug page looks: one style sheet, in light and dark, for wide and narrow screens."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["POLICY", "STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --paper: #ffffff; --ink: #1c2128; --soft: #57606a; --line: #d5dae0;
  --red: #b42318; --red-soft: #fdebe9; --mark: #ffd2cc; --blue: #0b57b0; --green: #1a6b3c;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1116; --paper: #161b22; --ink: #e6e9ed; --soft: #9ba6b2; --line: #2c343e;
    --red: #ff8f85; --red-soft: #331a1b; --mark: #7a2b29; --blue: #79b8ff; --green: #6fd08c;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 var(--sans); }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; }
h1, h2, h3, p, pre, table { margin: 0; }
h1 { margin-top: .75rem; font-size: 1.6rem; line-height: 1.25; color: var(--red); }
h1, h2, h3, td, th, summary, .message { overflow-wrap: anywhere; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 1.25rem 0 .5rem; font-size: 1rem; }
code, pre, .mono { font-family: var(--mono); font-size: .8125rem; }
.request { display: flex; flex-wrap: wrap; gap: .25rem .6rem; align-items: baseline; }
.request .mono { overflow-wrap: anywhere; }
.status { padding: .1rem .6rem; border-radius: 1rem; background: var(--red); color: var(--paper);
  font-weight: 600; font-size: .875rem; }
.message { margin-top: .5rem; font-size: 1.1rem; white-space: pre-wrap; }
.relation, .soft, .note { color: var(--soft); font-size: .875rem; }
.note { margin: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.relation { margin: 2.25rem 0 -2rem; }
.hint { margin-top: .75rem; padding: .6rem .9rem; border-left: 4px solid var(--red);
  border-radius: 4px; background: var(--red-soft); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.frame, .box { margin-bottom: .5rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--paper); overflow: hidden; }
summary { padding: .55rem .9rem; cursor: pointer; }
summary::marker { color: var(--soft); }
summary:hover { background: var(--ground); }
:focus-visible { outline: 3px solid var(--blue); outline-offset: -3px; }
.where { font-weight: 600; }
.kind { margin-left: .4rem; padding: 0 .4rem; border: 1px solid currentColor; border-radius: 4px;
  font-size: .75rem; color: var(--soft); }
.program > summary .kind { color: var(--blue); }
.template > summary .kind { color: var(--green); }
.place { padding: .55rem .9rem; }
.path { padding: 0 .9rem .4rem; color: var(--soft); overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .5rem 0; border-top: 1px solid var(--line); line-height: 1.6;
  tab-size: 4; }
pre.text { padding: .75rem .9rem; }
.row { display: block; width: max-content; min-width: 100%; padding-right: .9rem; }
.no { display: inline-block; width: 4.5rem; padding-right: 1rem; text-align: right;
  color: var(--soft); user-select: none; }
.now { background: var(--red-soft); }
.now .no { color: var(--red); font-weight: 700; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
.run { margin-bottom: .5rem; border: 1px dashed var(--line); border-radius: 8px; }
.run[open] { padding: 0 .5rem; }
.module { font-weight: 400; font-size: .75em; color: var(--soft); }
h2 .soft { margin-left: .4rem; font-weight: 400; }
.inner { border-top: 1px solid var(--line); }
.inner > summary, .more { font-size: .875rem; }
.more, .gap { padding: .4rem .9rem; color: var(--soft); }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { padding: .35rem .9rem; border-top: 1px solid var(--line); text-align: left;
  vertical-align: top; }
tr:first-child > * { border-top: 0; }
thead th { color: var(--soft); font-weight: 600; }
tbody tr:first-child > * { border-top: 1px solid var(--line); }
.pairs tbody tr:first-child > * { border-top: 0; }
.pairs th { width: 15rem; font-weight: 400; color: var(--soft); font-family: var(--mono);
  font-size: .8125rem; }
.pairs td { font-family: var(--mono); font-size: .8125rem; white-space: pre-wrap; }
.inner .pairs { border-top: 1px solid var(--line); }
.indent { color: var(--soft); white-space: pre; }
.other td, .other th { color: var(--soft); }
tbody th { font-weight: 400; }
footer { padding-top: 2rem; padding-bottom: 3rem; color: var(--soft); font-size: .875rem; }
@media (max-width: 40rem) {
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  header { padding-top: 1rem; }
  h1 { font-size: 1.3rem; }
  .no { width: 3.25rem; padding-right: .75rem; }
  .pairs, .pairs tbody, .pairs tr, .pairs th, .pairs td { display: block; width: auto; }
  .pairs tr { padding: .4rem 0; border-top: 1px solid var(--line); }
  .pairs tr:first-child { border-top: 0; }
  .pairs th, .pairs td, .pairs tbody tr:first-child > * { border-top: 0; padding: 0 .75rem; }
  .routes thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .routes, .routes tbody, .routes tr, .routes th, .routes td { display: block; }
  .routes tr { padding: .5rem 0; border-top: 1px solid var(--line); }
  .routes tbody tr:first-child { border-top: 0; }
  .routes th, .routes td, .routes tbody tr:first-child > * { border-top: 0; padding: 0 .75rem; }
  .routes td:empty { display: none; }
  .routes td::before { content: attr(data-label) " "; color: var(--soft); }
}
@media print { details > * { display: block; } pre { white-space: pre-wrap; } }
"""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-scripts"
)
"""The ``Content-Security-Policy``: this style sheet, and nothing else, from nowhere.

In its sandbox the page has an origin of its own, so not even the program's other pages can read it.
(Scripts, of which the first rule lets none run, are allowed there for the browser's own tools.)
"""
