"""A crowd whose people ask not to be called, and may be called so often only: the same numbers on many lists of two customers.

They are put on the list, by number or by its beginning, in all outdials or in one, for good or for a while; some are taken
off again, and some words are sent once more later, under the id they had. What counts is the answer: from when all that it
awaits was heard, until somebody asks for something else, nobody of them may be called. Calls are claimed before they are placed.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from faults.chaos.checker import Spared, murmur2
from faults.chaos.crowd import PLAN, Crowd, now_us
from faults.checker import MILLISECOND, SECOND, micros

CUSTOMERS: Final = 2
DAY_MS: Final = 86_400_000
RULES: Final = ({"count": 2, "per_ms": 8_000}, {"count": 4, "per_ms": DAY_MS})
"""The window of the first is over while a long run lasts: then an address is called again."""
AT_ONCE: Final = 80
"""Numbers that are being added to lists at a time; each comes up about six times."""
PICKUP_MS: Final = 4_000
HABITS: Final[dict[str, Any]] = {"rate": 30.0, "plan": PLAN | {"pickup_timeout": PICKUP_MS}}
BEGINNING: Final = 11
"""Of the 12 characters of a number: ten people have it."""
PAUSE_S: Final = (0.1, 0.6)
ENDLESS: Final = 1 << 62
CLOSED: Final = {"attempt_closed", "dial_claimed"}
"""Words of a refused claim after which there is nothing to say."""

Key = tuple[str, str, str | None]
"""Customer, number or beginning, outdial."""


@dataclass
class Word:
    """A change of a list that is under way, and what was heard of it. Who sends it again later listens anew."""

    keys: list[Key]
    end: int = ENDLESS
    """When its entries end by themselves, microseconds."""
    adds: bool = False
    change: int = 0
    """How many changes had been asked for when it was."""
    sure: list[bool] = field(default_factory=list)
    """Of each, whether nothing that was asked before and not answered yet may come after it."""
    copies: int = 0
    answers: int = 0
    """Of the command itself: each copy has its own."""
    heard: set[str] = field(default_factory=set)
    awaits: set[str] = field(default_factory=set)
    refused: bool = False
    """As what would have ended by the time it was read."""
    whole: bool = False
    """Whether one was answered, with all that it awaits."""


class Asking(Crowd):
    """The users of one prefix, some of whom ask not to be called."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.memory.claimed = True
        self.memory.caps = tuple((rule["count"], rule["per_ms"] * MILLISECOND) for rule in RULES)
        self.memory.pickup_us = PICKUP_MS * MILLISECOND
        self.acknowledged = 0
        """Words that put somebody on a list, and were answered."""
        self.named = 0
        """Attempts that were out when somebody was put on a list, as answers named them."""
        self._customers = [self._id() for _ in range(CUSTOMERS)]
        self._customer_of: dict[str, str] = {}
        self._words: dict[tuple[str, str], Word] = {}
        """By command and mark, those that are not answered."""
        self._taking_off: Counter[Key] = Counter()
        """Words to take an entry off that are not answered yet."""
        self._changes = 0
        self._changed: dict[Key, int] = {}
        """The last change of each entry."""
        self._sure: dict[Key, list[int]] = {}
        """Places in the memory of those that are on a list for sure."""
        self._claims: dict[str, dict[str, Any]] = {}
        self._passed_over: set[str] = set()
        self._deferred: dict[str, int] = {}
        """Targets that wait for an instant."""
        self._asking: set[str] = set()
        """Attempts for which leave was asked."""
        self._begun = False

    @property
    def left(self) -> int:
        """What has not come to its end and is not held: targets, attempts, leaves, commands without all of their answer."""
        now = now_us() + SECOND
        held = self._passed_over | {target for target, until in self._deferred.copy().items() if until > now}
        return super().left - len(self._left & held) + len(self._asking) + len(self._words)

    def send(self, command: dict[str, Any], times: int = 1, *, astray: bool = False, mark: str = "") -> str:
        """Send a command of whom its outdial belongs to; its id."""
        if "outdial_id" in command:
            command.setdefault("customer_id", self._customer_of[command["outdial_id"]])
        return super().send(command, times, astray=astray, mark=mark)

    def rest(self) -> Callable[[], bool]:
        """Stop every list; tells whether no attempt is open, and no leave is asked for."""
        rests = super().rest()
        return lambda: rests() and not self._asking and not self._words

    # --- lists and caps -------------------------------------------------------------------------------

    def _create(self) -> None:
        """Caps first. The lists are made when they are answered."""
        for customer in self._customers:
            self._say({"type": "SetFrequencyCaps", "customer_id": customer, "caps": {"rules": RULES}}, Word([]))

    def _create_lists(self) -> None:
        """Lists of every customer on every partition, running."""
        each: Counter[tuple[int, int]] = Counter()
        while len(self.lists) < CUSTOMERS * self._partitions:
            outdial_id = self._id()
            place = murmur2(outdial_id.encode()) % self._partitions, len(self.lists) % CUSTOMERS
            if not each[place]:
                each[place] += 1
                self.lists.append(outdial_id)
                self._customer_of[outdial_id] = self._customers[place[1]]
                self.send({"type": "CreateOutdial", "outdial_id": outdial_id, "plan": self._plan})
        self._begun = True
        self._after(0, self._ask_for_something)

    def _add(self) -> None:
        if self._begun:
            super()._add()
        elif not self._words:
            self._create_lists()

    def _number(self, slot: int) -> str:
        """One of those that are being added; nobody has the same twice."""
        last = self.added // 4
        around = AT_ONCE // 4
        return f"+15550{2 * self._chance.randrange(max(0, last - around), last + around) + slot:06}"

    # --- who asks not to be called --------------------------------------------------------------------

    def _ask_for_something(self) -> None:
        """Somebody wants to be called no more, and then again some more are taken off."""
        if not self.trouble:
            return
        chance = self._chance
        outdial_id = chance.choice(self.lists)
        customer = self._customer_of[outdial_id]
        entries: list[dict[str, Any]] = []
        for _ in range(chance.choice((1, 1, 2, 4))):
            number = self._number(chance.randrange(2))
            entry: dict[str, Any] = (
                {"prefix": number[:BEGINNING]} if chance.random() < 0.2 else {"address": {"type": "tel", "target": number}}
            )
            if chance.random() < 0.2:
                entry["outdial_id"] = outdial_id
            entries.append(entry)
        self._put_on(customer, entries)
        if chance.random() < 0.6:
            some = entries[: chance.randint(1, len(entries))]
            self._after(chance.choice((0.0, chance.uniform(0, 6))), lambda: self._take_off(customer, some))
        self._after(chance.uniform(*PAUSE_S), self._ask_for_something)

    def _put_on(self, customer: str, entries: list[dict[str, Any]]) -> None:
        chance = self._chance
        end = now_us() + round(chance.uniform(2, 6) * SECOND) if chance.random() < 0.1 else ENDLESS
        given = entries if end == ENDLESS else [entry | {"expires_at": text_of(end)} for entry in entries]
        command = {"type": "AddSuppressions", "customer_id": customer, "entries": given}
        word = self._asked_for([_key(customer, entry) for entry in entries], end, adds=True)
        odd = chance.random()
        self._say(command, word, 2 if odd < 0.1 else 1, astray=odd > 0.97)
        if chance.random() < 0.2:
            again = Word(word.keys, end, adds=True, change=word.change, sure=word.sure)
            self._after(chance.uniform(0, 3), lambda: self._say(command, again, mark="again"))

    def _take_off(self, customer: str, entries: list[dict[str, Any]]) -> None:
        word = self._asked_for([_key(customer, entry) for entry in entries])
        self._taking_off.update(word.keys)
        command = {"type": "RemoveSuppressions", "customer_id": customer, "entries": entries}
        self._say(command, word, astray=self._chance.random() < 0.03)

    def _asked_for(self, keys: list[Key], end: int = ENDLESS, *, adds: bool = False) -> Word:
        """A change. From here on nobody can be sure of what was answered before about the same."""
        self._changes += 1
        now = now_us()
        for key in keys:
            self._changed[key] = self._changes
            for place in self._sure.pop(key, ()):
                before = self.memory.spared[place]
                self.memory.spared[place] = before._replace(until=min(before.until, now))
        return Word(keys, end, adds, self._changes, [not self._taking_off[key] for key in keys])

    def _say(self, command: dict[str, Any], word: Word, times: int = 1, *, astray: bool = False, mark: str = "") -> None:
        word.copies = times
        self._words[self.send(command, times, astray=astray, mark=mark), mark] = word

    # --- who listens ----------------------------------------------------------------------------------

    def _heard(self, answer: dict[str, Any]) -> None:
        super()._heard(answer)
        root_id = answer["root_id"]
        if (request := self._claims.get(root_id)) is not None and answer["command_id"] == root_id:
            del self._claims[root_id]
            self._claimed(request, answer)
        place = root_id, answer.get("asked") or ""
        if (word := self._words.get(place)) is None:
            return
        word.refused = word.refused or answer["result"] == "rejected"
        word.answers += answer["command_id"] == root_id
        word.heard.add(answer["command_id"])
        self.named += len(answer.get("open", ()))
        word.awaits.update(answer["awaits"])
        if not word.answers or not word.awaits <= word.heard:
            return
        if not word.whole:
            word.whole = True
            self._acknowledged(word)
        if word.answers == word.copies:
            del self._words[place]

    def _acknowledged(self, word: Word) -> None:
        """All of an answer was heard: what was asked for last, and by nothing else at the same time, is sure from here on."""
        if not word.adds:
            self._taking_off.subtract(word.keys)
            return
        assert not word.refused or word.end < now_us(), "a list refuses somebody"
        if word.refused:
            return
        self.acknowledged += 1
        now = now_us()
        for key, sure in zip(word.keys, word.sure, strict=True):
            if sure and self._changed[key] == word.change and now < word.end:
                self._sure.setdefault(key, []).append(len(self.memory.spared))
                self.memory.spared.append(Spared(*key, now, word.end))

    def _told(self, event: dict[str, Any]) -> None:
        super()._told(event)
        data = event["data"]
        match event["type"]:
            case "TargetBlocked":
                self._passed_over.add(data["target_id"])
            case "TargetUnblocked":
                self._passed_over.discard(data["target_id"])
            case "LeaveAsked":
                self._asking.add(data["attempt_id"])
            case "TargetDeferred":
                self._deferred[data["target_id"]] = micros(data["until"])
                self._asking.discard(data.get("attempt_id"))
            case "DialRequested" | "LeaveUnused":
                self._deferred.pop(data["target_id"], None)
                self._asking.discard(data["attempt_id"])
            case "TargetReopened":
                self._deferred.pop(data["target_id"], None)
            case _:
                pass

    # --- who dials ------------------------------------------------------------------------------------

    def _call(self, request: dict[str, Any]) -> None:
        """Claim a call, and place it when that was granted."""
        word = {name: request[name] for name in ("outdial_id", "target_id", "attempt_id")}
        self._claims[self.send({"type": "ClaimDial", **word, "worker": "crowd"})] = request

    def _claimed(self, request: dict[str, Any], answer: dict[str, Any]) -> None:
        if answer["result"] != "rejected":
            super()._call(request)
        elif answer["reason"] not in CLOSED:
            word = {name: request[name] for name in ("outdial_id", "target_id", "attempt_id")}
            self.send({"type": "DialResult", **word, "outcome": "not_dialed"})


def text_of(instant: int) -> str:
    """An instant as commands have it."""
    return datetime.fromtimestamp(instant / SECOND, UTC).isoformat()


def _key(customer: str, entry: dict[str, Any]) -> Key:
    return customer, entry.get("prefix") or entry["address"]["target"], entry.get("outdial_id")
