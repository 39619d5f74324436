"""The import route over the real ledger: what is added, what is told, and that it can be sent again."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.door import Api, Broken, Clock, client_of, served
from both import MakeStage
from imports import june
from outdial.commands import AddTargets, Command
from outdial.doors.api import import_run
from outdial.doors.api.app import make_app
from outdial.ids import derived
from outdial.position import Position
from outdial.requests import Answer, Unavailable
from outdial.wire import from_json

CSV = {"content-type": "text/csv"}
NDJSON = {"content-type": "application/x-ndjson"}
TESTS = Path(__file__).parents[1]


async def load(api: Api, outdial_id: str, content: str | bytes | AsyncIterator[bytes], media: dict[str, str] = CSV, **query: Any) -> Any:
    """The report of an import."""
    return await api.ok("POST", f"/outdials/{outdial_id}/import", content=content, headers=media, params=query)


async def refused(
    api: Api, status: int, reason: str, outdial_id: str, content: str | bytes, media: dict[str, str] = CSV, **query: Any
) -> dict[str, Any]:
    """The error an import is answered with."""
    return await api.refused(status, reason, "POST", f"/outdials/{outdial_id}/import", content=content, headers=media, params=query)


async def count(api: Api, outdial_id: str) -> int:
    """Live targets of an outdial."""
    total: int = (await api.ok("GET", f"/outdials/{outdial_id}/stats"))["total"]
    return total


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Added, existing, skipped, refused."""
    return report["added"], report["existing"], report["skipped_count"], report["error_count"]


def people(*numbers: int) -> str:
    """A file of people with these numbers."""
    return "name,destination_0\n" + "".join(f"P{number},+1555123{number:04}\n" for number in numbers)


# --- the June campaign --------------------------------------------------------------------------


@pytest.mark.parametrize("name", june.FILES)
async def test_the_june_campaign_gives_9830_targets_in_every_encoding(api: Api, name: str) -> None:
    outdial_id = await api.outdial(name="June")

    report = await load(api, outdial_id, june.body(name))

    assert (report["rows"], *counts(report), report["truncated"]) == (10_000, 9_830, 0, 120, 50, False)
    assert june.faults(report) == june.EXPECTED["errors"]
    assert june.repeats(report) == june.repeats(june.EXPECTED)
    originals = [derived(report["import_id"], str(found["original_row"])) for found in june.EXPECTED["skipped"]]
    assert [found["existing_id"] for found in report["skipped"]] == originals
    assert await count(api, outdial_id) == 9_830


@pytest.mark.parametrize("import_id", [None, "5a3c1e52-27d5-4a7c-9d3e-0f3a52d5c111"])
async def test_the_same_import_again_changes_nothing(api: Api, import_id: str | None) -> None:
    outdial_id = await api.outdial()
    query: dict[str, Any] = {} if import_id is None else {"import_id": import_id}
    first = await load(api, outdial_id, june.body(), **query)
    written = api.written()

    again = await load(api, outdial_id, june.body(), **query)

    assert api.written() == written
    assert counts(again) == (0, 9_830, 120, 50)
    assert (again["skipped"], again["errors"], again["import_id"]) == (first["skipped"], first["errors"], first["import_id"])


async def test_a_dry_run_tells_the_same_and_adds_nothing(api: Api) -> None:
    outdial_id = await api.outdial()
    written = api.written()

    dry = await load(api, outdial_id, june.body(), dry_run="true")

    assert dry["dry_run"] is True
    assert api.written() == written
    real = await load(api, outdial_id, june.body())
    assert {**real, "dry_run": True, "position": dry["position"]} == dry
    assert counts(await load(api, outdial_id, june.body(), dry_run="true")) == (0, 9_830, 120, 50)


@pytest.mark.parametrize("answers", [1, 7, 20])
async def test_an_import_killed_in_the_middle_and_sent_again_ends_the_same(make_stage: MakeStage, tmp_path: Path, answers: int) -> None:
    clock, import_id = Clock(), str(uuid4())
    stage = make_stage(tmp_path, clock)
    runtime = await stage.start()
    app = make_app(runtime, runtime.reader)
    async with client_of(app) as client:
        outdial_id = await Api(client, runtime, clock, app, stage).outdial()
    words = await stage.given_away()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "imports.killed", outdial_id, import_id, str(answers), *words, cwd=TESTS
    )
    assert await asyncio.wait_for(child.wait(), 60) == -9

    runtime = await stage.start()
    app = make_app(runtime, runtime.reader)
    async with client_of(app) as client:
        api = Api(client, runtime, clock, app, stage)
        before = await count(api, outdial_id)
        report = await load(api, outdial_id, june.body(), import_id=import_id)
        after = await count(api, outdial_id)
    await stage.close()

    assert before > 0
    added, there, *others = counts(report)
    # On Kafka, what was sent before the kill is carried out also after it: more may be there than was at the look.
    assert (added + there, there >= before, others) == (9_830, True, [120, 50])
    assert june.faults(report) == june.EXPECTED["errors"]
    assert june.repeats(report) == june.repeats(june.EXPECTED)
    assert after == 9_830


async def test_an_upload_cut_in_the_middle_and_sent_again_ends_the_same(api: Api) -> None:
    outdial_id, import_id, content = await api.outdial(), str(uuid4()), june.body()
    async with served(api.app) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1.0/outdials/{outdial_id}/import?import_id={import_id} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[: len(content) // 2])
        await writer.drain()
        async with asyncio.timeout(20):
            while api.written() < 2_000:
                await api.runtime.wait_beyond(api.runtime.position, 1)
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            answer = await client.post(f"/v1.0/outdials/{outdial_id}/import?import_id={import_id}", content=content, headers=CSV)

    report = answer.json()
    assert report["existing"] >= 1_999
    assert (report["added"] + report["existing"], *counts(report)[2:]) == (9_830, 120, 50)
    assert await count(api, outdial_id) == 9_830


# --- ids ----------------------------------------------------------------------------------------


async def test_the_import_id_follows_from_the_outdial_and_the_file_s_digest(api: Api) -> None:
    outdial_id, content = await api.outdial(), people(1)

    report = await load(api, outdial_id, content)

    assert report["import_id"] == derived(outdial_id, sha256(content.encode()).hexdigest())
    await api.ok("GET", f"/outdials/{outdial_id}/targets/{derived(report['import_id'], '1')}")


async def test_an_id_in_the_file_is_the_target_s_own(api: Api) -> None:
    outdial_id, mine = await api.outdial(), str(uuid4())

    report = await load(api, outdial_id, f"id,destination_0\n{mine.upper()},+15551230001\n,+15551230002\ncrm-7,+15551230003\n")

    assert counts(report) == (2, 0, 0, 1)
    assert report["errors"] == [
        {"line": 4, "row": 3, "reason": "field_invalid", "message": "id must be a UUID; a row without one gets its own"}
    ]
    assert (await api.ok("GET", f"/outdials/{outdial_id}/targets/{mine}"))["destination_0"]["target"] == "+15551230001"


async def test_an_import_id_that_stands_for_another_file_is_refused(api: Api) -> None:
    outdial_id, import_id = await api.outdial(), str(uuid4())
    await load(api, outdial_id, people(1, 2), import_id=import_id)
    written = api.written()

    for content, on_duplicate in ((people(1, 3), "skip"), (people(1, 2), "accept")):
        error = await refused(api, 422, "ID_REUSED", outdial_id, content, import_id=import_id, on_duplicate=on_duplicate)

        assert "leave it out" in error["message"]
        assert error["details"] == [{"rule": "id_reused", "import_id": import_id, "from_row": 1, "added": 0}]
    assert api.written() == written


@pytest.mark.parametrize("content", ["destination_0\nnobody\n12\n", "destination_0\n"])
async def test_an_import_that_adds_nothing_says_at_which_position_that_holds(api: Api, content: str) -> None:
    outdial_id = await api.outdial()
    sent = {"content": content.encode(), "headers": CSV}

    answer = await api.call("POST", f"/outdials/{outdial_id}/import", **sent)

    report = answer.json()
    assert (report["added"], report["error_count"]) == (0, content.count("\n") - 1)
    assert report["position"] == answer.headers["outdial-position"] == str(api.runtime.position)
    assert Position.parse(report["position"], api.runtime.position.partitions) != Position.beginning(api.runtime.position.partitions)


async def test_a_dry_run_does_not_spend_the_import_id(api: Api) -> None:
    outdial_id, import_id = await api.outdial(), str(uuid4())

    await load(api, outdial_id, people(1), import_id=import_id, dry_run="true")
    await load(api, outdial_id, people(1, 2), import_id=import_id)

    assert counts(await load(api, outdial_id, people(3), import_id=import_id, dry_run="1"))[3] == 1
    assert await count(api, outdial_id) == 2


# --- duplicates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", ["false", "true"])
@pytest.mark.parametrize(("on_duplicate", "expected"), [("skip", (2, 0, 3, 0)), ("accept", (5, 0, 0, 0)), ("reject", (2, 0, 0, 3))])
async def test_a_duplicate_is_what_the_request_says(api: Api, on_duplicate: str, expected: tuple[int, ...], dry_run: str) -> None:
    outdial_id = await api.outdial()
    there = (await api.target(outdial_id, "+15551230009"))["id"]

    report = await load(api, outdial_id, people(1, 2, 1, 9, 1), on_duplicate=on_duplicate, dry_run=dry_run)

    assert counts(report) == expected
    first = derived(report["import_id"], "1")
    named = [(found["line"], found["row"], found["existing_id"], found["reason"]) for found in report["skipped"] + report["errors"]]
    assert named == (
        [] if on_duplicate == "accept" else [(4, 3, first, "duplicate"), (5, 4, there, "duplicate"), (6, 5, first, "duplicate")]
    )


async def test_a_dry_run_finds_duplicates_far_apart(api: Api) -> None:
    outdial_id = await api.outdial()

    report = await load(api, outdial_id, people(*range(1_200), 5, 5, 1_100), dry_run="true")

    assert counts(report) == (1_200, 0, 3, 0)
    assert [found["existing_id"] for found in report["skipped"]] == [derived(report["import_id"], row) for row in ("6", "6", "1101")]


async def test_a_row_left_out_by_the_first_run_is_told_when_nothing_stands_against_it_any_more(api: Api) -> None:
    outdial_id = await api.outdial()
    first = await load(api, outdial_id, people(1, 2, 1))
    await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{derived(first['import_id'], '1')}")

    again = await load(api, outdial_id, people(1, 2, 1))

    assert counts(again) == (0, 2, 0, 1)
    assert (again["errors"][0]["row"], again["errors"][0]["reason"]) == (3, "left_out_before")


# --- what comes in ------------------------------------------------------------------------------


async def test_ndjson_is_imported_with_every_form_of_a_target(api: Api) -> None:
    outdial_id = await api.outdial()
    lines = (
        '{"name":"A","destination":{"type":"tel","target":"+15551230001"},"metadata":{"crm":7},"try_count_max":2}\n'
        '{"name":"B","destination_0":{"type":"pigeon","target":"x"}}\n'
        "nonsense\n"
        '{"destination":{"type":"tel","target":"+1 555 123 0001"}}\n'
        '{"destination_0":{"type":"tel","target":7}}\n'
    )

    report = await load(api, outdial_id, lines, NDJSON)

    assert counts(report) == (1, 0, 1, 3)
    assert [(error["line"], error["reason"]) for error in report["errors"]] == [
        (2, "address_type_unknown"), (3, "json_invalid"), (5, "field_invalid"),
    ]  # fmt: skip
    assert report["errors"][2]["message"] == "destination_0.target must be a valid string"
    [target] = (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"]
    assert (target["name"], target["data"], target["try_count_max"]) == ("A", '{"crm":7}', 2)


@pytest.mark.parametrize("media", [CSV, {}, {"content-type": "application/octet-stream"}, {"content-type": "text/csv; charset=utf-16"}])
async def test_a_file_is_taken_by_its_media_type_or_its_looks(api: Api, media: dict[str, str]) -> None:
    outdial_id = await api.outdial()

    assert counts(await load(api, outdial_id, people(1), media)) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "media",
    [
        {"content-type": "application/json"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "text/csv; charset=iso-8859-1"},
        {"content-type": "text/csv", "content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_415(api: Api, media: dict[str, str]) -> None:
    await refused(api, 415, "UNSUPPORTED_MEDIA_TYPE", await api.outdial(), people(1), media)


@pytest.mark.parametrize("import_id", [None, "5a3c1e52-27d5-4a7c-9d3e-0f3a52d5c111"])
@pytest.mark.parametrize(
    ("content", "rule", "words"),
    [
        ("name,phone\nA,+15551230001\n", "column_unknown", 'column "phone"'),
        ("", "file_empty", "destination_0"),
        ("PK\x03\x04", "file_not_text", "save it as CSV"),
    ],
)
async def test_a_file_that_is_none_is_refused_as_a_whole(api: Api, content: str, rule: str, words: str, import_id: str | None) -> None:
    outdial_id = await api.outdial()
    written = api.written()

    query: dict[str, Any] = {} if import_id is None else {"import_id": import_id}
    error = await refused(api, 400, "INVALID_ARGUMENT", outdial_id, content, **query)

    assert error["details"] == [{"rule": rule}]
    assert words in error["message"]
    assert api.written() == written


async def test_a_header_alone_adds_nothing(api: Api) -> None:
    report = await load(api, await api.outdial(), people())

    assert (report["rows"], *counts(report)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("query", [{"import_id": "june"}, {"on_duplicate": "merge"}])
async def test_a_parameter_of_a_wrong_form_is_refused(api: Api, query: dict[str, Any]) -> None:
    await refused(api, 400, "INVALID_REQUEST_PARAMETER", await api.outdial(), people(1), **query)


async def test_an_outdial_that_is_not_there_is_404_before_the_file_is_read(api: Api) -> None:
    async def unread() -> AsyncIterator[bytes]:
        yield b"name,destination_0\n"
        raise AssertionError

    deleted = await api.outdial()
    await api.ok("DELETE", f"/outdials/{deleted}")

    for outdial_id in (str(uuid4()), deleted):
        await refused(api, 404, "OUTDIAL_NOT_FOUND", outdial_id, unread())  # type: ignore[arg-type]


async def test_a_refused_row_leaves_the_others_of_its_command(api: Api) -> None:
    outdial_id = await api.outdial()
    rows = ["A,+15551230001,1", f"{'B' * 256},+15551230002,1", "C,+15551230003,1000", "D,+15551230004,x", "E,,1", "F,+15551230005,-100"]

    report = await load(api, outdial_id, "name,destination_0,priority\n" + "\n".join(rows))

    assert counts(report) == (2, 0, 0, 4)
    assert [(error["line"], error["reason"], error["message"]) for error in report["errors"]] == [
        (3, "field_invalid", "name must have at most 255 characters"),
        (4, "field_invalid", "priority must be less than or equal to 100"),
        (5, "field_invalid", "priority must be a valid integer"),
        (6, "destination_missing", "a target needs at least one of destination_0 to destination_4"),
    ]


async def test_long_texts_fit_and_a_target_too_large_for_a_command_is_refused(api: Api) -> None:
    outdial_id = await api.outdial()
    long = "\x01" * 65_536
    address = f'{{"type":"sip","target":"a@b.c","detail":"{"é" * 65_536}"}}'
    lines = "".join(f'{{"name":"{nth}","detail":"{"x" * 60_000}","destination_0":"+1555123{nth:04}"}}\n' for nth in range(30))

    report = await load(api, outdial_id, f'name,destination_0,detail,data\nA,+15551239001,"{long}","{long}"\n')
    assert counts(report) == (1, 0, 0, 0)
    assert counts(await load(api, outdial_id, lines, NDJSON)) == (30, 0, 0, 0)

    slots = ",".join(f'"destination_{slot}":{address}' for slot in range(5))
    many = "\\u0001" * 50_000
    report = await load(api, outdial_id, f'{{"detail":"{many}",{slots}}}\n{{"name":"B","destination_0":"+15551239002"}}\n', NDJSON)
    assert [(error["line"], error["reason"]) for error in report["errors"]] == [(1, "too_large")]
    assert report["added"] == 1


async def test_the_report_names_ten_thousand_rows_of_a_kind_and_counts_them_all(api: Api) -> None:
    report = await load(api, await api.outdial(), "name,destination_0\n" + "x,12\n" * 10_002)

    assert (report["error_count"], len(report["errors"]), report["truncated"]) == (10_002, 10_000, True)


# --- the ledger behind --------------------------------------------------------------------------


class Watched:
    """A ledger that adds everything, after a while, and watches how much is asked at once."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.position = Position((0,))
        self.open = self.most = 0
        self.seen: list[AddTargets] = []
        self._fails_at = fails_at

    def now(self) -> int:
        return 0

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the runtime's own word
        return position

    async def caught_up(self) -> None:
        return

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        [command] = commands
        assert isinstance(command, AddTargets)
        if command.targets:
            self.seen.append(command)
        if self._fails_at is not None and len(self.seen) >= self._fails_at:
            raise Unavailable("disk_full", "the disk is full; nothing was done")
        self.open += 1
        self.most = max(self.most, self.open)
        for _ in range(30):
            await asyncio.sleep(0)
        self.open -= 1
        return [Answer(command_id=command.id or "", type="AddTargets", stream=command.outdial_id, result="events", position="7")]


async def test_commands_of_at_most_500_are_sent_side_by_side_in_the_order_of_the_file(api: Api) -> None:
    ledger, import_id = Watched(), str(uuid4())
    async with client_of(make_app(ledger, api.runtime.reader)) as client:
        answer = await client.post(f"/v1.0/outdials/{uuid4()}/import?import_id={import_id}", content=people(*range(9_990)), headers=CSV)

    assert (answer.json()["added"], answer.headers["outdial-position"]) == (9_990, "7")
    assert [len(command.targets) for command in ledger.seen] == [500] * 19 + [490]
    assert [command.id for command in ledger.seen] == [derived(import_id, f"batch/{number}") for number in range(20)]
    assert [target.name for command in ledger.seen for target in command.targets] == [f"P{number}" for number in range(9_990)]
    assert 1 < ledger.most <= import_run.ON_THEIR_WAY


async def test_a_ledger_that_cannot_write_is_503_and_nothing_more_is_sent(api: Api) -> None:
    ledger = Watched(fails_at=3)
    async with client_of(make_app(ledger, api.runtime.reader)) as client:
        answer = await client.post(f"/v1.0/outdials/{uuid4()}/import", content=people(*range(9_990)), headers=CSV)
    async with client_of(make_app(Broken(Unavailable("disk_full", "full")), api.runtime.reader)) as client:
        at_once = await client.post(f"/v1.0/outdials/{uuid4()}/import", content=people(1), headers=CSV)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "SERVICE_UNAVAILABLE")
    assert at_once.status_code == 503
    assert len(ledger.seen) <= import_run.ON_THEIR_WAY + 2


# --- progress -----------------------------------------------------------------------------------

LINES = {**CSV, "accept": "application/x-ndjson"}


async def test_progress_is_told_line_by_line_and_the_report_last(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_run, "_PROGRESS_S", 0.0)
    outdial_id, content = await api.outdial(), june.body()

    async with served(api.app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post(f"/v1.0/outdials/{outdial_id}/import", content=content, headers=LINES)

    *lines, report = [from_json(line) for line in answer.content.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert counts(report) == (9_830, 0, 120, 50)
    assert lines
    assert all(set(line) == {"rows", "added", "existing", "skipped_count", "error_count", "bytes"} for line in lines)
    assert [line["bytes"] for line in lines] == sorted(line["bytes"] for line in lines)
    assert lines[-1]["bytes"] <= len(content)


async def test_a_refusal_before_the_first_line_is_an_error_like_any_other(api: Api) -> None:
    await refused(api, 400, "INVALID_ARGUMENT", await api.outdial(), "phone\n1\n", LINES)
    await refused(api, 404, "OUTDIAL_NOT_FOUND", str(uuid4()), people(1), LINES)


async def test_a_refusal_after_the_first_line_is_the_last_line(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_run, "_PROGRESS_S", 0.0)
    async with client_of(make_app(Watched(fails_at=12), api.runtime.reader)) as client:
        answer = await client.post(f"/v1.0/outdials/{uuid4()}/import", content=people(*range(9_990)), headers=LINES)

    *lines, last = [from_json(line) for line in answer.content.splitlines()]
    assert (answer.status_code, last["error"]["reason"]) == (200, "SERVICE_UNAVAILABLE")
    assert lines


async def test_a_wrong_header_of_a_long_file_is_answered_though_the_file_is_still_coming(api: Api) -> None:
    async def long() -> AsyncIterator[bytes]:
        yield b"name,phone\n"
        for _ in range(400):
            yield b"A,+15551230001\n" * 4_000

    outdial_id, import_id = await api.outdial(), str(uuid4())
    async with served(api.app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post(f"/v1.0/outdials/{outdial_id}/import?import_id={import_id}", content=long(), headers=CSV)

    assert answer.status_code == 400
    assert "phone" in answer.json()["error"]["message"]
