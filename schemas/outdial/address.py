"""Addresses: one endpoint of a call, and the form in which two of them are compared."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from outdial.scalars import NO_NUL, Name

SLOTS = 5
"""Destinations a target has room for: ``destination_0`` to ``destination_4``."""

ADDRESS_TYPES = frozenset(
    {
        "tel", "sip", "email", "agent", "conference", "extension", "line", "web_session",
        "ai", "ai_team", "webchat", "whatsapp",
    }
)  # fmt: skip
CALLABLE_TYPES = frozenset({"tel", "sip"})
"""What a campaign of type ``call`` can dial."""
NUMBERS = frozenset({"tel", "whatsapp"})
"""Whose target is a telephone number."""

_NUMBER = re.compile(r"\+[0-9]{7,15}")
_SIP = re.compile(
    r"(?i:sips?:)?(?P<user>[^\s@<>\"]+)@(?P<host>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?P<rest>(?::[0-9]{1,5})?(?:[;?][^\s<>\"]*)?)"
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@[^\s@<>\"(),:;\[\]\\]{1,253}")

Label = Annotated[str, StringConstraints(max_length=65_536, pattern=NO_NUL)]
Endpoint = Annotated[str, StringConstraints(max_length=512, pattern=NO_NUL)]


class Address(BaseModel):
    """One endpoint: ``type`` says which kind, ``target`` is the endpoint itself. Source: contract 2.1."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    type: Name = ""
    """`tel`, `sip`, `email`, `whatsapp`, or a kind named by a UUID (`agent`, `line`, ...)."""
    target: Endpoint = ""
    target_name: Name = ""
    name: Name = ""
    detail: Label = ""


def _absent_if_empty(value: object) -> object:
    """``{}`` and ``{"type": "", "target": ""}`` mean that there is no address (contract C11)."""
    if isinstance(value, dict) and not value.get("type") and not value.get("target"):
        return None
    return value


OptionalAddress = Annotated[Address | None, BeforeValidator(_absent_if_empty)]


def by_look(text: str) -> dict[str, str] | None:
    """The address a text spells: ``+12025550123``, ``sip:user@host``, ``user@host``, or ``TYPE:TARGET``. None: it looks like none."""
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if text.startswith("+"):
        return {"type": "tel", "target": text}
    if colon and kind.lower() in ("sip", "sips"):
        return {"type": "sip", "target": text}
    if colon and kind in ADDRESS_TYPES:
        return {"type": kind, "target": rest}
    if "@" in text:
        return {"type": "email", "target": text}
    return None


def normalized(kind: str, target: str) -> str | None:
    """The endpoint in the one form in which equal endpoints are equal texts; None when it is malformed.

    Numbers keep ``+`` and digits, mail is folded to lower case, of a SIP address only the host is
    (the user part is case-sensitive) and the scheme is dropped. Source: contract 2.1 and C14.
    """
    text = target.strip()
    match kind:
        case "tel" | "whatsapp":
            if _NUMBER.fullmatch(text):
                return text
            plus, digits = text[:1], "".join(filter(str.isdecimal, text))
            number = plus + digits if plus == "+" and digits.isascii() else ""
            return number if _NUMBER.fullmatch(number) and _only_separators(text) else None
        case "sip":
            found = _SIP.fullmatch(text)
            return f"{found['user']}@{found['host'].lower()}{found['rest']}" if found else None
        case "email":
            return text.lower() if _EMAIL.fullmatch(text) else None
        case _:
            return text.lower() if _UUID.fullmatch(text.lower()) else None


def dialable(kind: str, text: str) -> dict[str, str]:
    """Type and target of an address as whoever places the call should use it: numbers and mail addresses in normal form."""
    normal = normalized(kind, text) if kind in ("tel", "whatsapp", "email") else None
    return {"type": kind, "target": text if normal is None else normal}


def _only_separators(text: str) -> bool:
    """True when a number holds nothing but digits and what people put between them."""
    return not text[1:].strip("0123456789 ()-./")
