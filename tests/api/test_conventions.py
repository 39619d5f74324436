"""Versions, positions and problems: what every route has in common (RFC 9110, RFC 9457)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.door import Api, Clock, client_of
from both import SOME, MakeStage
from outdial.doors.api.app import make_app

NOBODY = "00000000-0000-4000-8000-00000000dead"
PROBLEM = "application/problem+json"


async def one_of_each(api: Api) -> dict[str, str]:
    """The paths of one resource of each kind."""
    plan = (await api.ok("POST", "/outplans", {"max_try_count_0": 2}))["id"]
    outdial = await api.outdial()
    target = await api.target(outdial)
    campaign = (await api.ok("POST", "/campaigns", {"outdial_id": outdial, "outplan_id": plan}))["id"]
    await api.ok("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    [request] = await api.requests()
    await api.say(request, "answered")
    return {
        "outdial": f"/outdials/{outdial}",
        "target": f"/outdials/{outdial}/targets/{target['id']}",
        "outplan": f"/outplans/{plan}",
        "campaign": f"/campaigns/{campaign}",
        "attempt": f"/campaigncalls/{request['attempt_id']}",
    }


async def test_every_single_resource_has_a_tag_and_is_not_sent_again_to_who_has_it(api: Api) -> None:
    for path in (await one_of_each(api)).values():
        first = await api.call("GET", path)
        tag = first.headers["etag"]
        for known in (tag, f'"0", {tag}', f"W/{tag}", "*"):
            again = await api.call("GET", path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert again.headers["outdial-position"]
        for other in ('"0"', f'"1{tag[1:]}', "nonsense"):
            assert (await api.call("GET", path, headers={"If-None-Match": other})).json() == first.json()


async def test_a_tag_changes_with_its_resource_and_only_then(api: Api) -> None:
    paths = await one_of_each(api)
    for path in (paths["outdial"], paths["outplan"], paths["campaign"]):
        before = (await api.call("GET", path)).headers["etag"]
        changed = await api.call("PUT", path, {"name": "another"})
        same = await api.call("PUT", path, {"name": "another"})
        after = (await api.call("GET", path)).headers["etag"]
        assert before != changed.headers["etag"] == same.headers["etag"] == after


async def test_a_write_on_a_version_that_is_gone_is_refused_and_changes_nothing(api: Api) -> None:
    paths = await one_of_each(api)
    await api.ok("PUT", f"{paths['campaign']}/status", {"status": "stop"})
    for name, method, tail, body in (
        ("outdial", "PUT", "", {"name": "x"}),
        ("outdial", "PUT", "/data", {"data": "x"}),
        ("outplan", "PUT", "", {"name": "x"}),
        ("outplan", "PUT", "/dial_info", {"dial_timeout": 1_000}),
        ("campaign", "PUT", "", {"name": "x"}),
        ("campaign", "PUT", "/service_level", {"service_level": 3}),
        ("attempt", "DELETE", "", None),
        ("target", "DELETE", "", None),
        ("campaign", "DELETE", "", None),
        ("outdial", "DELETE", "", None),
        ("outplan", "DELETE", "", None),
    ):
        tag = (await api.call("GET", paths[name])).headers["etag"]
        written = api.written()
        for gone in ('"0"', f"W/{tag}", f'"1{tag[1:]}', '"x"'):
            error = await api.refused(412, "VERSION_DIFFERS", method, paths[name] + tail, body, headers={"If-Match": gone})
            assert (error["status"], error["details"][0]["rule"]) == ("FAILED_PRECONDITION", "version_differs")
        assert api.written() == written
        await api.ok(method, paths[name] + tail, body, headers={"If-Match": f'"0", {tag}'})
        assert api.written() > written


async def test_any_version_of_what_is_there_satisfies_the_star(api: Api) -> None:
    outdial_id = await api.outdial()

    await api.ok("PUT", f"/outdials/{outdial_id}", {"name": "x"}, headers={"If-Match": "*"})
    await api.refused(404, "OUTDIAL_NOT_FOUND", "PUT", f"/outdials/{NOBODY}", {"name": "x"}, headers={"If-Match": "*"})
    await api.refused(404, "OUTDIAL_NOT_FOUND", "PUT", f"/outdials/{NOBODY}", {"name": "x"}, headers={"If-Match": '"1"'})


async def test_of_many_writers_on_one_version_one_wins(api: Api) -> None:
    outdial_id = await api.outdial()
    tag = (await api.call("GET", f"/outdials/{outdial_id}")).headers["etag"]

    found = await asyncio.gather(
        *(api.call("PUT", f"/outdials/{outdial_id}", {"name": f"n{number}"}, headers={"If-Match": tag}) for number in range(20))
    )

    assert sorted(answer.status_code for answer in found) == [200] + [412] * 19
    [won] = [answer.json() for answer in found if answer.status_code == 200]
    assert (await api.ok("GET", f"/outdials/{outdial_id}")) == won


async def test_every_answer_says_a_position_and_a_read_may_ask_for_it(api: Api) -> None:
    outdial_id = await api.outdial()
    made = api.seen[-1].headers["outdial-position"]

    for path in ("/outdials", f"/outdials/{outdial_id}", f"/outdials/{outdial_id}/stats", "/events", "/dial_requests"):
        assert (await api.call("GET", path)).headers["outdial-position"] == made
        await api.ok("GET", f"{path}?min_position={made}&stale=1")
    for method, path in (("GET", f"/outdials/{NOBODY}"), ("POST", "/outdials/"), ("PATCH", "/outdials")):
        answer = await api.call(method, path)
        assert (answer.status_code // 100, answer.headers["outdial-position"]) == (4, made)


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", "/outdials", {"name": 1}, "/name"),
        ("POST", "/outdials", {"plan": {"dial_timeout": -1}}, "/plan/dial_timeout"),
        ("POST", "/outplans", {"dial_timeout": "soon"}, "/dial_timeout"),
        ("POST", "/outplans", {"source": {"type": "tel", "target": 7}}, "/source/target"),
        ("POST", "/campaigns", {"type": "fax"}, "/type"),
        ("POST", "/campaigns", {"outplan_id": "x"}, "/outplan_id"),
        ("POST", "/dial_results", {}, "/attempt_id"),
        ("POST", "/commands", {"type": "CreateOutdial", "outdial_id": NOBODY, "colour": "red"}, "/colour"),
    ],
)
async def test_a_problem_names_the_place_in_the_body(api: Api, method: str, path: str, body: Any, pointer: str) -> None:
    answer = await api.call(method, path, body, headers={"Accept": PROBLEM, "X-Request-Id": "mine"})

    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    problem = answer.json()
    assert problem["errors"] == [{"pointer": pointer, "detail": problem["detail"]}]
    known = {"type": "about:blank", "title": "Bad Request", "status": 400, "reason": "INVALID_ARGUMENT", "request_id": "mine"}
    assert known.items() <= problem.items()
    assert problem["rule"]


async def test_who_asks_for_problems_gets_them_from_every_part_of_the_door(api: Api) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("PATCH", "/outdials", 405), ("GET", "/outdials?min_position=x", 400)):
        answer = await api.call(method, path, headers={"Accept": f"application/json, {PROBLEM};q=0.9"})
        assert (answer.status_code, answer.headers["content-type"], answer.json()["status"]) == (status, PROBLEM, status)
        assert "errors" not in answer.json()


@pytest.mark.parametrize("accept", [f"{PROBLEM};q=0", f"application/json, {PROBLEM} ; Q=0.000", f"text/x-{PROBLEM}", "*/*"])
async def test_who_does_not_want_problems_gets_none(api: Api, accept: str) -> None:
    answer = await api.call("GET", "/nowhere", headers={"Accept": accept})

    assert (answer.headers["content-type"], answer.json()["error"]["reason"]) == ("application/json", "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("accept", [PROBLEM, f"{PROBLEM};q=0.001", f"text/html, {PROBLEM.upper()};q=1"])
async def test_who_wants_problems_gets_them(api: Api, accept: str) -> None:
    assert (await api.call("GET", "/nowhere", headers={"Accept": accept})).headers["content-type"] == PROBLEM


@pytest.mark.only("kafka", why="the embedded runtime is one process")
async def test_changes_of_different_fields_of_a_plan_through_two_processes_all_hold(make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(tmp_path, clock := Clock(), SOME)
    apis: list[Api] = []
    for runtime in (await stage.start(), await stage.another(), await stage.another()):
        app = make_app(runtime, runtime.reader)
        apis.append(Api(client_of(app), runtime, clock, app, stage))
    plan = (await apis[0].ok("POST", "/outplans", {}))["id"]

    for at in range(1, 4):
        wanted = {f"max_try_count_{index}": at for index in range(5)} | {"dial_timeout": 1_000 * at}
        await asyncio.gather(
            *(
                apis[number % 3].ok("PUT", f"/outplans/{plan}/dial_info", {name: value})
                for number, (name, value) in enumerate(wanted.items())
            )
        )
        assert wanted.items() <= (await apis[at % 3].ok("GET", f"/outplans/{plan}")).items()

    for api in apis:
        await api.http.aclose()
    await stage.close()
