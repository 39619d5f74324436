"""What is read first is true, and the overview and the page of a list say the same."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from cli.program import Service
from page.browser import Window, window
from page.campaign import ask, people
from page.conftest import Serve

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROW = "(name) => [...document.querySelectorAll('.outdials li')].find((row) => row.querySelector('.name').textContent === name)"


@pytest.fixture
def service(serve: Serve) -> Service:
    return serve("--carrier", "none")


@pytest_asyncio.fixture(loop_scope="session")
async def seen(browser: Browser) -> AsyncIterator[Window]:
    async with window(browser, timezone_id="Asia/Tokyo") as found:
        yield found


def begun(url: str, name: str, count: int, **plan: Any) -> str:
    """A list of so many, dialed by a plan."""
    outdial: str = ask(url, "POST", "/outdials", {"name": name})["id"]
    ask(url, "POST", f"/outdials/{outdial}/import", people(count), "text/csv")
    ask(url, "PUT", f"/outdials/{outdial}/dialing", {"status": "run", "plan": {"max_try_count_0": 1, **plan}})
    return outdial


async def says(seen: Window, service: Service, outdial_id: str, name: str, text: str) -> None:
    """Both say it."""
    await seen.page.goto(f"{service.url}/outdials/{outdial_id}")
    await seen.until("([text]) => document.querySelector('.verdict')?.textContent.includes(text)", text)
    await seen.page.goto(service.url)
    await seen.until(f"([name, text]) => ({ROW})(name)?.querySelector('.says').textContent.includes(text)", name, text)


async def test_a_list_whose_plan_gives_no_try_is_not_done_but_says_so(seen: Window, service: Service) -> None:
    outdial = begun(service.url, "June", 20, max_try_count_0=0)
    told = "Not dialing: of those who are left nobody can be called: the plan gives 20 no try. 0 people reached."
    await says(seen, service, outdial, "June", told)


async def test_a_list_of_whom_everybody_is_suppressed_is_not_done_but_says_so(seen: Window, service: Service) -> None:
    ask(service.url, "POST", "/suppressions", {"prefix": "+1202"})
    outdial = begun(service.url, "June", 3)
    told = "Not dialing: of those who are left nobody can be called: 3 may not be called by a suppression list. 0 people reached."
    await says(seen, service, outdial, "June", told)


async def test_a_list_outside_its_hours_says_so_and_when_they_open_there_and_here(seen: Window, service: Service) -> None:
    day = (datetime.now(UTC) + timedelta(days=2)).strftime("%a").lower()
    hours = {"hours": [{"days": [day], "start": "09:00", "end": "17:00"}], "time_zone": "UTC"}
    outdial = begun(service.url, "June", 4, windows=hours)
    await says(
        seen, service, outdial, "June", "Not dialing: all that are due are outside their hours (4); the next open at 09:00 UTC, here "
    )
    assert re.search(r" 18:00 \(in [12] d", await seen.text(".outdials .says"))
    stats = ask(service.url, "GET", f"/outdials/{outdial}/stats")
    assert (stats["opens_at"][11:16], stats["opens_zones"], stats["due_outside"]) == ("09:00", ["UTC"], 4)


async def test_a_list_that_drains_says_that_nobody_new_is_called(seen: Window, service: Service) -> None:
    outdial = begun(service.url, "June", 4, max_concurrent=1)
    ask(service.url, "PUT", f"/outdials/{outdial}/dialing", {"status": "drain"})
    await says(seen, service, outdial, "June", "Draining: nobody new is called, and ")
    assert "new target" not in await seen.text(".outdials .says")


async def test_of_somebody_who_is_rung_the_page_says_that_they_are_being_called(seen: Window, service: Service) -> None:
    outdial = begun(service.url, "June", 1)
    [target] = ask(service.url, "GET", f"/outdials/{outdial}/targets")["result"]
    await seen.page.goto(f"{service.url}/outdials/{outdial}/targets/{target['id']}")
    await seen.until("() => document.querySelector('.verdict')?.textContent.startsWith('Being called now: requested, not taken yet')")


async def test_a_list_that_drained_says_who_waits_for_another_run_and_not_that_nothing_was_left(seen: Window, service: Service) -> None:
    outdial = begun(service.url, "June", 4, max_concurrent=1)
    ask(service.url, "PUT", f"/outdials/{outdial}/dialing", {"status": "drain"})
    [call] = ask(service.url, "GET", f"/outdials/{outdial}/open_attempts")["result"]
    ask(service.url, "POST", "/dial_results", {"attempt_id": call["attempt_id"], "outcome": "answered"})
    told = "Not dialing: the last run finished. 3 targets wait for another."
    await seen.page.goto(f"{service.url}/outdials/{outdial}")
    await seen.until("([text]) => document.querySelector('.verdict')?.textContent.includes(text)", told)


async def test_a_call_that_is_held_back_only_by_the_pace_is_told_as_dialing(seen: Window, service: Service) -> None:
    outdial = begun(service.url, "June", 4, max_concurrent=1)
    await seen.page.goto(f"{service.url}/outdials/{outdial}")
    await seen.until(
        "() => document.querySelector('.verdict')?.textContent.includes('held back: as many calls are open as the plan allows')"
    )
    assert await seen.page.locator(".verdict").get_attribute("data-tone") == "go"
