"""``python -m page.pictures``: the page as it looks, in both themes, wide and narrow, into docs/pictures."""

import asyncio
import tempfile
from pathlib import Path

from cli.program import end, start
from page.browser import chromium, window
from page.campaign import Campaign, ask

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SETTLED_MS = 12_000
"""Until there is something to see: at this speed, twelve minutes of dialing."""
PEOPLE = 1_500
"""On the list that is looked at; it is still dialed when the last picture is taken."""
LOOKED_BACK_TO = 2_000
"""Events of the campaign: its list, and some minutes of dialing."""
THEMES = ("light", "dark")
WIDTHS = (1440, 360)


async def main() -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        service = start(Path(folder) / "data", "--carrier", "simulated", "--speed", "60", "--seed", "7")
        try:
            Campaign.begun(service.url, 900, "Autumn renewals")
            stopped = Campaign.begun(service.url, 250, "Clinic reminders")
            campaign = Campaign.begun(service.url, PEOPLE)
            await asyncio.sleep(SETTLED_MS / 1_000)
            ask(service.url, "PUT", f"/outdials/{stopped.outdial_id}/dialing", {"status": "stop"})
            await take(service.url, campaign)
        finally:
            end(service)


async def take(url: str, campaign: Campaign) -> None:
    """One picture of each view in each form."""
    views = {**campaign.views, "then": f"{campaign.views['outdial']}?at={LOOKED_BACK_TO}"}
    async with chromium() as browser:
        for theme in THEMES:
            for width in WIDTHS:
                async with window(browser, color_scheme=theme, viewport={"width": width, "height": 900}) as seen:
                    for name, path in views.items():
                        await seen.page.goto(url + path)
                        await seen.page.wait_for_selector(campaign.shown[name])
                        await seen.until("() => document.querySelector('#freshness').dataset.state in {on: 1, then: 1, read: 1}")
                        await seen.page.wait_for_timeout(1_500)
                        await seen.page.screenshot(path=PICTURES / f"{name}-{theme}-{width}.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(main())
