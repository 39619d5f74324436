"""Where events are sent to, who sends them, and how far that is."""

from typing import Any

from given import a, given
from outdial.commands import DeleteWebhook, HoldWebhook, ReplayWebhook, SetWebhook
from outdial.dialing.webhook import LEASE_US
from outdial.events import WebhookDeleted, WebhookHeld, WebhookReplayed, WebhookSet
from saying import THEM, US
from sim import SECOND

URI = "https://pbx.example/events"
SECRET = "sixteen or more characters"  # noqa: S105  of a test
OTHER = "another one, also long"


def put(uri: str = URI, secret: str | None = SECRET, **more: Any) -> SetWebhook:
    return SetWebhook(customer_id=US, uri=uri, secret=secret, **more)


def hold(holder: str = "one", generation: int = 1, **more: Any) -> HoldWebhook:
    return HoldWebhook(customer_id=US, holder=holder, generation=generation, **more)


def test_a_webhook_begins_at_the_beginning_or_where_it_is_told() -> None:
    given().when(put()).then(a(WebhookSet, generation=1, uri=URI, method="POST", secret=SECRET, after="0"))
    given().when(put(after="7-0-3", method="PUT")).then(a(WebhookSet, after="7-0-3", method="PUT"))
    given().when(put(secret=None)).then_nothing().then_rejects("secret_missing")


def test_setting_it_again_keeps_what_is_not_named() -> None:
    there = given(put(), hold(cursor="40"))
    there.when(put(secret=None)).then_nothing()
    there.when(put("https://other.example/", None)).then(a(WebhookSet, generation=2, secret=None, after="40"))
    there.when(put("https://other.example/", OTHER)).then(a(WebhookSet, generation=3, secret=OTHER, after="40"))
    there.when(put("https://other.example/", None, after="3")).then(a(WebhookSet, generation=4, after="3"))


def test_what_is_not_set_is_unknown_to_everything_but_a_setting() -> None:
    for command in (DeleteWebhook(customer_id=US), ReplayWebhook(customer_id=US, after="0"), hold()):
        given().when(command).then_nothing().then_rejects("webhook_unknown")
    there = given(put()).when(DeleteWebhook(customer_id=US)).then(WebhookDeleted)
    there.when(DeleteWebhook(customer_id=US)).then_nothing()
    there.when(hold()).then_nothing().then_rejects("webhook_unknown")
    there.when(put(secret=None)).then_nothing().then_rejects("secret_missing")
    there.when(put()).then(a(WebhookSet, generation=2, after="0"))
    there.when(DeleteWebhook(customer_id=THEM)).then_nothing().then_rejects("webhook_unknown")


def test_one_sends_at_a_time_until_it_falls_silent() -> None:
    there = given(put()).when(hold("one", cursor="5", delivered=3)).then(a(WebhookHeld, holder="one", cursor="5", delivered=3))
    until = there.events[0].until  # type: ignore[attr-defined]
    assert until == there.sim.log[-1].time + LEASE_US
    there.when(hold("two")).then_nothing()
    assert there.answer is not None
    assert there.answer.result == "unchanged"
    there.when(hold("one", error="503")).then(a(WebhookHeld, cursor="5", error="503"))
    there.when(LEASE_US + SECOND)
    there.when(hold("two")).then(a(WebhookHeld, holder="two", cursor="5"))
    there.sim.restart()
    there.when(hold("one", cursor="6")).then_nothing()


def test_who_ends_lets_another_go_on_at_once() -> None:
    there = given(put(), hold("one")).when(hold("one", cursor="9", release=True)).then(a(WebhookHeld, cursor="9"))
    there.when(hold("two")).then(a(WebhookHeld, holder="two", cursor="9"))


def test_what_was_sent_before_a_replay_or_a_new_setting_does_not_count_for_it() -> None:
    there = given(put(), hold(cursor="40")).when(ReplayWebhook(customer_id=US, after="7")).then(a(WebhookReplayed, generation=2, after="7"))
    there.when(hold("one", 1, cursor="41")).then_nothing()
    there.when(hold("two", 2)).then(a(WebhookHeld, generation=2, holder="two", cursor="7"))
