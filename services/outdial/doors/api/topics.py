"""What somebody listens to on a websocket, in VoIPBIN's words: ``customer_id:<uuid>[:<resource>[:<uuid>]]``. Source: contract 6.

``*`` in place of a resource or an id, or nothing there, stands for any.
"""

from re import compile as pattern
from typing import Final, NamedTuple

from outdial.doors.api.deps import is_id
from outdial.doors.api.errors import ARGUMENT, DENIED, Refused
from outdial.views.retelling import NAMES

RESOURCES: Final = frozenset(name.partition("_")[0] for names in NAMES.values() for name in names)
"""What there are notices about."""
_WORD: Final = pattern(r"[a-z][a-z0-9_]{0,63}")
_ANY: Final = ("", "*")
_LONGEST: Final = 4
"""Parts of a topic."""


class Topic(NamedTuple):
    """What notices are about."""

    resource: str = ""
    """Empty: any."""
    id: str = ""
    """Empty: any."""
    agent: str = ""
    """Whose it is; nobody is told of agents here."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing ever happens to what it names: it is a resource of VoIPBIN's that is not kept here, or none at all."""
        return self.agent != "" or (self.resource != "" and self.resource not in RESOURCES)


def around(resource: str, resource_id: str) -> tuple[Topic, Topic, Topic]:
    """The topics a notice about a resource belongs to."""
    return Topic(resource, resource_id), Topic(resource), Topic()


def topic_of(text: str, customer_id: str, place: int) -> Topic:
    """The topic a text spells, for somebody of a customer; ``place``: where in their list it stands.

    Raises:
        Refused: ``topic_invalid``; ``topic_denied``, whether or not that customer exists.
    """
    kind, owner, resource, resource_id = [*text.split(":"), "", "", ""][:_LONGEST]
    pointer = f"/topics/{place}"
    is_well_formed = (
        text.count(":") < _LONGEST
        and kind in ("customer_id", "agent_id")
        and is_id(owner.lower())
        and (resource in _ANY or _WORD.fullmatch(resource) is not None)
        and (resource_id in _ANY or is_id(resource_id.lower()))
        and not (resource in _ANY and resource_id not in _ANY)
    )
    if not is_well_formed:
        raise Refused(
            ARGUMENT, "topic_invalid", "a topic is customer_id:<uuid>, or that and :<resource>, or that and :<uuid> or :*", pointer=pointer
        )
    if kind == "customer_id" and owner.lower() != customer_id:
        raise Refused(DENIED, "topic_denied", "this token listens to its own customer only", pointer=pointer)
    return Topic(
        "" if resource in _ANY else resource,
        "" if resource_id in _ANY else resource_id.lower(),
        owner.lower() if kind == "agent_id" else "",
    )
