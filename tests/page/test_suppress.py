"""Somebody does not want to be called: put on the list from the page, after it was asked again, and told what is out already."""

import pytest
from playwright.async_api import Browser

from page.axe import violations
from page.browser import Window, window
from page.campaign import ask
from page.conftest import Dialing

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_number_is_suppressed_once_it_was_asked_again_and_the_calls_that_are_out_are_told(
    browser: Browser, dialing: Dialing
) -> None:
    service, campaign = dialing(1)
    async with window(browser, service.url + campaign.views["outdial"], viewport={"width": 360, "height": 900}) as seen:
        await typed_for_one_outdial(seen, campaign.outdial_id)
        [entry] = ask(service.url, "GET", "/suppressions")["result"]
        assert (entry["prefix"], entry["outdial_id"]) == ("+4470", campaign.outdial_id)

        await seen.until("() => document.querySelectorAll('.calls tbody tr').length === 1")
        await seen.page.goto(service.url + campaign.views["target"])
        await of_a_person_by_keyboard(seen)
        entry, _ = ask(service.url, "GET", "/suppressions")["result"]
        assert (entry["address"]["target"], entry["reason"]) == ("+12025550000", "asked us not to")


async def typed_for_one_outdial(seen: Window, outdial_id: str) -> None:
    page = seen.page
    await page.get_by_role("button", name="Do not call").click()
    await page.locator("[name=typed]").fill("nobody")
    await page.get_by_role("button", name="Go on").click()
    await page.get_by_text("A telephone number has a + and 7 to 15 digits").wait_for()
    assert await page.get_by_role("button", name="Call no more").count() == 0
    for spelled in ("+1 (202) 555-0123", "sip:Ann@example.com:5061", "ann@example.com"):
        await page.locator("[name=typed]").fill(spelled)
        await page.get_by_role("button", name="Go on").click()
        await page.get_by_role("button", name="Back", exact=True).click()
    await page.locator("[name=typed]").fill("+4470*")
    await page.locator("[name=scope]").select_option("In this outdial only")
    assert await lines(seen) == [
        f"outdial suppressions add '+4470*' --outdial {outdial_id}",
        f"outdial suppressions remove '+4470*' --outdial {outdial_id}",
    ]
    await page.get_by_role("button", name="Go on").click()
    await page.get_by_role("button", name="Call no more").click()
    await page.get_by_text("No call to it is out.").wait_for()


async def of_a_person_by_keyboard(seen: Window) -> None:
    page = seen.page
    await page.get_by_role("button", name="Do not call").press("Enter")
    await page.locator("[name=reason]").fill("asked us not to")
    assert await lines(seen) == [
        "outdial suppressions add +1202•••0000 --reason 'asked us not to'",
        "outdial suppressions remove +1202•••0000",
    ]
    assert await violations(seen) == []
    await page.locator("[name=reason]").press("Enter")
    await page.get_by_text("Call +1202•••0000 no more, in any outdial?").wait_for()
    assert await violations(seen) == []
    await page.keyboard.press("Enter")
    await page.get_by_text("1 call was requested before and may be under way").wait_for()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").wait_for(state="detached")


async def lines(seen: Window) -> list[str]:
    """The lines of the program; the one for curl comes first."""
    first, *rest = await seen.page.get_by_role("dialog").locator(".line code").all_text_contents()
    assert first.startswith("curl -X POST '")
    return rest
