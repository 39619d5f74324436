"""Import of a list of any length into an outdial: CSV or NDJSON, row by row. Source: design section 7, contract C2, C5, C19, C20.

The rows go to the ledger in commands of at most 500, several of them on their way at once. Ids make it
repeatable: a command's comes from the import's id and its ordinal, a target's from the import's id and its
row. So an import that was cut short is finished by sending the same file again, and one that was finished
changes nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Final, cast, get_args
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from outdial.commands import AddTargets, OnDuplicate
from outdial.doors.api.bodies import LINES_TYPES
from outdial.doors.api.deps import caller_of, customer_of, door_of, flag, is_id, path_id, submit
from outdial.doors.api.errors import ARGUMENT, MEDIA_TYPE, PARAMETER, UNAVAILABLE, Refused, envelope
from outdial.doors.api.import_run import Import, Progress, Report, Wishes
from outdial.doors.api.rows import Form, Unreadable
from outdial.ids import derived
from outdial.requests import Unavailable
from outdial.wire import to_json

router = APIRouter(tags=["targets"])

_IN_MEMORY: Final = 1_048_576
_PIECE: Final = 65_536

_CSV_TYPES: Final = frozenset({"text/csv", "application/csv", "text/tab-separated-values"})
_ANY_TYPES: Final = frozenset({"", "application/octet-stream", "text/plain", "application/vnd.ms-excel"})
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "utf-16", "utf16"})


@router.post("/outdials/{id}/import")
async def import_targets(request: Request) -> Response:
    """Add the targets of a CSV or NDJSON file; the answer names every row that was skipped or refused.

    Query: ``import_id``, ``dry_run``, ``on_duplicate`` (``skip``, ``accept``, ``reject``). With
    ``Accept: application/x-ndjson`` lines that say how far it is come before the report.
    """
    wishes = _wishes(request)
    await _check_outdial(request, wishes)
    if request.headers.get("accept", "").partition(";")[0].strip().lower() in LINES_TYPES:
        return _Lines(request, wishes)
    report = await _imported(request, wishes)
    return Response(to_json(report.fields()), media_type="application/json", headers={"Outdial-Position": str(report.position or 0)})


def _wishes(request: Request) -> Wishes:
    import_id = request.query_params.get("import_id", "").lower() or None
    if import_id is not None and not is_id(import_id):
        raise Refused(PARAMETER, "field_invalid", "import_id must be a UUID; without one it follows from the file")
    on_duplicate = request.query_params.get("on_duplicate", "skip")
    if on_duplicate not in get_args(OnDuplicate):
        raise Refused(PARAMETER, "field_invalid", f"on_duplicate must be one of {', '.join(get_args(OnDuplicate))}")
    return Wishes(
        outdial_id=path_id(request),
        customer_id=customer_of(request),
        actor=caller_of(request).name,
        import_id=import_id,
        dry_run=flag(request, "dry_run"),
        on_duplicate=cast(OnDuplicate, on_duplicate),
        form=_form(request),
    )


def _form(request: Request) -> Form | None:
    """What the media type says the body is.

    Raises:
        Refused: 415.
    """
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if parameters.partition("charset=")[2].partition(";")[0].strip().strip('"') not in _CHARSETS:
        raise Refused(MEDIA_TYPE, "charset_unknown", "send the file in UTF-8, or in UTF-16 with a byte order mark")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(MEDIA_TYPE, "encoding_unknown", "send the file without Content-Encoding")
    if kind in _CSV_TYPES:
        return "csv"
    if kind in LINES_TYPES:
        return "ndjson"
    if kind in _ANY_TYPES:
        return None
    raise Refused(MEDIA_TYPE, "media_type_unknown", "send the file as Content-Type: text/csv or application/x-ndjson")


async def _check_outdial(request: Request, wishes: Wishes) -> None:
    """Ask the ledger whether it takes targets for this outdial, before a long file is read.

    Raises:
        Refused: it does not.
    """
    nothing = AddTargets(id=str(uuid4()), customer_id=wishes.customer_id, outdial_id=wishes.outdial_id, targets=(), dry_run=True)
    await submit(request, nothing)


# --- the file -----------------------------------------------------------------------------------


async def _imported(request: Request, wishes: Wishes, progress: Progress | None = None) -> Report:
    """Read the body and import it.

    Raises:
        Refused: the file cannot be read at all, was cut, or the import's id stands for another file.
    """
    try:
        if wishes.import_id is not None:
            return await Import(door_of(request), wishes, wishes.import_id, progress).run(request.stream())
        async with _spooled(request.stream()) as (digest, pieces):
            import_id = derived(wishes.outdial_id, digest)
            return await Import(door_of(request), wishes, import_id, progress).run(pieces)
    except ClientDisconnect:
        message = "the connection ended before the file did; rows that were added stay: send the file again with the same import_id"
        raise Refused(ARGUMENT, "body_cut", message) from None
    except Unreadable as why:
        raise Refused(ARGUMENT, why.reason, why.message) from None


@asynccontextmanager
async def _spooled(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """The SHA-256 of a whole body, and its pieces once more: a long one lies in a temporary file meanwhile."""
    digest = sha256()
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for piece in body:
            digest.update(piece)
            try:
                file.write(piece)
            except OSError:
                message = "there is no room for the file in the temporary folder; give an import_id, then it needs none"
                raise Unavailable("disk_full", message) from None
        file.seek(0)

        async def again() -> AsyncIterator[bytes]:
            while piece := file.read(_PIECE):
                yield piece

        yield digest.hexdigest(), again()


# --- progress -----------------------------------------------------------------------------------


class _Lines(Response):
    """Imports while it answers: lines of progress, then the report, or ``{"error": ...}`` if it ends before.

    An import that is refused before the first line is answered like any other request.
    """

    media_type = "application/x-ndjson"

    def __init__(self, request: Request, wishes: Wishes) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._request = request
        self._wishes = wishes
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  the request reads the body
        """Answer."""

        async def write(line: bytes) -> None:
            if not self._begun:
                self._begun = True
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": line, "more_body": True})

        try:
            report = await _imported(self._request, self._wishes, Progress(write))
            last = to_json(report.fields()) + b"\n"
        except (Refused, Unavailable) as why:
            if not self._begun:
                raise
            refused = why if isinstance(why, Refused) else Refused(UNAVAILABLE, why.reason, why.message)
            last = envelope(refused, caller_of(self._request).request_id) + b"\n"
        await write(last)
        await send({"type": "http.response.body", "body": b""})
