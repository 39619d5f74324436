"""What races what: for each kind of race, the commands that are pressed at once."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final
from uuid import UUID

from outdial.address import Address
from outdial.commands import (
    AddTargets,
    Command,
    CreateCampaign,
    CreateOutdial,
    CreateOutplan,
    DeleteCampaign,
    DeleteOutdial,
    DeleteOutplan,
    DeleteTarget,
    NewTarget,
    Resources,
    RunCampaign,
    SetCampaignResources,
    SetDialInfo,
    StartDialing,
    StopCampaign,
    StopDialing,
)
from outdial.doors.api.deps import DEFAULT_CUSTOMER
from outdial.plan import Plan
from outdial.topology import partition_of

STREAMS: Final = 3
"""Of each kind in a race, at most."""


class Race:
    """One race: its streams, and chance."""

    def __init__(self, seed: int, number: int, partitions: int, kinds: Sequence[str]) -> None:
        self.number = number
        self.kind = kinds[number % len(kinds)]
        self.chance = Random(f"{seed}/{number}")  # noqa: S311  chance that repeats
        self._partitions = partitions
        start = self.chance.randrange(partitions)
        apart = self.chance.choice((0, 0, 1, 1, 1, 5))
        """How far the partitions of campaign, outdial and outplan are from each other; 0: all is on one."""
        both = self.chance.random() < 0.25
        """Whether campaign and outdial share one, whatever the outplan does."""
        self.campaigns = [self.new_id(start + index * apart) for index in range(STREAMS)]
        self.outdials = [self.new_id(start + (0 if both else apart) + index * apart) for index in range(STREAMS)]
        self.outplans = [self.new_id(start + 2 * apart + index) for index in range(2)]
        self.targets = {outdial: [self.new_id(None) for _ in range(self.chance.randint(2, 8))] for outdial in self.outdials}

    def new_id(self, partition: int | None = None) -> str:
        """An id; with ``partition``, one whose stream is there."""
        while True:
            found = str(UUID(int=self.chance.getrandbits(128), version=4))
            if partition is None or partition_of(found, self._partitions) == partition % self._partitions:
                return found

    def named(self, command: Command) -> Command:
        """A command with an id, as a door would send it."""
        return command.model_copy(update={"id": command.id or self.new_id(), "customer_id": DEFAULT_CUSTOMER})

    def plan(self) -> Plan:
        """A plan that comes to an end within a second."""
        return Plan(
            max_try_count_0=self.chance.randint(1, 3),
            try_interval=self.chance.choice((0, 20, 100)),
            max_concurrent=self.chance.choice((1, 2, 0)),
            dial_timeout=self.chance.randrange(10_000, 60_000),
        )

    # --- what there is before -------------------------------------------------------------------------

    def listed(self, index: int = 0) -> list[Command]:
        """An outdial with targets."""
        outdial = self.outdials[index]
        targets = tuple(
            NewTarget(target_id=target, destination_0=Address(type="tel", target=f"+1555{number:07}"))
            for number, target in enumerate(self.targets[outdial])
        )
        return [CreateOutdial(outdial_id=outdial, name="list"), AddTargets(outdial_id=outdial, targets=targets)]

    def planned(self, index: int = 0) -> Command:
        """An outplan."""
        return CreateOutplan(outplan_id=self.outplans[index], plan=self.plan())

    def campaign(self, index: int = 0, *, outdial: bool = True, after: int | None = None) -> Command:
        """A campaign; ``after``: which one it hands over to."""
        resources = Resources(outplan_id=self.outplans[0], **({"outdial_id": self.outdials[index]} if outdial else {}))
        if after is not None:
            resources = resources.model_copy(update={"next_campaign_id": self.campaigns[after]})
        return CreateCampaign(campaign_id=self.campaigns[index], resources=resources, end_handle=self.chance.choice(("stop", "continue")))

    # --- what is pressed ------------------------------------------------------------------------------

    def run(self, index: int = 0) -> Command:
        """Run a campaign."""
        return RunCampaign(campaign_id=self.campaigns[index])

    def stop(self, index: int = 0) -> Command:
        """Stop a campaign."""
        return StopCampaign(campaign_id=self.campaigns[index])

    def change(self) -> Command:
        """Another plan for the outplan."""
        return SetDialInfo(outplan_id=self.outplans[0], plan=self.plan())


Presses = tuple[list[Command], list[Command]]
"""What there is before, and what is pressed at once: the first two of it at different doors."""


def _one_campaign(race: Race) -> list[Command]:
    return [race.planned(), *race.listed(), race.campaign()]


def run_and_stop(race: Race) -> Presses:
    return _one_campaign(race), [race.run(), race.stop()]


def pressed_twice(race: Race) -> Presses:
    return _one_campaign(race), [race.run(), race.run(), race.stop(), race.stop()]


def sent_twice(race: Race) -> Presses:
    run, stop = race.named(race.run()), race.named(race.stop())
    return _one_campaign(race), [run, run, stop, stop, race.run(), race.stop()]


def asked_twice(race: Race) -> Presses:
    """A change and a creation, of an outdial that another campaign may have."""
    resources = Resources(outplan_id=race.outplans[0], outdial_id=race.outdials[0])
    change = race.named(SetCampaignResources(campaign_id=race.campaigns[1], outdial_id=race.outdials[0]))
    create = race.named(CreateCampaign(campaign_id=race.campaigns[2], resources=resources))
    start = race.named(StartDialing(outdial_id=race.outdials[0], outplan_id=race.outplans[0]))
    others = race.chance.choice(([start, start], [race.run(1), DeleteCampaign(campaign_id=race.campaigns[1])], []))
    before = [race.planned(), *race.listed(), race.campaign(0, outdial=race.chance.random() < 0.5), race.campaign(1, outdial=False)]
    return before, [change, change, create, create, *others]


def plan_change(race: Race) -> Presses:
    return _one_campaign(race), [race.run(), race.change(), race.stop(), race.change()]


def outdial_deleted(race: Race) -> Presses:
    delete = DeleteOutdial(outdial_id=race.outdials[0])
    return _one_campaign(race), [race.run(), delete, race.stop(), delete]


def target_deleted(race: Race) -> Presses:
    outdial = race.outdials[0]
    return _one_campaign(race), [
        race.run(),
        *(DeleteTarget(outdial_id=outdial, target_id=one) for one in race.targets[outdial]),
        race.stop(),
    ]


def campaign_deleted(race: Race) -> Presses:
    delete = DeleteCampaign(campaign_id=race.campaigns[0])
    return _one_campaign(race), [race.stop(), delete, race.run(), delete]


def outplan_deleted(race: Race) -> Presses:
    outplan = race.outplans[0]
    presses = [race.run(), DeleteOutplan(outplan_id=outplan), race.stop(), race.change(), race.run()]
    return _one_campaign(race), presses


def without_campaign(race: Race) -> Presses:
    outdial, outplan = race.outdials[0], race.outplans[0]
    starts = [
        StartDialing(outdial_id=outdial, outplan_id=outplan),
        StartDialing(outdial_id=outdial, outplan_id=race.outplans[1]),
        StartDialing(outdial_id=outdial, plan=race.plan()),
    ]
    stop = StopDialing(outdial_id=outdial)
    return [race.planned(), race.planned(1), *race.listed()], [
        race.chance.choice(starts),
        stop,
        race.chance.choice(starts),
        stop,
        race.change(),
    ]


def person_and_campaign(race: Race) -> Presses:
    outdial = race.outdials[0]
    start = StartDialing(outdial_id=outdial, outplan_id=race.outplans[0])
    stop = StopDialing(outdial_id=outdial)
    return _one_campaign(race), [race.run(), race.run(), start, stop, race.stop(), race.stop(), race.run()]


def two_owners(race: Race) -> Presses:
    claims = [SetCampaignResources(campaign_id=campaign, outdial_id=race.outdials[0]) for campaign in race.campaigns[:2]]
    frees = [SetCampaignResources(campaign_id=campaign, outdial_id=race.outdials[1]) for campaign in race.campaigns[:2]]
    before = [race.planned(), *race.listed(), *race.listed(1), race.campaign(0, outdial=False), race.campaign(1, outdial=False)]
    last = race.chance.choice(([race.run(0), race.run(1)], [DeleteCampaign(campaign_id=race.campaigns[0]), race.run(1)], frees))
    return before, [*claims, *last, race.stop(0), race.stop(1), *(frees if race.chance.random() < 0.5 else [])]


def two_made_with_one(race: Race) -> Presses:
    resources = Resources(outplan_id=race.outplans[0], outdial_id=race.outdials[0])
    makes = [CreateCampaign(campaign_id=campaign, resources=resources) for campaign in race.campaigns[:2]]
    runs = [race.run(0), race.run(1), race.stop(0), DeleteCampaign(campaign_id=race.campaigns[0])]
    return [race.planned(), *race.listed()], [*makes, *runs]


def chain(race: Race) -> Presses:
    before = [race.planned(), *(command for index in range(STREAMS) for command in race.listed(index))]
    ring = [SetCampaignResources(campaign_id=race.campaigns[index - 1], next_campaign_id=race.campaigns[index]) for index in range(STREAMS)]
    before += [*(race.campaign(index) for index in range(STREAMS)), *ring]
    stop = race.chance.choice((race.stop(0), race.stop(1), race.stop(2), DeleteCampaign(campaign_id=race.campaigns[1])))
    return before, [race.run(0), stop, race.stop(1), race.run(race.chance.randrange(STREAMS))]


KINDS: Final[dict[str, Callable[[Race], Presses]]] = {
    function.__name__: function
    for function in (
        run_and_stop,
        pressed_twice,
        sent_twice,
        asked_twice,
        plan_change,
        outdial_deleted,
        target_deleted,
        campaign_deleted,
        outplan_deleted,
        without_campaign,
        person_and_campaign,
        two_owners,
        two_made_with_one,
        chain,
    )
}
