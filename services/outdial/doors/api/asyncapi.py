"""The topics and the websocket, described: ``/asyncapi.json`` (AsyncAPI 3.0) and a page to read it by, with nothing from another host."""

import asyncio
import json
from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.asyncapi import asyncapi_document
from outdial.doors.api.pages import page, table
from outdial.topology import Topology

router = APIRouter(tags=["health"])


@router.get("/asyncapi.json")
async def describe_topics(request: Request) -> Response:
    """The topics and every message on them as AsyncAPI 3.0."""
    return Response(await asyncio.to_thread(asyncapi_document, _topology(request)), media_type="application/json")


@router.get("/docs/messages")
async def read_messages(request: Request) -> Response:
    """The topics and every message on them as a page."""
    return page("Outdial: messages", await asyncio.to_thread(_body, _topology(request)))


def _topology(request: Request) -> Topology:
    """That of the installation, where whoever put it together set ``app.state.topology``."""
    found: Topology | None = getattr(request.app.state, "topology", None)
    return found or Topology()


@lru_cache(maxsize=1)
def _body(topology: Topology) -> str:
    document = json.loads(asyncapi_document(topology))
    messages = document["components"]["messages"]
    sections = [
        _section(channel, [messages[name] for name in channel["messages"]], _who(document["operations"], name))
        for name, channel in document["channels"].items()
    ]
    about = "".join(f"<p>{escape(text)}</p>" for text in document["info"]["description"].split("\n\n"))
    links = '<p>The same for programs: <a href="/asyncapi.json">asyncapi.json</a>. The routes: <a href="/docs">docs</a>.</p>'
    return f"<h1>Messages</h1>{about}{links}{''.join(sections)}"


def _who(operations: dict[str, Any], channel: str) -> list[str]:
    return [operation["summary"] for operation in operations.values() if operation["channel"]["$ref"] == f"#/channels/{channel}"]


def _section(channel: dict[str, Any], messages: list[dict[str, Any]], who: list[str]) -> str:
    kafka = channel["bindings"].get("kafka")
    shown = table(_query(channel["bindings"]["ws"])) if kafka is None else f"<p>{escape(_settings(kafka))}.</p>"
    roles = "".join(f"<li>{escape(text)}</li>" for text in who)
    head = f"<h2><code>{escape(channel['address'])}</code></h2><p>{escape(channel['description'])}</p>{shown}<ul>{roles}</ul>"
    return head + "".join(_message(message) for message in messages)


def _settings(kafka: dict[str, Any]) -> str:
    """How the topic is made."""
    settings = {"partitions": kafka["partitions"], **kafka["topicConfiguration"]}
    return "; ".join(f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in settings.items())


def _query(socket: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the request that opens a websocket may say."""
    return [(f"?{name}=", field["description"], "") for name, field in socket["query"]["properties"].items()]


def _message(message: dict[str, Any]) -> str:
    """One message: what it is, its headers and fields, and examples."""
    headers = message.get("headers", {}).get("properties", {})
    required = message["payload"].get("required", [])
    fields = [(f"header {name}", field.get("description", ""), "") for name, field in headers.items()]
    fields += [
        (name, field.get("description", ""), "required" if name in required else "")
        for name, field in message["payload"]["properties"].items()
    ]
    examples = "".join(
        f"<pre>{escape(json.dumps(example['payload'], indent=2, ensure_ascii=False))}</pre>" for example in message["examples"]
    )
    return f"<details><summary>{escape(message['title'])}</summary><p>{escape(message['summary'])}</p>{table(fields)}{examples}</details>"
