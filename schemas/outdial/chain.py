"""The answers to one command and to all that followed from it, as they come from the answers topic. Source: design section 4."""

from dataclasses import dataclass, field

from outdial.requests import Answer, AnswerRecord


@dataclass(slots=True)
class Chain:
    """What became of a command so far."""

    root_id: str
    """The command whose sender waits."""
    told: dict[str, AnswerRecord] = field(default_factory=dict, init=False)
    """By command."""

    def note(self, record: AnswerRecord) -> bool:
        """Take in one answer; True when there is none to come any more."""
        self.told.setdefault(record.command_id, record)
        return self.root_id in self.told and all(awaited in self.told for known in self.told.values() for awaited in known.awaits)

    def needed(self) -> dict[int, int]:
        """By partition: the offset of the last event that the answer is about."""
        needed: dict[int, int] = {}
        for record in self.told.values():
            needed[record.partition] = max(needed.get(record.partition, -1), record.last_offset)
        return needed

    def answer(self, position: str) -> Answer:
        """The answer to the whole chain, at a position that covers it."""
        first = self.told[self.root_id]
        chain = self._in_order(first)
        refused = next((record for record in chain if record.result == "rejected"), None)
        return Answer(
            command_id=self.root_id,
            type=first.type or "",
            stream=first.stream or self.root_id,
            result=refused.result if refused else "events" if any(record.result == "events" for record in chain) else "unchanged",
            reason=None if refused is None else refused.reason,
            message=None if refused is None else refused.message,
            position=position,
            open=tuple(attempt for record in chain for attempt in record.open),
            open_more=sum(record.open_more for record in chain),
            items=first.items,
            warnings=tuple(warning for record in chain for warning in record.warnings),
            facts=first.facts,
        )

    def _in_order(self, first: AnswerRecord) -> list[AnswerRecord]:
        """The records of the chain, each after the one that brought it about."""
        chain = [first]
        for record in chain:
            chain.extend(self.told[awaited] for awaited in record.awaits)
        return chain
