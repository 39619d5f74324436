"""The topics described, over HTTP."""

import json
import re

from api.door import Api
from outdial.asyncapi import asyncapi_document
from outdial.topology import Topology


async def test_the_document_of_the_topics_is_served_as_it_is_checked_in(api: Api) -> None:
    answer = await api.http.get("/asyncapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.content == asyncapi_document()


async def test_the_document_is_about_the_topics_of_the_installation(api: Api) -> None:
    api.app.state.topology = Topology("acme", 3)

    document = json.loads((await api.http.get("/asyncapi.json")).content)
    page = (await api.http.get("/docs/messages")).text

    assert document["channels"]["commands"]["address"] == "acme.commands"
    assert "acme.commands" in page
    assert "outdial.commands" not in page


async def test_the_page_of_the_messages_shows_each_and_has_nothing_from_another_host(api: Api) -> None:
    answer = await api.http.get("/docs/messages")

    assert answer.headers["content-type"].startswith("text/html")
    for message in json.loads(asyncapi_document())["components"]["messages"].values():
        assert f"<summary>{message['title']}</summary>" in answer.text
    assert re.search(r"""(src|href|action)=["']?https?:|url\(|@import""", answer.text) is None
    assert "<script" not in answer.text
    assert "/docs/messages" in (await api.http.get("/docs")).text
