"""The page as files: sent as they are, with nothing built and nothing from another host. What it shows it asks the HTTP door for."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).with_name("assets")
INDEX: Final = "index.html"
VIEWS: Final = ("/", "/system", "/outdials/{id}", "/outdials/{id}/changes", "/outdials/{id}/targets", "/outdials/{id}/targets/{target_id}")
"""Addresses of the page; which of its views it shows it finds out by itself."""
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
HEADERS: Final = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Own files only, no markup from text, no frame. A browser asks each time whether it has the newest."""


class File(NamedTuple):
    """A file of the page."""

    content: bytes
    kind: str
    tag: str
    """Of its content, so that a browser that has it already is sent nothing."""


def make_router() -> APIRouter:
    """The routes of the page, for ``make_app``. They are no part of the described interface."""
    return APIRouter(routes=[*(Route(view, _show) for view in VIEWS), Route("/page/{name:path}", _send)])


@lru_cache(maxsize=1)
def files() -> dict[str, File]:
    """Every file by its name below the folder; read once."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            tag = f'"{sha256(content).hexdigest()[:32]}"'
            found[path.relative_to(FOLDER).as_posix()] = File(content, _TYPES[path.suffix], tag)
    return found


async def _show(request: Request) -> Response:
    return _sent(request, files()[INDEX])


async def _send(request: Request) -> Response:
    file = files().get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    return _sent(request, file)


def _sent(request: Request, file: File) -> Response:
    headers = {**HEADERS, "ETag": file.tag}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.kind, headers=headers)
