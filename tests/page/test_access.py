"""Everybody can read it: no violation that axe-core finds, in either theme, wide and narrow; and nothing moves sideways.

On a wall nothing is to be pressed.
"""

from typing import Final, Literal

import pytest
from playwright.async_api import Browser

from page.axe import violations
from page.browser import window
from page.conftest import Dialing

THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTHS: Final = (1440, 360)
PRESSED: Final = (
    "() => [...document.querySelectorAll('button, input, select')].filter((one) => one.checkVisibility()).map((one) => one.outerHTML)"
)
TEXT: Final = "document.body.textContent"
FADED: Final = (
    "() => [...document.querySelectorAll('.scroll, .scroll-x')].every("
    "(one) => (one.scrollWidth - one.clientWidth - one.scrollLeft > 1) === one.hasAttribute('data-right'))"
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_view_can_be_read_by_everybody_and_a_wall_from_across_the_room(browser: Browser, dialing: Dialing) -> None:
    service, campaign = dialing(60, "simulated", "--speed", "20")
    async with window(browser) as seen:
        for name, path in campaign.views.items():
            await seen.page.goto(service.url + path)
            await seen.until("() => document.querySelector('#freshness').dataset.state in {on: 1, then: 1, read: 1}")
            await seen.page.wait_for_selector(campaign.shown[name])
            assert (name, "[object " in await seen.page.evaluate(TEXT)) == (name, False)
            for width in WIDTHS:
                await seen.page.set_viewport_size({"width": width, "height": 900})
                await seen.until(FADED)
                for theme in THEMES:
                    await seen.page.emulate_media(color_scheme=theme)
                    assert (name, theme, width, await violations(seen)) == (name, theme, width, [])
                    sideways = await seen.page.evaluate("document.documentElement.scrollWidth")
                    assert (name, sideways) == (name, width)
        await seen.page.set_viewport_size({"width": 1920, "height": 1080})
        for name in ("overview", "outdial"):
            await seen.page.goto(f"{service.url}{campaign.views[name]}?wall=1")
            await seen.page.wait_for_selector(campaign.shown[name])
            assert (name, await seen.page.evaluate(PRESSED)) == (name, [])
        assert await seen.page.evaluate("parseFloat(getComputedStyle(document.querySelector('.funnel .n')).fontSize)") >= 48
