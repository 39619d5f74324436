"""Somebody is found on a list by what is known of them, and no number gets into an address; why somebody steered is kept and shown."""

import json
import re

import pytest
from playwright.async_api import Browser

from cli.program import end
from page.axe import violations
from page.browser import window
from page.campaign import ask
from page.conftest import Dialing

pytestmark = pytest.mark.asyncio(loop_scope="session")
NAMED = "tbody tr th"
MOVED = """
window.moved = [];
new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries())
        for (const { node, previousRect, currentRect } of sources)
            if (node?.matches?.(".funnel, .columns") && Math.abs(previousRect.y - currentRect.y) > 2)
                moved.push([node.className, previousRect.y, currentRect.y]);
}).observe({type: "layout-shift", buffered: true});
"""
"""Keeps the blocks of the page that moved up or down while nobody scrolled."""


async def test_somebody_is_found_by_name_number_or_id_and_no_number_is_sent(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(130)
    async with window(browser) as seen:
        page, asked = seen.page, []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(service.url + campaign.views["outdial"])
        await page.locator("a[data-find]").wait_for()
        await page.keyboard.press("/")
        await page.get_by_text("100 shown; the newest 100 looked at.").wait_for()
        find = page.get_by_role("searchbox")
        await page.keyboard.type("555 0007")
        await page.get_by_text("0 shown; the newest 100 looked at. Enter looks further.").wait_for()
        await find.press("Enter")
        await page.get_by_text("1 shown; all 130 looked at.").wait_for()
        assert await page.locator(NAMED).all_inner_texts() == ["Ada Byron 7"]
        assert await violations(seen) == []
        await find.fill("hopper 1")
        assert [name[:14] for name in await page.locator(NAMED).all_inner_texts()] == ["Grace Hopper 1"] * await page.locator(NAMED).count()
        await find.fill(campaign.target_id.upper())
        await find.press("Enter")
        await seen.until("([path]) => location.pathname === path", campaign.views["target"])
        # Ports, ids, and the instant a page begins at have any digits.
        said = [re.sub(r"^http://127\.0\.0\.1:\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|page_token=[^&]*", "", url) for url in asked]
        assert not [url for url in said if "0007" in url or "555" in url]


async def test_every_number_of_the_funnel_leads_to_a_list_of_as_many_and_to_its_json(browser: Browser, dialing: Dialing) -> None:
    """40 of 100 are called and nobody takes the calls; one is reached, one waits for a retry, one has no try under the plan."""
    service, campaign = dialing(100)
    path = f"/outdials/{campaign.outdial_id}"
    ask(service.url, "POST", f"{path}/targets", {"destination_3": {"type": "tel", "target": "+12025550199"}, "name": "Nobody"})
    while len(asked := ask(service.url, "GET", "/dial_requests?after=0&limit=100&wait_ms=1000")["result"]) < 40:
        pass
    ask(service.url, "PUT", f"{path}/dialing", {"status": "pause"})
    for request, outcome in zip(asked, ("answered", "busy"), strict=False):
        ask(service.url, "POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": outcome})
    async with window(browser, service.url + campaign.views["outdial"]) as seen:
        page = seen.page
        await page.locator(".funnel li", has_text="Reached").get_by_text("1", exact=True).wait_for()
        tiles = page.locator(".funnel li")
        told = {
            await tile.locator("a.label").inner_text(): int(await tile.locator(".n").inner_text())
            for tile in [tiles.nth(place) for place in range(await tiles.count())]
        }
        assert told == {
            "On the list": 101, "Due now": 60, "Due later": 1, "In progress": 38, "Reached": 1, "Out of tries": 0, "No try left by plan": 1,
        }  # fmt: skip
        for label, number in told.items():
            await page.locator(".funnel").get_by_role("link", name=label, exact=True).click()
            end = "all" if number < 100 else "the newest"
            await page.get_by_text(f"{min(number, 100)} shown; {end} {min(number, 100)} looked at.").wait_for()
            assert await page.locator(NAMED).count() == min(number, 100)
            await page.get_by_role("link", name="JSON").click()
            await page.get_by_role("dialog").locator("pre", has_text='"result"').wait_for()
            shown = json.loads(await seen.text("dialog pre"))
            assert len(shown["result"]) == min(number, 100)
            await page.keyboard.press("Escape")
            await page.go_back()
            await page.locator(".funnel li", has_text="Reached").get_by_text("1", exact=True).wait_for()


async def test_why_somebody_paused_or_stopped_is_asked_and_shown_in_verdict_feed_and_chart(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(3)
    async with window(browser, service.url + campaign.views["outdial"]) as seen:
        page = seen.page
        await page.locator("tr", has_text="Destination · try").wait_for()
        await page.get_by_text("0 · 1 of 3").first.wait_for()
        await page.get_by_label("Reason, optional").fill("the line is bad")
        await page.get_by_role("button", name="Pause", exact=True).click()
        await page.locator(".verdict", has_text="Reason: the line is bad.").wait_for()
        await page.locator(".feed", has_text="dialing paused: the line is bad").wait_for()
        await page.locator(".steered", has_text="paused: the line is bad").wait_for()
        assert await page.get_by_label("Reason, optional").input_value() == ""
        told = ask(service.url, "GET", f"/outdials/{campaign.outdial_id}/dialing")
        assert told["paused"]["reason"] == "the line is bad"

        await page.get_by_label("Reason, optional").fill("wrong_list v2")
        await page.get_by_role("button", name="Stop", exact=True).click()
        await page.locator(".verdict", has_text="it was stopped. Reason: wrong_list v2.").wait_for()
        await page.locator(".feed", has_text="dialing stopped: wrong_list v2").wait_for()
        assert await page.get_by_label("Reason, optional").is_hidden()
        ask(service.url, "PUT", f"/outdials/{campaign.outdial_id}/dialing", {"status": "run"})
        await page.get_by_role("button", name="Resume", exact=True).wait_for(state="hidden")
        await page.get_by_role("button", name="Pause", exact=True).click()
        await page.locator(".chip", has_text="Paused").wait_for()

        end(service)
        await page.get_by_role("button", name="Resume", exact=True).click()
        await page.get_by_text("The service cannot be reached. See whether it is running").wait_for()


@pytest.mark.parametrize("width", [1440, 360])
async def test_what_stands_below_the_verdict_does_not_move_when_numbers_come(browser: Browser, dialing: Dialing, width: int) -> None:
    service, campaign = dialing(100, "simulated", "--speed", "20")
    async with window(browser, viewport={"width": width, "height": 900}) as seen:
        await seen.page.add_init_script(MOVED)
        await seen.page.goto(service.url + campaign.views["outdial"])
        await seen.page.locator(".calls tbody tr").first.wait_for()
        await seen.page.locator(".held tbody tr").first.wait_for()
        ask(service.url, "PUT", f"/outdials/{campaign.outdial_id}/dialing", {"status": "pause", "reason": "the line is bad"})
        await seen.page.locator(".verdict", has_text="the line is bad").wait_for()
        assert await seen.page.evaluate("moved") == []


async def test_what_holds_a_paused_list_says_resume_it(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(60)
    ask(service.url, "PUT", f"/outdials/{campaign.outdial_id}/dialing", {"status": "pause"})
    async with window(browser, service.url + campaign.views["outdial"]) as seen:
        await seen.page.locator(".held tr", has_text="Dialing is paused").get_by_text("resume it", exact=True).wait_for()


async def test_the_system_page_says_how_large_the_store_is_as_its_json_does(browser: Browser, dialing: Dialing) -> None:
    service, _ = dialing(40)
    async with window(browser, f"{service.url}/system") as seen:
        card = seen.page.locator(".card", has=seen.page.get_by_role("heading", name="Store"))
        database = card.locator("dl div", has_text="Database").locator("dd")
        await database.wait_for()
        stored = ask(service.url, "GET", "/views")["store"]
        assert await database.get_attribute("title") == f"{stored['database_bytes']:,} bytes"
        assert (await database.inner_text()).endswith((" KiB", " MiB"))
        assert " of " in await card.locator("dl div", has_text="Free on its disk").locator("dd").inner_text()


async def test_the_system_page_says_how_long_things_take_in_words(browser: Browser, dialing: Dialing) -> None:
    service, _ = dialing(40, "simulated", "--speed", "60")
    async with window(browser, f"{service.url}/system") as seen:
        row = seen.page.locator("tr", has_text="From sending a command until its answer is there")
        await row.wait_for()
        p50, p99, times = await row.locator("td").all_inner_texts()
        assert p50.startswith(("≤ ", "over "))
        assert p99.endswith((" ms", " s", " min"))
        assert int(times) > 0
        aborted = seen.page.locator("tr", has=seen.page.locator("th", has_text="aborted")).locator("td")
        assert await aborted.inner_text() == "0"
        text = await seen.text("main")
        assert "e+" not in text
        assert "_seconds" not in text
        assert await violations(seen) == []
