"""The page looks the same on Kafka, and what it does is done: import, start, pause, and on after a restart. Run by ``make doors``."""

import pytest
from playwright.async_api import Browser

from both import MakeSettings
from page import test_operator as operator
from page.browser import window
from page.conftest import Serve

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.only("kafka", why="tests/page/test_operator.py has it on the embedded runtime")
async def test_an_operator_does_the_same_on_kafka(browser: Browser, serve: Serve, make_settings: MakeSettings) -> None:
    service = serve(*operator.SIMULATED, settings=make_settings())
    async with window(browser) as seen:
        await operator.imports_a_list(seen, service.url)
        await operator.starts_by_a_new_plan(seen)
        await operator.pauses(seen)
        await seen.page.get_by_role("button", name="Resume", exact=True).click()
        await seen.until("() => document.querySelector('.chip').textContent.includes('Dialing')")
        await seen.page.get_by_role("button", name="Stop", exact=True).click()
        await seen.until("() => document.querySelector('.verdict').textContent.includes('Not dialing: it was stopped')")
        await seen.until("() => document.querySelectorAll('.calls tbody tr').length === 0")
        assert await operator.numbers_are_those_of_their_json(seen) > 20
        await operator.goes_on_after_a_restart(seen, service, serve)
