"""The page by keyboard alone, and two things an operator counts on: drain, and the limits in the chart."""

import pytest
from playwright.async_api import Browser

from page.browser import window
from page.campaign import PLAN, ask
from page.conftest import Dialing, Serve

pytestmark = pytest.mark.asyncio(loop_scope="session")
FOCUSED = "document.activeElement.innerText"


async def test_rows_are_gone_through_and_opened_by_keys_alone(browser: Browser, serve: Serve) -> None:
    service = serve("--carrier", "none")
    for name in ("May", "June", "July"):
        ask(service.url, "POST", "/outdials", {"name": name})
    async with window(browser, service.url) as seen:
        page = seen.page
        await page.locator("[data-item]", has_text="May").wait_for()

        async def focused(key: str) -> str:
            await page.keyboard.press(key)
            return str(await page.evaluate(FOCUSED))

        assert [await focused(key) for key in "jjjjkk"] == ["July", "June", "May", "May", "June", "July"]
        await page.keyboard.press("?")
        await page.get_by_role("dialog", name="Keyboard").get_by_text("next and previous row").wait_for()
        await page.keyboard.press("j")
        await page.keyboard.press("Escape")
        await page.get_by_role("dialog").wait_for(state="hidden")
        assert await focused("j") == "June"
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="June", level=1).wait_for()
        await page.keyboard.press("s")
        await page.get_by_role("heading", name="System", level=1).wait_for()
        await page.keyboard.press("g")
        await page.locator("[data-item]", has_text="May").wait_for()


async def test_drain_calls_nobody_new_and_says_so(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(50)
    async with window(browser, service.url + campaign.views["outdial"]) as seen:
        page = seen.page
        await page.get_by_label("Reason, optional").fill("enough for today")
        await page.get_by_role("button", name="Drain", exact=True).click()
        await page.locator(".verdict", has_text="nobody new").wait_for()
        await page.locator(".feed", has_text="enough for today").wait_for()
        assert ask(service.url, "GET", f"/outdials/{campaign.outdial_id}/dialing")["draining"]
        assert await page.get_by_role("button", name="Drain", exact=True).is_hidden()


async def test_a_limit_of_the_plan_is_a_line_of_the_chart_and_goes_with_it(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(3)
    paced, free = (ask(service.url, "POST", "/outplans", PLAN | {"calls_per_second": pace})["id"] for pace in (1, None))
    path = f"/outdials/{campaign.outdial_id}/dialing"
    async with window(browser, service.url + campaign.views["outdial"]) as seen:
        page = seen.page
        limit = page.locator(".legend li", has_text="Limit of the plan")
        for outplan_id, shown in ((paced, "visible"), (free, "hidden")):
            ask(service.url, "PUT", path, {"status": "run", "outplan_id": outplan_id})
            await limit.wait_for(state=shown)  # type: ignore[arg-type]  # one of Playwright's words
