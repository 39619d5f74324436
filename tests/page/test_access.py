"""Everybody can read it: no violation that axe-core finds, in either theme, wide and narrow; and nothing moves sideways.

On a wall nothing is to be pressed.
"""

import pytest
from playwright.async_api import Browser

from page.axe import violations
from page.browser import window
from page.campaign import Campaign
from page.conftest import Serve

PRESSED = "() => [...document.querySelectorAll('button, input, select')].filter((one) => one.checkVisibility()).map((one) => one.outerHTML)"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_view_can_be_read_by_everybody_and_a_wall_from_across_the_room(browser: Browser, serve: Serve) -> None:
    service = serve("--carrier", "simulated", "--speed", "20")
    campaign = Campaign.begun(service.url)
    for theme in ("light", "dark"):
        for width in (1440, 360):
            async with window(browser, color_scheme=theme, viewport={"width": width, "height": 900}) as seen:
                for name, path in campaign.views.items():
                    await seen.page.goto(service.url + path)
                    await seen.until("() => document.querySelector('#freshness').dataset.state === 'on'")
                    await seen.page.wait_for_selector(campaign.shown[name])
                    assert (name, theme, width, await violations(seen)) == (name, theme, width, [])
                    sideways = await seen.page.evaluate("document.documentElement.scrollWidth")
                    assert (name, sideways) == (name, width)
    async with window(browser, viewport={"width": 1920, "height": 1080}) as seen:
        for name in ("overview", "outdial"):
            await seen.page.goto(f"{service.url}{campaign.views[name]}?wall=1")
            await seen.page.wait_for_selector(campaign.shown[name])
            assert (name, await seen.page.evaluate(PRESSED)) == (name, [])
        assert await seen.page.evaluate("parseFloat(getComputedStyle(document.querySelector('.funnel .n')).fontSize)") >= 48
