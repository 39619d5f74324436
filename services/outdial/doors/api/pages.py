"""Pages of the door's own: text and tables, with nothing from another host and no script at all."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui;max-width:64em;margin:2em auto;padding:0 1em}"
    "code,summary{font-weight:600}pre{overflow-x:auto;padding:.6em;border:1px solid;border-radius:.3em}"
    "details{margin:.3em 0}details>*:not(summary){margin-left:1.2em}summary{cursor:pointer}"
    "td,th{text-align:left;vertical-align:top;padding:.15em 1.2em .15em 0}"
)
_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = ("default-src 'none'", f"style-src 'sha256-{_HASH}'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""No script, no form, no picture, no frame, and of styles the one above."""


def page(title: str, body: str) -> HTMLResponse:
    """A whole page around a body that is HTML already."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return HTMLResponse(f"{head}<title>{escape(title)}</title><style>{_STYLE}</style>{body}</html>", headers=_HEADERS)


def table(rows: list[tuple[str, str, str]]) -> str:
    """A name, what it is, and a remark in each row; the name is shown as code."""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(means)}</td><td>{escape(mark)}</td></tr>" for name, means, mark in rows
    )
    return f"<table>{cells}</table>"
