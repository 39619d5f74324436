"""Pages and times (contract 1.4, 1.5, C7, C23, C24)."""

from typing import Any

import pytest

from api.door import Api

ZERO = "00000000-0000-0000-0000-000000000000"


async def pages(api: Api, path: str, size: int, more: str = "") -> tuple[list[str], list[str]]:
    """All ids of a list, page by page, and the tokens in between."""
    ids: list[str] = []
    tokens: list[str] = []
    token = ""
    while True:
        body = await api.ok(
            "GET", path, params={"page_size": size, **({"page_token": token} if token else {}), **dict([more.split("=")] if more else [])}
        )
        ids += [row["id"] for row in body["result"]]
        token = body["next_page_token"]
        if not token:
            assert body["result"] == []
            return ids, tokens
        tokens.append(token)
        assert len(tokens) < 100


async def numbers(api: Api, outdial_id: str, first: int, count: int) -> list[str]:
    """Ids of targets made with one command, so at one instant, oldest first."""
    items = [
        {"destination": {"type": "tel", "target": f"+1555{number:07}"}} for number in range(2_000_000 + first, 2_000_000 + first + count)
    ]
    return [target["id"] for target in (await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": items}))["result"]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_every_row_comes_once_newest_first_also_those_that_share_a_microsecond(api: Api, size: int) -> None:
    outdial_id = await api.outdial()
    made: list[str] = []
    for first, count in ((0, 1), (10, 5), (20, 1), (30, 7)):
        made += await numbers(api, outdial_id, first, count)

    ids, tokens = await pages(api, f"/outdials/{outdial_id}/targets", size)

    assert ids == made[::-1]
    assert len(tokens) == -(-len(made) // size)


async def test_the_token_has_an_id_only_where_the_next_row_shares_the_microsecond(api: Api) -> None:
    outdial_id = await api.outdial()
    await numbers(api, outdial_id, 0, 2)
    newest = (await numbers(api, outdial_id, 10, 1))[0]
    path = f"/outdials/{outdial_id}/targets"

    first = await api.ok("GET", path, params={"page_size": 1})
    second = await api.ok("GET", path, params={"page_size": 1, "page_token": first["next_page_token"]})

    assert first["result"][0]["id"] == newest
    assert first["next_page_token"] == first["result"][0]["tm_create"]
    assert second["next_page_token"] == f"{second['result'][0]['tm_create']},{second['result'][0]['id']}"


async def test_a_bare_time_in_any_form_is_a_token(api: Api) -> None:
    old = await api.ok("POST", "/outdials", {})
    new = await api.ok("POST", "/outdials", {})
    seeds = new["tm_create"]
    iso = seeds.replace(" ", "T") + "Z"

    for token in (seeds, iso, iso.replace("Z", "+00:00"), f"{seeds},{new['id'].upper()}"):
        found = (await api.ok("GET", "/outdials", params={"page_token": token}))["result"]
        assert [row["id"] for row in found] == [old["id"]], token
    assert len((await api.ok("GET", "/outdials", params={"page_token": "9999-01-01 00:00:00.000000"}))["result"]) == 2
    assert len((await api.ok("GET", "/outdials", params={"page_token": ""}))["result"]) == 2


@pytest.mark.parametrize(
    ("asked", "given"), [("1", 1), ("100", 100), ("0", 100), ("-5", 100), ("101", 100), ("9" * 50, 100), ("", 100), ("+3", 3)]
)
async def test_a_size_outside_1_to_100_is_100(api: Api, asked: str, given: int) -> None:
    outdial_id = await api.outdial()
    await numbers(api, outdial_id, 0, 120)

    body = await api.ok("GET", f"/outdials/{outdial_id}/targets", params={"page_size": asked})

    assert len(body["result"]) == given


async def test_an_empty_list_is_an_empty_array_with_an_empty_token(api: Api) -> None:
    for path in ("/outdials", "/outplans", "/campaigns", "/campaigncalls"):
        assert await api.ok("GET", path) == {"result": [], "next_page_token": ""}


async def test_deleted_rows_are_left_out_unless_asked_for(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id)
    plan = (await api.ok("POST", "/outplans", {}))["id"]
    campaign = (await api.ok("POST", "/campaigns", {}))["id"]
    for path in (
        f"/outdials/{outdial_id}/targets/{target['id']}",
        f"/outplans/{plan}",
        f"/campaigns/{campaign}",
        f"/outdials/{outdial_id}",
    ):
        gone: dict[str, Any] = await api.ok("DELETE", path)
        assert not gone["tm_delete"].startswith("9999")
        assert await api.ok("GET", path) == gone
        listed = path.rpartition("/")[0]
        assert (await api.ok("GET", listed))["result"] == []
        assert [row["id"] for row in (await api.ok("GET", f"{listed}?deleted=true"))["result"]] == [gone["id"]]


async def test_times_come_as_rfc_3339_and_null_on_request(api: Api) -> None:
    made = await api.ok("POST", "/outdials?time=iso", {})

    for answer in (made, await api.ok("GET", f"/outdials/{made['id']}", headers={"Outdial-Time": "iso"})):
        assert answer["tm_create"].endswith("Z")
        assert answer["tm_create"][10] == "T"
        assert answer["tm_update"] is answer["tm_delete"] is None
    body = await api.ok("GET", "/outdials?time=iso")
    assert body["next_page_token"] == made["tm_create"]
    assert (await api.ok("GET", f"/outdials/{made['id']}"))["tm_delete"] == "9999-01-01 00:00:00.000000"
