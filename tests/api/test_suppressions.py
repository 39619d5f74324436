"""The list of whom not to call, and frequency caps, over HTTP."""

import asyncio
from typing import Any

import pytest

from api.door import ALICES, BOBS, TOKENS, Api, Opened
from outdial.doors.api.deps import Settings

TEL = {"type": "tel", "target": "+15550000001"}
PLAN = {"max_try_count_0": 3, "try_interval": 60_000}
ZERO = "00000000-0000-0000-0000-000000000000"


async def running(api: Api, *numbers: str) -> str:
    """An outdial that is being dialed, with a target for each number."""
    outdial = await api.outdial(plan=PLAN)
    for number in numbers:
        await api.ok("POST", f"/outdials/{outdial}/targets", {"destination_0": {"type": "tel", "target": number}})
    return outdial


async def requests(api: Api) -> list[dict[str, Any]]:
    """The dial requests that stand on the log."""
    found: list[dict[str, Any]] = (await api.ok("GET", "/dial_requests"))["result"]
    return found


async def test_an_entry_is_added_listed_read_and_taken_off(api: Api) -> None:
    added = await api.ok("POST", "/suppressions", {"address": TEL, "reason": "asked us not to"})
    [row] = (await api.ok("GET", "/suppressions"))["result"]

    assert added == {"errors": [], "open": [], "open_count": 0}
    assert (row["address"], row["prefix"], row["outdial_id"], row["reason"]) == (TEL, None, ZERO, "asked us not to")
    assert await api.ok("GET", f"/suppressions/{row['id']}") == row
    assert await api.ok("DELETE", f"/suppressions/{row['id']}") == row
    assert (await api.ok("GET", "/suppressions"))["result"] == []
    await api.refused(404, "SUPPRESSION_NOT_FOUND", "DELETE", f"/suppressions/{row['id']}")


async def test_nobody_on_the_list_is_requested_and_what_was_out_is_listed(api: Api) -> None:
    await running(api, TEL["target"])
    [out] = await requests(api)

    told = await api.ok("POST", "/suppressions", {"prefix": "+1555"})
    later = await running(api, "+15550000002", "+14155550101")

    assert told["open"] == [out["attempt_id"]]
    assert told["open_count"] == 1
    assert [(each["outdial_id"], each["destination"]["target"]) for each in (await requests(api))[1:]] == [(later, "+14155550101")]
    await api.refused(409, "STATE_INVALID", "POST", "/dial_claims", {"attempt_id": out["attempt_id"], "worker": "w"})


async def test_many_are_added_and_removed_at_once_and_what_is_wrong_is_named(api: Api) -> None:
    added = await api.ok("POST", "/suppressions", {"entries": [{"address": TEL}, {"prefix": "+49"}, {"prefix": "49"}]})
    removed = await api.ok("DELETE", "/suppressions", {"entries": [{"address": TEL}, {"prefix": "+33"}]})

    assert [(error["index"], error["reason"]) for error in added["errors"]] == [(2, "address_invalid")]
    assert removed == {"errors": []}
    assert [row["prefix"] for row in (await api.ok("GET", "/suppressions"))["result"]] == ["+49"]


async def test_what_names_nobody_is_refused(api: Api) -> None:
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {})
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {"entries": []})
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {"address": {"type": "tel", "target": "12"}})
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {"address": TEL, "expires_at": "2001-01-01T00:00:00Z"})
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {"entries": [{"address": TEL}] * 501})


async def test_pages_have_every_entry_once(api: Api) -> None:
    await api.ok("POST", "/suppressions", {"entries": [{"prefix": f"+49{number:02}"} for number in range(7)]})
    await api.ok("POST", "/suppressions", {"entries": [{"prefix": f"+44{number:02}"} for number in range(4)]})
    seen, token = [], ""
    while True:
        page = await api.ok("GET", "/suppressions", params={"page_size": 2, "page_token": token})
        seen += [row["prefix"] for row in page["result"]]
        token = page["next_page_token"]
        if not token:
            break

    assert sorted(seen) == sorted([f"+49{number:02}" for number in range(7)] + [f"+44{number:02}" for number in range(4)])


async def test_a_list_is_nobody_elses(opened: Opened) -> None:
    secured = await opened(Settings(tokens=TOKENS), ALICES)
    await secured.ok("POST", "/suppressions", {"address": TEL})
    [row] = (await secured.ok("GET", "/suppressions"))["result"]
    bob = {"headers": {"Authorization": f"Bearer {BOBS}"}}

    assert (await secured.ok("GET", "/suppressions", **bob))["result"] == []
    await secured.refused(404, "SUPPRESSION_NOT_FOUND", "GET", f"/suppressions/{row['id']}", **bob)
    await secured.refused(404, "SUPPRESSION_NOT_FOUND", "DELETE", f"/suppressions/{row['id']}", **bob)
    assert (await secured.ok("GET", "/frequency_caps", **bob)) == {"rules": [], "min_gap_ms": 0}


async def test_a_csv_file_is_imported_and_once_more_changes_nothing(api: Api) -> None:
    file = "target,reason\n" + "".join(f"+1555{number:07},asked\n" for number in range(600)) + "12,broken\n"
    sent: dict[str, Any] = {"content": file.encode(), "headers": {"Content-Type": "text/csv"}}

    first = await api.ok("POST", "/suppressions/import", **sent)
    again = await api.ok("POST", "/suppressions/import", **sent)

    assert (first["rows"], first["taken"], first["refused"]) == (601, 600, 1)
    assert [(error["row"], error["reason"]) for error in first["errors"]] == [(601, "address_invalid")]
    assert again == first


async def test_a_row_of_bytes_that_are_no_text_is_refused_and_the_others_are_taken(api: Api) -> None:
    file = b"target,reason\n+15550000001,J\xe9r\n+15550000002,asked\n"

    found = await api.ok("POST", "/suppressions/import", content=file, headers={"Content-Type": "text/csv"})

    assert (found["rows"], found["taken"], found["refused"]) == (2, 1, 1)
    assert [(error["row"], error["reason"]) for error in found["errors"]] == [(1, "undecodable")]


async def test_ndjson_is_imported(api: Api) -> None:
    lines = b'{"prefix": "+4470"}\n\nnot json\n{"address": {"type": "email", "target": "Ann@Example.com"}}\n{"nobody": 1}\n'

    report = await api.ok("POST", "/suppressions/import", content=lines, headers={"Content-Type": "application/x-ndjson"})

    assert [(error["row"], error["reason"]) for error in report["errors"]] == [(2, "json_invalid"), (4, "unknown_field")]
    rows = (await api.ok("GET", "/suppressions"))["result"]
    assert {row["prefix"] or row["address"]["target"] for row in rows} == {"+4470", "ann@example.com"}


async def test_a_file_without_columns_is_refused(api: Api) -> None:
    csv = {"Content-Type": "text/csv"}
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions/import", content=b"phone\n+15550000001\n", headers=csv)
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions/import", content=b"reason\nx\n", headers=csv)
    await api.refused(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/suppressions/import", {"entries": []})


async def test_caps_are_set_shown_and_kept(api: Api) -> None:
    wanted = {"rules": [{"count": 1, "per_ms": 3_600_000}], "min_gap_ms": 1_000}

    assert await api.ok("GET", "/frequency_caps") == {"rules": [], "min_gap_ms": 0}
    assert await api.ok("PUT", "/frequency_caps", wanted) == wanted
    assert await api.ok("GET", "/frequency_caps") == wanted
    await running(api, TEL["target"])
    await running(api, TEL["target"])
    assert len(await requests(api)) == 1
    await api.refused(400, "INVALID_ARGUMENT", "PUT", "/frequency_caps", {"rules": [{"count": 0, "per_ms": 1_000}]})
    assert await api.ok("PUT", "/frequency_caps", {"rules": [], "min_gap_ms": 0}) == {"rules": [], "min_gap_ms": 0}


async def test_a_put_of_caps_changes_only_what_is_in_its_body(api: Api) -> None:
    rules = [{"count": 1, "per_ms": 3_600_000}]
    await api.ok("PUT", "/frequency_caps", {"rules": rules, "min_gap_ms": 60_000})
    await api.ok("PUT", "/pace", {"calls_per_second": 5})  # moves another stream of the same name on

    assert await api.ok("PUT", "/frequency_caps", {"min_gap_ms": 120_000}) == {"rules": rules, "min_gap_ms": 120_000}
    assert await api.ok("PUT", "/frequency_caps", {"min_gap_ms": 0, "rule": []}) == {"rules": rules, "min_gap_ms": 0}
    assert await api.ok("PUT", "/frequency_caps", {"min_gap_ms": 5, "rules": None}) == {"rules": rules, "min_gap_ms": 5}
    assert await api.ok("PUT", "/frequency_caps", {"rules": []}) == {"rules": [], "min_gap_ms": 5}
    assert await api.ok("GET", "/frequency_caps") == {"rules": [], "min_gap_ms": 5}


@pytest.mark.parametrize(
    "body", [{}, {"rule": [{"count": 1, "per_ms": 1_000}]}, {"foo": 1}, {"rules": None}, {"rules": None, "min_gap_ms": None}]
)
async def test_a_put_of_caps_that_names_none_is_refused_and_changes_nothing(api: Api, body: dict[str, Any]) -> None:
    wanted = {"rules": [{"count": 2, "per_ms": 3_600_000}], "min_gap_ms": 60_000}
    await api.ok("PUT", "/frequency_caps", wanted)

    error = await api.refused(400, "INVALID_ARGUMENT", "PUT", "/frequency_caps", body)

    assert error["details"][0]["rule"] == "field_missing"
    assert await api.ok("GET", "/frequency_caps") == wanted


@pytest.mark.parametrize(
    ("body", "pointer"), [({"rules": [{"count": 0, "per_ms": 1_000}]}, "/rules/0/count"), ({"min_gap_ms": -1, "rules": []}, "/min_gap_ms")]
)
async def test_a_bad_cap_is_named_as_it_stands_in_the_body(api: Api, body: dict[str, Any], pointer: str) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "PUT", "/frequency_caps", body)

    assert error["details"][0]["pointer"] == pointer


async def test_two_changes_of_different_caps_at_once_both_hold(api: Api) -> None:
    for number in range(1, 6):
        rules = [{"count": number, "per_ms": 3_600_000}]
        await asyncio.gather(
            api.ok("PUT", "/frequency_caps", {"rules": rules}),
            api.ok("PUT", "/frequency_caps", {"min_gap_ms": number}),
            api.ok("POST", "/suppressions", {"prefix": f"+49{number}"}),
        )
        assert await api.ok("GET", "/frequency_caps") == {"rules": rules, "min_gap_ms": number}


async def test_a_change_of_one_cap_takes_an_if_match_at_its_word(api: Api) -> None:
    await api.ok("PUT", "/frequency_caps", {"rules": [], "min_gap_ms": 1})

    await api.refused(412, "VERSION_DIFFERS", "PUT", "/frequency_caps", {"min_gap_ms": 2}, headers={"If-Match": '"9"'})

    assert (await api.ok("PUT", "/frequency_caps", {"min_gap_ms": 3}, headers={"If-Match": '"1"'}))["min_gap_ms"] == 3


async def test_where_the_list_changes_all_the_time_one_is_told_to_name_all_caps(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.ok("PUT", "/frequency_caps", {"rules": [], "min_gap_ms": 1})
    monkeypatch.setattr("outdial.views.suppressions.version", lambda *_: 7)

    error = await api.refused(503, "SERVICE_UNAVAILABLE", "PUT", "/frequency_caps", {"min_gap_ms": 2})

    assert "rules and min_gap_ms both" in error["message"]
    assert (await api.ok("PUT", "/frequency_caps", {"rules": [], "min_gap_ms": 3}))["min_gap_ms"] == 3


@pytest.mark.parametrize("of", ["nobody", "deleted", "another's"])
async def test_an_entry_for_an_outdial_that_is_not_there_is_refused(opened: Opened, of: str) -> None:
    secured = await opened(Settings(tokens=TOKENS), ALICES)
    own = await secured.outdial()
    bob = {"headers": {"Authorization": f"Bearer {BOBS}"}}
    other = "aaaaaaaa-1111-4111-8111-111111111111"
    if of == "deleted":
        other = await secured.outdial()
        await secured.ok("DELETE", f"/outdials/{other}")
    elif of == "another's":
        other = (await secured.ok("POST", "/outdials", {}, **bob))["id"]
    file = f"target,outdial_id\n+15550000001,{other.upper()}\n+15550000002,{own}\n+15550000003,\n12,{own}\n"

    one = await secured.refused(404, "OUTDIAL_NOT_FOUND", "POST", "/suppressions", {"address": TEL, "outdial_id": other})
    entries = [{"prefix": "+49"}, {"address": TEL, "outdial_id": other}]
    many = await secured.refused(404, "OUTDIAL_NOT_FOUND", "POST", "/suppressions", {"entries": entries})

    assert (one["details"][0]["pointer"], many["details"][0]["pointer"]) == ("/outdial_id", "/entries/1/outdial_id")
    assert (await secured.ok("GET", "/suppressions"))["result"] == []
    headers = {"Authorization": f"Bearer {ALICES}", "Content-Type": "text/csv"}
    report = await secured.ok("POST", "/suppressions/import", content=file.encode(), headers=headers)
    word = "outdial_deleted" if of == "deleted" else "outdial_unknown"
    assert sorted((error["row"], error["reason"]) for error in report["errors"]) == [(1, word), (4, "address_invalid")]
    assert (report["rows"], report["taken"], report["refused"]) == (4, 2, 2)
    assert {row["outdial_id"] for row in (await secured.ok("GET", "/suppressions"))["result"]} == {own, ZERO}


async def test_an_entry_is_taken_off_also_when_its_outdial_is_deleted(api: Api) -> None:
    outdial = await api.outdial()
    await api.ok("POST", "/suppressions", {"prefix": "+49", "outdial_id": outdial})
    await api.ok("DELETE", f"/outdials/{outdial}")

    await api.ok("DELETE", "/suppressions", {"prefix": "+49", "outdial_id": outdial})

    assert (await api.ok("GET", "/suppressions"))["result"] == []
