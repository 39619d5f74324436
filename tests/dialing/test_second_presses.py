"""A second press is never answered before the first one's effect, whatever the streams have gone on to meanwhile.

Words between streams take their time here; those between two streams keep their order.
"""

from collections import deque

import pytest

from outdial.address import Address
from outdial.commands import (
    AddTarget,
    Command,
    CreateCampaign,
    CreateOutdial,
    CreateOutplan,
    DeleteCampaign,
    Resources,
    RunCampaign,
    SetCampaignResources,
    SetPace,
    StartDialing,
    StopCampaign,
    StopDialing,
)
from outdial.dialing.decision import FollowUp
from outdial.dialing.ledger import Effects
from outdial.plan import Plan
from saying import US, allow, caps, number, suppress
from sim import HOUR, START, an_id, new_ledger

OUTDIAL, OUTPLAN, CAMPAIGN, OTHER = an_id("list"), an_id("plan"), an_id("campaign"), an_id("other")
RESOURCES = Resources(outplan_id=OUTPLAN, outdial_id=OUTDIAL)
PLAN = Plan(max_try_count_0=1)


class Wires:
    """Streams, the words under way between them, and who waits for what."""

    def __init__(self) -> None:
        self.ledger = new_ledger()
        self.under_way: dict[tuple[str, str], deque[tuple[FollowUp, str | None]]] = {}
        self.open: dict[str, set[str]] = {}
        """By question: what it waits for."""
        self.results: dict[str, list[str]] = {}
        self.pressed = 0
        self.reason: str | None = None
        """Why the last refusal was one."""
        self.press(CreateOutplan(outplan_id=OUTPLAN, plan=PLAN))
        self.press(CreateOutdial(outdial_id=OUTDIAL))
        self.press(AddTarget(outdial_id=OUTDIAL, destination_0=Address(type="tel", target="+15550000001")))

    def press(self, command: Command) -> str:
        """Send a command; the name of the question."""
        self.pressed += 1
        question = f"press {self.pressed}"
        sent = command.model_copy(update={"id": command.id or an_id(question)})
        self.results[question], self.open[question] = [], set()
        self._take(self.ledger.decide(sent, START), question)
        return question

    def arrive(self, source: str | None = None, target: str | None = None) -> None:
        """Deliver what is under way, also what follows; with streams, only between these and only what is under way now."""
        if source is not None and target is not None:
            for _ in range(len(self.under_way.get((source, target), ()))):
                self._deliver((source, target))
            return
        while ways := [way for way, words in self.under_way.items() if words]:
            self._deliver(ways[0])

    def answered(self, question: str) -> str | None:
        """What was answered; None: it still waits."""
        if self.open[question]:
            return None
        results = self.results[question]
        return next((word for word in ("rejected", "events") if word in results), "unchanged")

    @property
    def dialing(self) -> bool:
        """Whether the outdial may emit requests."""
        return self.ledger.outdials[OUTDIAL].run is not None

    def _deliver(self, way: tuple[str, str]) -> None:
        told, question = self.under_way[way].popleft()
        if question is not None:
            self.open[question].discard(f"{way}{told.command.id}")
        self._take(self.ledger.decide(told.command, START, internal=True), question)

    def _take(self, effects: Effects, question: str | None) -> None:
        if question is not None:
            self.results[question].append(effects.answer.result)
            self.reason = effects.answer.reason or self.reason
        for told in effects.follow_ups:
            way = (effects.answer.stream, told.command.stream)
            asked = question if told.awaited else None
            self.under_way.setdefault(way, deque()).append((told, asked))
            if asked is not None:
                self.open[asked].add(f"{way}{told.command.id}")


def with_campaign() -> Wires:
    there = Wires()
    there.press(CreateCampaign(campaign_id=CAMPAIGN, resources=RESOURCES))
    there.arrive()
    return there


def begun_by_a_second_press() -> Wires:
    """A run that its outdial refused, and began after all when it was pressed again; its campaign has heard of the refusal."""
    there = with_campaign()
    there.press(StartDialing(outdial_id=OUTDIAL, plan=PLAN))
    there.press(RunCampaign(campaign_id=CAMPAIGN))
    there.arrive(CAMPAIGN, OUTDIAL)
    there.press(RunCampaign(campaign_id=CAMPAIGN))
    there.press(StopDialing(outdial_id=OUTDIAL))
    there.arrive(CAMPAIGN, OUTDIAL)
    there.arrive(OUTDIAL, CAMPAIGN)
    assert there.dialing
    return there


def test_a_stop_after_a_refusal_waits_until_what_a_second_press_began_has_ended() -> None:
    there = begun_by_a_second_press()
    stop = there.press(StopCampaign(campaign_id=CAMPAIGN))
    while there.answered(stop) is None:
        there.arrive(CAMPAIGN, OUTDIAL)
    assert not there.dialing


def test_a_delete_after_a_refusal_waits_until_what_a_second_press_began_has_ended() -> None:
    there = begun_by_a_second_press()
    another = an_id("another list")
    there.press(CreateOutdial(outdial_id=another))
    there.press(SetCampaignResources(campaign_id=CAMPAIGN, outdial_id=another))
    for asked in (OUTPLAN, another):
        there.arrive(CAMPAIGN, asked)
        there.arrive(asked, CAMPAIGN)
    presses = [there.press(DeleteCampaign(campaign_id=CAMPAIGN)) for _ in range(2)]
    there.arrive(CAMPAIGN, another)
    assert there.dialing
    assert [there.answered(press) for press in presses] == [None, None]
    there.arrive()
    assert not there.dialing


def test_a_run_sent_twice_waits_for_its_outdial_also_when_a_stop_has_come_between() -> None:
    there = with_campaign()
    run = RunCampaign(campaign_id=CAMPAIGN, id=an_id("run"))
    first = there.press(run)
    there.press(StopCampaign(campaign_id=CAMPAIGN))
    second = there.press(run)
    assert there.answered(first) is there.answered(second) is None
    there.arrive()
    assert (there.answered(first), there.answered(second)) == ("events", "events")


def test_a_stop_sent_twice_waits_for_its_outdial_also_when_a_run_has_come_between() -> None:
    there = with_campaign()
    stop = StopCampaign(campaign_id=CAMPAIGN, id=an_id("stop"))
    there.press(RunCampaign(campaign_id=CAMPAIGN))
    there.arrive()
    there.press(stop)
    there.press(RunCampaign(campaign_id=CAMPAIGN))
    second = there.press(stop)
    assert there.dialing
    assert there.answered(second) is None
    there.arrive()
    assert there.ledger.campaigns[CAMPAIGN].status == "run"


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        SetCampaignResources(campaign_id=OTHER, outdial_id=OUTDIAL, outplan_id=OUTPLAN, id=an_id("twice")),
        CreateCampaign(campaign_id=an_id("third"), resources=RESOURCES, id=an_id("twice")),
    ],
)
def test_what_is_sent_again_while_others_are_asked_is_not_answered_as_if_they_had_said_yes(command: Command, free: bool) -> None:  # noqa: FBT001
    there = Wires() if free else with_campaign()
    there.press(CreateCampaign(campaign_id=OTHER))
    first, early = there.press(command), there.press(command)
    assert there.answered(first) is None
    assert there.answered(early) == "rejected"
    assert there.reason == "campaign_changing"
    there.arrive()
    assert there.answered(first) == there.answered(there.press(command)) == ("events" if free else "rejected")


def test_a_change_sent_twice_does_not_wait_for_the_next() -> None:
    there = with_campaign()
    change = SetCampaignResources(campaign_id=CAMPAIGN, queue_id=an_id("queue"), id=an_id("change"))
    there.press(change)
    there.arrive()
    there.press(SetCampaignResources(campaign_id=CAMPAIGN, next_campaign_id=an_id("nobody")))
    again = there.press(change)
    there.arrive()
    assert there.answered(again) == "events"


@pytest.mark.parametrize(
    ("command", "between"),
    [
        (suppress(number(1), number(2), id=an_id("twice")), allow(number(1))),
        (caps((1, HOUR), id=an_id("twice")), caps((2, HOUR))),
        (SetPace(customer_id=US, calls_per_second=5, id=an_id("twice")), SetPace(customer_id=US, calls_per_second=3)),
    ],
)
def test_a_word_about_whom_to_spare_sent_twice_waits_for_the_partitions_whatever_was_asked_between(
    command: Command, between: Command
) -> None:
    there = Wires()
    first = there.press(command)
    there.press(between)
    second = there.press(command)
    assert there.answered(first) is there.answered(second) is None
    there.arrive()
    assert (there.answered(first), there.answered(second)) == ("events", "events")
    third = there.press(command)
    assert there.answered(third) is None
    there.arrive()
    assert there.results[third] == ["events", "unchanged"]
