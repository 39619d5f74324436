"""Everybody can read it: no violation that axe-core finds, in either theme, wide and narrow; and nothing moves sideways."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from page.browser import Window, window
from page.campaign import Campaign
from page.conftest import Serve

pytestmark = pytest.mark.asyncio(loop_scope="session")
AXE = Path(__file__).with_name("vendor") / "axe-core" / "axe.min.js"
RUN = """async () => {
    const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
    return found.violations.map((one) => [one.id, one.help, ...one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160))]);
}"""


@cache
def axe() -> str:
    return AXE.read_text("utf-8")


async def violations(seen: Window) -> Any:
    """What axe-core has to say against what is shown."""
    await seen.page.evaluate(axe())
    return await seen.page.evaluate(RUN)


async def test_every_view_can_be_read_by_everybody(browser: Browser, serve: Serve) -> None:
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
