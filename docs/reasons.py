"""Every stable word for a refusal: found in the code, explained here, laid out as tables. A word without its sentence is an error."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from outdial.doors.api import errors

ROOT: Final = Path(__file__).parents[1]
MEANINGS: Final[Mapping[str, str]] = {
    "accesskey_unknown": "There is no such access key.",
    "account_denied": "Customers, users and access keys are not changed by commands over HTTP; they have routes of their own.",
    "address_invalid": "A destination is no address of its type, or no telephone number that can exist.",
    "address_type_unknown": "The type of a destination is none of the known ones.",
    "admin_needed": "Customers and users are made by whoever runs the service, with the token of its settings.",
    "already_exists": "The id chosen for a new resource is taken.",
    "answer_late": "No answer came in time. The command stays valid and may still be carried out; the same Idempotency-Key asks again.",
    "attempt_closed": "The attempt is over. Do not place the call.",
    "attempt_open": "A call is open; wait until it ends.",
    "attempt_unknown": "There is no such attempt, or not of this target.",
    "body_cut": "The connection ended before the body did. An import keeps the rows that were complete; send the file again.",
    "campaign_changing": "Another change of the campaign's resources is under way. Try again.",
    "campaign_deleted": "The campaign was deleted.",
    "campaign_not_stopped": "Only a stopped campaign can be deleted.",
    "campaign_running": "Stop the campaign before you change its outdial, outplan or type.",
    "campaign_unknown": "There is no such campaign.",
    "cell_too_long": "A cell of the row is far longer than any may be.",
    "cells_too_few": "The row has fewer cells than the header has columns.",
    "cells_too_many": "The row has more cells than the header has columns.",
    "chain_empty": "A chain of campaigns came back to one that it had run already, without one call in between; it ends here.",
    "charset_unknown": "The body is in an encoding of characters that is not read here. Send UTF-8.",
    "claim_refused": "A new campaign wanted an outdial that it could not have, so the campaign was not made.",
    "clock_apart": "The clock of this ledger and the broker's are more than 5 s apart, so it dials nothing. Set both right.",
    "closed": "A word about an attempt that had ended. It changed nothing.",
    "column_missing": "The header names no column to dial from.",
    "column_twice": "The header names a column twice.",
    "column_unknown": "The header names a column that is not known.",
    "commands_lost": "The commands topic ends before what was read of it already: it was made anew, or lost records.",
    "commands_missing": "Commands were deleted from the topic before they were read; the message says how many.",
    "connecting": "The process has just begun and reaches for Kafka.",
    "customer_denied": "A command names a customer other than the one of the token.",
    "customer_unknown": "There is no such customer.",
    "data_ambiguous": "`metadata` is kept in `data`: give one of the two.",
    "data_in_use": "Another process works in the data folder.",
    "data_missing": "There is no database in the folder.",
    "data_read_only": "The data folder or the database cannot be written.",
    "database_corrupt": "The database is damaged, or is none. Restore a backup.",
    "database_foreign": "The database is one of another program. It is left as it is.",
    "database_newer": "A newer version of the program wrote the database.",
    "destination_ambiguous": "`destination` is another name of `destination_0`: give one of the two.",
    "destination_missing": "A target needs at least one destination.",
    "dial_claimed": "Another worker places this call. Do not place it.",
    "dial_too_late": "The time until which the call might begin has passed. Do not place it; answer `not_dialed`.",
    "dialing_not_running": "The outdial is not running, so there is nothing to pause, resume or drain. Run it first.",
    "dialing_paused": "Dialing is paused. Do not place the call; answer `not_dialed`.",
    "dialing_stopped": "Dialing was stopped. Do not place the call; answer `not_dialed`.",
    "disk_error": "The disk refused to read or write.",
    "disk_failed": "The disk refused to read or write the views.",
    "disk_full": "No space is left. Nothing was done; writes are taken again once there is space.",
    "duplicate": "Another target of the outdial has this first destination.",
    "encoding_unknown": "The body is compressed. Send it as it is.",
    "failed": "The service failed and has to be started again.",
    "field_invalid": "A field or a parameter has a value that it cannot have; the message names it.",
    "field_missing": "A field is missing; the message names it.",
    "file_empty": "The file has nothing in it.",
    "file_not_text": "The file is a spreadsheet, an archive, or text in an encoding that is not read here.",
    "frequency_cap": "The address was called as often as its customer's frequency caps allow. The target waits.",
    "header_invalid": "The first line of a CSV file names no columns.",
    "host_denied": "A server without tokens answers only under a name of its own machine.",
    "id_invalid": "An id is no UUID.",
    "id_reused": "Another command was sent under this id, or another request under this Idempotency-Key.",
    "instance_taken": "Another ledger has joined under the name of this one. Each needs a name of its own.",
    "internal": "A fault of the program. Its log has the request id.",
    "internal_command": "The ledger sends this command to itself; nobody else may.",
    "joining": "The process has just begun and is not yet a member of the group of ledgers.",
    "json_invalid": "The body or line is not the JSON that is wanted here.",
    "kafka_forbidden": "The Kafka cluster refuses this user the right to do it.",
    "kafka_login_refused": "The Kafka cluster does not take the user name, the password or the mechanism.",
    "kafka_unavailable": "Kafka does not answer. Commands that were sent stay valid; `?stale=1` reads the views as they are.",
    "kafka_unreachable": "No Kafka broker answers at the address.",
    "key_changed": "The fingerprint key is not the one the log was written with.",
    "left_out_before": "An earlier run of the same import left this row out. Send it in an import of its own.",
    "list_changing": "The list of suppressions changed each time caps were changed. Send `rules` and `min_gap_ms` both, or try again.",
    "log_corrupt": "A record of the events topic is no event: somebody else has written there.",
    "log_incomplete": "Events are missing from the topic, which must keep them for ever.",
    "log_newer": "A newer version of the program wrote an event.",
    "login_refused": "The user name or the password is wrong.",
    "media_type_unknown": "The Content-Type is not one that is read here; the message lists them.",
    "method_unknown": "The route does not offer this method.",
    "nul_byte": "There is a NUL character in the row.",
    "opening": "A partition is being opened: its log is read. It takes commands when that is done.",
    "origin_denied": "A page of another site asked with a browser's cookie or without a token, or its site is none of those allowed.",
    "outdial_claimed": "The outdial belongs to another campaign.",
    "outdial_deleted": "The outdial was deleted.",
    "outdial_running": "The outdial is being run. Stop that first.",
    "outdial_unknown": "There is no such outdial.",
    "outplan_deleted": "The outplan was deleted.",
    "outplan_unknown": "There is no such outplan.",
    "plan_ambiguous": "Name a plan or an outplan_id, not both.",
    "plan_missing": "Nothing says how to dial: name an outplan.",
    "past_too_long": "The outdial had more events by then than are folded for one answer. Read its events.",
    "position_not_reached": "The views did not reach `min_position` in time.",
    "position_unknown": "The log has not come to this position: nobody was told it, or the log was put back from a backup.",
    "quote_invalid": "Text follows a closing quote.",
    "quote_open": "A quote opens in this row and is not closed.",
    "reading": "The views of this process read the log, after a start with an old or an empty folder. They are ready at its end.",
    "request_invalid": "The request cannot be understood.",
    "resources_missing": "The campaign has no outdial.",
    "route_unknown": "There is no such route.",
    "row_too_long": "The row is longer than any may be.",
    "secret_missing": "A webhook needs a secret the first time: what is sent is signed with it.",
    "stopping": "The service is stopping, or has failed and is about to. Try again.",
    "superseded": "A word about an attempt that a newer one has followed. It changed nothing.",
    "suppression_unknown": "There is no such entry on the suppression list.",
    "suppressed": "The address is on a suppression list. Do not place the call; answer `not_dialed`.",
    "target_deleted": "The target was deleted.",
    "target_expired": "It is too late to dial the target: its `expires_at` has passed.",
    "target_unknown": "The outdial has no such target.",
    "time_zone_unknown": "The time zone is no IANA name, such as Europe/Berlin.",
    "token_missing": "No token was sent.",
    "token_unknown": "The token is not known here.",
    "too_large": "The body or command is larger than any may be.",
    "too_many_accesskeys": "A customer has as many access keys as one may have. Delete one first.",
    "too_many_items": "The body has more items than one may have.",
    "too_many_sockets": "A customer has as many websockets open as one may have at one process. Close one.",
    "too_many_topics": "A websocket has as many topics as one may have. `customer_id:<uuid>` alone is all of them.",
    "topic_denied": "A topic names a customer other than the one of the token.",
    "topic_invalid": "A topic is none that can be: see `docs/webhooks.md`.",
    "too_many_requests": "More requests came than are allowed. `Retry-After` says when there is room for the next one.",
    "too_many_targets": "The body has more targets than one may have. Use import.",
    "too_many_users": "A customer has as many users as one may have. Delete one first.",
    "topics_wrong": "A topic is not there, or is not as it must be; the message says what.",
    "try_interval": "The address of a target may be called again, but by now its plan has it wait for longer. The target waits.",
    "type_unknown": "There is no command of this type.",
    "undecodable": "There are bytes in the row that are no text in the encoding of the file.",
    "unknown_field": "There is no field of this name here.",
    "user_unknown": "There is no such user.",
    "upgrade_missing": "The route is a websocket. Ask for it with `ws://` or `wss://`.",
    "username_taken": "Another user has this name.",
    "version_differs": "The stream has changed since the version that `If-Match` or `if_version` names. Read it again.",
    "views_behind": "The views of this process have not caught up with the log in time; `?stale=1` reads them as they are.",
    "views_damaged": "The views lack something that the log has. Build them anew: `outdial views rebuild`.",
    "webhook_unknown": "No webhook is set.",
    "writer_ended": "The process that writes the database has ended. Another is started; send it again: a repeat adds nothing.",
}
PAGE: Final = """# Reasons

Made by `make docs` from the code. A word never changes its meaning and is never used for anything else; the sentence beside it in an
answer (`message`) may change.

## Refused requests

In `error.details[0].rule` of an HTTP answer, in `reason` of the answer to a command (`POST /v1.0/commands`, `outdial send`), and in
`errors` of a bulk create. `error.reason` is the contract's own, coarser word.

{requests}

A word about something that the body of a request refers to is 400 `INVALID_ARGUMENT`: {references}.

To a worker that claims a call, {claims} are 409 `STATE_INVALID`: do not place it.

## Rows of an import

In `errors` and `skipped` of the report. A row can also have each of the words above that is about a target.

{rows}

## The store

At start: the message, what to do about it, and exit code 1. While the service runs: 503 `SERVICE_UNAVAILABLE` with `Retry-After`, and
the word in `/readyz`; nothing of the command was done.

{store}

## In the history

In `reason` of an event, besides the words of refused requests.

{history}
"""


class Found(NamedTuple):
    """A word, where it stands."""

    word: str
    path: str
    callee: str
    """The name of what is called with it; ``reason`` or ``not_ready`` where it is given by that name."""
    kind: str | None
    """The name of the HTTP kind beside it."""


def found() -> Iterator[Found]:
    """Every word that the code refuses with."""
    for path in sorted([*(ROOT / "services/outdial").rglob("*.py"), *(ROOT / "schemas/outdial").glob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield from _found(name, node)


def _found(path: str, node: ast.AST) -> Iterator[Found]:
    match node:
        case ast.Call(func=ast.Name(callee), args=[ast.Name(kind), word, *_]) if callee == "Refused":
            yield from (Found(text, path, callee, kind) for text in _words(word))
        case ast.Call(func=ast.Name(callee), args=[word, *_]) if callee in _REFUSALS:
            yield from (Found(text, path, callee, None) for text in _words(word))
        case ast.Assign(targets=[ast.Name("reason")], value=value):
            yield from (Found(text, path, "reason", None) for text in _words(value))
        case ast.AnnAssign(target=ast.Name("reason"), annotation=ast.Subscript(value=ast.Name("Literal"), slice=value)):
            yield from (Found(text, path, "reason", None) for text in _words(value))
        case ast.AnnAssign(target=ast.Name("_MESSAGES"), value=ast.Dict(keys=keys)):
            yield from (Found(text, path, "reason", None) for key in keys if key is not None for text in _words(key))
        case (
            ast.Assign(targets=[ast.Attribute(attr="not_ready" | "_not_ready")], value=value)
            | ast.AnnAssign(target=ast.Attribute(attr="not_ready" | "_not_ready"), value=ast.expr() as value)
        ):
            yield from (Found(text, path, "not_ready", None) for text in _words(value))
        case ast.FunctionDef(name="not_ready", body=body):
            told = [one.value for line in body for one in ast.walk(line) if isinstance(one, ast.Return) and one.value is not None]
            yield from (Found(text, path, "not_ready", None) for value in told for text in _words(value))
        case ast.keyword(arg="reason", value=value):
            yield from (Found(text, path, "reason", None) for text in _words(value))


_REFUSALS: Final = ("Rejected", "Malformed", "Unreadable", "Unavailable", "StoreError", "ClusterError", "Flaw", "by_rule")
_KINDS: Final = ("outdial", "outplan", "campaign")
_PARTS: Final = ("destination", "data")


def _words(node: ast.expr) -> Iterator[str]:
    """The words an expression can be."""
    match node:
        case ast.Constant(str(word)) if word:
            yield word
        case ast.IfExp(body=one, orelse=other):
            yield from _words(one)
            yield from _words(other)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _words(part)
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant("_unknown")]):
            yield from (f"{kind}_unknown" for kind in _KINDS)
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant("_ambiguous")]):
            yield from (f"{part}_ambiguous" for part in _PARTS)


def page() -> str:
    """The whole page.

    Raises:
        ValueError: a word has no sentence, or a sentence has no word any more.
    """
    requests = {word: {kind} for word, kind in errors.RULES.items()}
    rows, store, history = set[str](), set[str](), set[str]()
    for word, path, callee, kind in found():
        if "/cli/" in path or path.endswith("compose.py"):
            continue
        if callee == "Refused" and kind is not None:
            requests.setdefault(word, set()).add(getattr(errors, kind))
        elif callee == "Unreadable":
            requests.setdefault(word, set()).add(errors.ARGUMENT)
        elif callee in ("StoreError", "ClusterError", "Unavailable", "not_ready"):
            store.add(word)
        elif path.endswith(("api/rows.py", "api/import_run.py")):
            rows.add(word)
        elif callee == "reason" and "/api/" not in path and word not in errors.RULES:
            history.add(word)
    shown = {*requests, *rows, *store, *history}
    if shown != set(MEANINGS):
        raise ValueError(f"docs/reasons.py: explain what is new, take out what is gone: {sorted(shown ^ set(MEANINGS))}")
    return PAGE.format(
        requests=_table(("word", "HTTP", "`error.reason`", "meaning"), [_request(word, kinds) for word, kinds in sorted(requests.items())]),
        references=", ".join(f"`{word}`" for word in sorted(errors.REFERENCE_RULES)),
        claims=" and ".join(f"`{word}`" for word in sorted(errors.CLAIM_RULES)),
        rows=_explained(rows),
        store=_explained(store),
        history=_explained(history),
    )


def _request(word: str, kinds: set[errors.Kind]) -> tuple[str, ...]:
    ordered = sorted(kinds)
    statuses = dict.fromkeys(str(kind.http) for kind in ordered)
    return f"`{word}`", " ".join(statuses), " ".join(f"`{kind.reason}`" for kind in ordered), MEANINGS[word]


def _explained(words: set[str]) -> str:
    return _table(("word", "meaning"), [(f"`{word}`", MEANINGS[word]) for word in sorted(words)])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
