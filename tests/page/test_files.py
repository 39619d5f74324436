"""The page as it is sent: own files only, nothing that runs from the markup, and for whoever has no token no more than that."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from api.door import ALICES, TOKENS, Clock, client_of
from both import MakeStage
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.doors.page.files import FOLDER, VIEWS, files, make_router
from page.browser import window
from page.conftest import Serve

SOME_ID = "40bea034-1d17-474d-a5de-da00d0861c69"


@pytest.fixture
async def client(tmp_path: Path, make_stage: MakeStage) -> AsyncIterator[httpx.AsyncClient]:
    stage = make_stage(tmp_path / "data", Clock())
    runtime = await stage.start()
    found = client_of(make_app(runtime, runtime.reader, Settings(tokens=TOKENS), [make_router()]))
    yield found
    await found.aclose()
    await stage.close()


async def test_every_address_of_the_page_is_the_same_file_and_may_run_only_its_own_scripts(client: httpx.AsyncClient) -> None:
    for view in VIEWS:
        answer = await client.get(view.format(id=SOME_ID, target_id=SOME_ID))
        policy = answer.headers["content-security-policy"]
        assert answer.content == files()["index.html"].content
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", answer.text)


async def test_no_file_of_ours_speaks_of_another_host_or_makes_markup_of_text() -> None:
    for name, file in files().items():
        if not name.startswith("vendor/"):
            text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), name


async def test_every_script_is_asked_for_at_once() -> None:
    named = re.findall(r'(?:src|href)="/page/([^"]*\.js)"', files()["index.html"].content.decode())

    assert sorted(named) == sorted(name for name in files() if name.endswith(".js"))


async def test_what_is_vendored_has_its_licence() -> None:
    for folder in (FOLDER / "vendor").iterdir():
        assert (folder / "LICENSE").read_text("utf-8").strip()


async def test_a_file_the_browser_has_is_not_sent_again_and_one_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    first = await client.get("/page/app.js")
    again = await client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, first.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/page/../files.py")).status_code == 404
    assert (await client.get("/page/nothing.js")).status_code == 404


async def test_the_page_itself_needs_no_token_and_what_it_shows_does(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).status_code == 200
    assert (await client.get("/v1.0/live")).status_code == 401
    assert (await client.get("/v1.0/outdials")).status_code == 401
    assert (await client.get("/v1.0/outdials", headers={"Authorization": f"Bearer {ALICES}"})).status_code == 200


@pytest.mark.asyncio(loop_scope="session")
async def test_a_token_is_asked_for_kept_for_the_tab_and_never_part_of_an_address(browser: Browser, serve: Serve) -> None:
    service = serve("--token", "a-token-of-somebody")
    async with window(browser) as seen:
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.url))
        await seen.page.goto(service.url)
        for text in ("another", "a-token-of-somebody"):
            await seen.page.get_by_role("dialog").get_by_role("textbox").fill(text)
            await seen.page.get_by_role("button", name="Go on").click()
        await seen.page.get_by_text("No outdials yet").wait_for()
        await seen.page.reload()
        await seen.page.get_by_text("No outdials yet").wait_for()

        assert await seen.page.evaluate("localStorage.length") == 0
        assert not [url for url in asked if "token" in url]
        seen.faults = [fault for fault in seen.faults if "401" not in fault]
