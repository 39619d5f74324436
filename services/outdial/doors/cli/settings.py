"""Settings from the environment: ``OUTDIAL_<NAME>``, or a file named by ``OUTDIAL_<NAME>_FILE`` for secrets.

Loaded only by what runs the service. A name that means nothing is an error: a setting that is silently
ignored is found out too late.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from outdial.doors.cli.actions import DEFAULT_HOST, Credential, Refused

PREFIX: Final = "OUTDIAL_"
SECRETS: Final = ("token", "tokens", "fingerprint_key")
FOR_TESTS: Final = ("OUTDIAL_TEST_", "OUTDIAL_REQUIRE_")
"""Names the test suite reads; the program does not."""
USAGE: Final = 2


class Settings(BaseSettings):
    """What the environment may say. A flag goes before it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    data: Path | None = None
    host: str = DEFAULT_HOST
    port: int | None = Field(None, ge=0, le=65_535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token: SecretStr | None = None
    """The one token, for server and verbs alike."""
    tokens: SecretStr | None = None
    """Several: ``TOKEN`` or ``CUSTOMER=TOKEN``, separated by commas or white space."""
    query_tokens: bool = True
    customer_id: str | None = Field(None, pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    fingerprint_key: SecretStr | None = None
    carrier: Literal["none", "simulated"] = "none"
    seed: int = 1
    speed: float = Field(1.0, gt=0, le=100_000)
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    url: str | None = None
    """Read by the verbs."""

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """All tokens."""
        words = [] if self.tokens is None else self.tokens.get_secret_value().replace(",", " ").split()
        if self.token is not None:
            words.append(self.token.get_secret_value())
        return tuple(credential(word) for word in words if word)


def credential(word: str) -> Credential:
    """A token, or ``CUSTOMER=TOKEN``.

    Raises:
        Refused: it is empty, as it is when a variable that should hold it does not: everybody would have it (exit code 2).
    """
    customer, equals, token = word.partition("=")
    if not equals or len(customer) != 36:  # noqa: PLR2004  length of a UUID
        customer, token = "", word
    if not token.strip():
        raise Refused("setting_invalid", "a token is empty", "give it some text, such as that of: openssl rand -hex 16", USAGE)
    return Credential(token=token, customer_id=customer.lower() or None)


def unknown_names(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Names that begin with ``OUTDIAL_`` and mean nothing, each with the name that may have been meant."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    known += [f"{PREFIX}{name.upper()}_FILE" for name in SECRETS]
    odd = [name for name in environment if name.startswith(PREFIX) and name not in known and not name.startswith(FOR_TESTS)]
    return {name: next(iter(get_close_matches(name, known, 1)), None) for name in odd}


def load(environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The settings in force: flags that were given, over the environment, over the defaults.

    Raises:
        Refused: a name is unknown, or a value has the wrong form (exit code 2).
    """
    for name, meant in unknown_names(environment).items():
        fix = f"did you mean {meant}?" if meant else "take it out of the environment"
        raise Refused("setting_unknown", f"{name} is no setting", fix, USAGE)
    secrets = {name: _secret(environment, name) for name in SECRETS if f"{PREFIX}{name.upper()}_FILE" in environment}
    try:
        return Settings(**{**secrets, **{name: value for name, value in flags.items() if value is not None}})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in found["loc"])
        raise Refused(
            "setting_invalid", f"{PREFIX}{name.upper()} (or its flag): {found['msg']}", "give a value of that form", USAGE
        ) from None


def _secret(environment: Mapping[str, str], name: str) -> str:
    variable = f"{PREFIX}{name.upper()}_FILE"
    try:
        return Path(environment[variable]).read_text("utf-8").strip()
    except OSError as error:
        raise Refused("setting_invalid", f"{variable} cannot be read: {error.strerror}", "name a readable file", USAGE) from None
