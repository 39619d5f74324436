"""The HTTP door, put together: :func:`make_app`."""

import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from outdial import listening
from outdial.doors.api import (
    accounts,
    asyncapi,
    campaigncalls,
    campaigns,
    commands,
    dials,
    events,
    health,
    importing,
    live,
    openapi,
    outdials,
    outplans,
    pace,
    preflight,
    sockets,
    suppressions,
    system,
    targets,
    webhook,
    why,
)
from outdial.doors.api.auth import Front
from outdial.doors.api.deps import Door, Ledger, Settings, caller_of
from outdial.doors.api.errors import ARGUMENT, BAD_METHOD, INTERNAL, NO_ROUTE, Refused, told, unavailable
from outdial.requests import Unavailable

PREFIX: Final = "/v1.0"


class Api(FastAPI):
    """FastAPI with the door's own outermost layer: nothing, its error pages included, sees a request before it."""

    def __init__(self, door: Door) -> None:
        super().__init__(
            openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, generate_unique_id_function=lambda route: route.name
        )
        self.state.door = door

    def build_middleware_stack(self) -> ASGIApp:
        """The framework's layers within the door's."""
        return Front(super().build_middleware_stack(), self.state.door)


def make_app(ledger: Ledger, reader: sqlite3.Connection, settings: Settings | None = None, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The ASGI application over a running ledger and a read-only connection to its views.

    ``routers`` are further ones without prefix (the page). ``app.state.door.closing = True`` ends streams and long polls.
    """
    door = Door(ledger, reader, settings or Settings())
    app = Api(door)
    health.meter(door)
    _offer_all(app)
    for router in routers:
        _offer(app, router, "")
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return app


def routes_alone() -> FastAPI:
    """The routes with nothing behind them, to be described."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, generate_unique_id_function=lambda route: route.name)
    _offer_all(app)
    return app


def _offer_all(app: FastAPI) -> None:
    for part in (
        targets, importing, outdials, outplans, campaigns, campaigncalls, dials, events, live, why, preflight,
        suppressions, pace, commands, accounts, webhook, sockets, system,
    ):  # fmt: skip
        _offer(app, part.router, PREFIX)
    app.router.routes.append(WebSocketRoute(listening.PATH, sockets.serve))
    for router in (health.router, openapi.router, asyncapi.router, accounts.login):
        _offer(app, router, "")
    _keep_words_apart([route for route in app.router.routes if isinstance(route, Route)])


def _offer(app: FastAPI, router: APIRouter, prefix: str) -> None:
    """Put a router's routes flat into the application: routers within routers cost every request a search in each of them."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            app.add_api_route(prefix + route.path, route.endpoint, methods=sorted(route.methods or ()), name=route.name, tags=router.tags)
        else:
            app.router.routes.append(route)


def _keep_words_apart(routes: Sequence[Route]) -> None:
    """What one route spells out is no id to another: GET of ``/suppressions/import`` is not offered, and no entry named import."""
    spelled = {route.path for route in routes if "{" not in route.path}
    for route in routes:
        words = sorted(path for path in spelled - {route.path} if route.path_regex.match(path))
        if words:
            route.path_regex = re.compile(f"(?!(?:{'|'.join(map(re.escape, words))})$){route.path_regex.pattern}")


def _answer(request: Request, why: Refused) -> Response:
    body, media_type = told(why, caller_of(request).request_id, request.headers.get("accept", ""))
    return Response(body, status_code=why.kind.http, media_type=media_type, headers=why.headers)


async def _refused(request: Request, error: Exception) -> Response:
    return _answer(request, error if isinstance(error, Refused) else _FAILED)


async def _unavailable(request: Request, error: Exception) -> Response:
    return _answer(request, unavailable(error) if isinstance(error, Unavailable) else _FAILED)


async def _unrouted(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such route, or not by this method."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:  # noqa: PLR2004  the number is the word
        offered = {"Allow": ", ".join(_methods(request))}
        return _answer(request, Refused(BAD_METHOD, "method_unknown", f"{request.method} is not offered here", headers=offered))
    if status == 404:  # noqa: PLR2004  the number is the word
        return _answer(request, Refused(NO_ROUTE, "route_unknown", "there is no such route; GET /openapi.json lists them"))
    return _answer(request, Refused(ARGUMENT, "request_invalid", "the request cannot be understood"))


def _methods(request: Request) -> list[str]:
    """The methods a path is offered by: each is a route of its own."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return sorted({method for route in routes if route.path_regex.match(request.url.path) for method in route.methods or ()})


async def _invalid(request: Request, _error: Exception) -> Response:
    return _answer(request, Refused(ARGUMENT, "request_invalid", "a parameter of the request has a wrong form"))


_FAILED = Refused(INTERNAL, "internal", "something went wrong here; the request id finds it in the server's log")


async def _failed(request: Request, _error: Exception) -> Response:
    return _answer(request, _FAILED)
