"""Settings from the environment: ``OUTDIAL_<NAME>``, or a file named by ``OUTDIAL_<NAME>_FILE`` for secrets.

Loaded only by what runs the service; their names are in ``names``.
"""

from collections.abc import Mapping
from pathlib import Path
from re import compile as pattern
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from outdial.connection import Connection, SaslMechanism, SecurityProtocol
from outdial.doors.cli.actions import DEFAULT_HOST, USAGE, Cluster, Credential, LogForm, Refused
from outdial.doors.cli.names import NAMES, NESTED, PLAIN_NAMES, PREFIX, SECRETS, refuse_unknown
from outdial.topology import DEFAULT_PARTITIONS, DEFAULT_PREFIX, Topology
from outdial.wire import sentence

ORIGIN: Final = pattern(r"(?P<scheme>https?)://([a-z0-9_]([a-z0-9_.\-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
DEFAULT_PORT_OF: Final = {"http": 80, "https": 443}
MOST_PORTS: Final = 65_535
RATE: Final = r"^([1-9][0-9]{0,6}(\.[0-9]{1,6})?|0\.[0-9]{0,5}[1-9])(/[1-9][0-9]{0,6})?$"
CUSTOMER: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
CARRIER: Final = r"^(none|simulated|webhook|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$"
KAFKA_NAME: Final = r"^[A-Za-z0-9._\-]{1,200}$"
SETTING_FORMS: Final = {
    RATE: "must be how many requests a second, like 200, or 200/400 for 400 at once",
    CUSTOMER: "must be a UUID in lower case, like 7f1b1c5e-0000-4000-8000-000000000001",
    CARRIER: "must be none, simulated, webhook, or package.module:name",
    KAFKA_NAME: "must be at most 200 letters, digits and . _ -",
}
"""What a setting must be, for people, by the pattern it is checked with."""


class Kafka(BaseModel):
    """How a Kafka cluster is reached: ``OUTDIAL_KAFKA__<NAME>``."""

    bootstrap_servers: str | None = Field(None, min_length=3)
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None


class Settings(BaseSettings):
    """What the environment may say. A flag goes before it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="ignore")

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
    rate_limit_ip: str | None = Field(None, pattern=RATE)
    """How often one address may ask: ``200/400`` is 200 a second, and 400 at once. Absent: as often as it likes."""
    rate_limit_customer: str | None = Field(None, pattern=RATE)
    """How often one customer may ask."""
    allowed_origins: str | None = None
    """Sites whose pages may ask here with a token, such as ``https://app.example``; several with commas or white space between."""
    customer_id: str | None = Field(None, pattern=CUSTOMER)
    fingerprint_key: SecretStr | None = None
    carrier: str = Field("none", pattern=CARRIER)
    """``none``, ``simulated``; for a worker also ``webhook``, or ``package.module:name`` of one's own."""
    seed: int = 1
    speed: float = Field(1.0, gt=0, le=100_000)
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    log_form: LogForm = "auto"
    """``lines`` for people, ``json`` for what collects logs; ``auto``: lines at a terminal, JSON elsewhere."""
    url: str | None = None
    """Read by the verbs."""
    kafka: Kafka = Field(default_factory=lambda: Kafka(bootstrap_servers=None))
    topic_prefix: str = Field(DEFAULT_PREFIX, pattern=KAFKA_NAME)
    partitions: int = Field(DEFAULT_PARTITIONS, ge=1, le=4_096)
    instance: str | None = Field(None, pattern=KAFKA_NAME)
    """The identity of this process among the ledgers: it may be away for a moment without losing its partitions."""
    max_calls: int = Field(100, ge=1, le=100_000)
    """Calls a worker has open at once."""
    claim: bool = True
    """Whether a worker asks the ledger before each call."""
    webhook_url: str | None = None
    webhook_secret: SecretStr | None = None
    webhook_private: bool = False
    """Whether a webhook, a worker's or one that events are sent to, may be in a private network."""

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """All tokens."""
        words = [] if self.tokens is None else self.tokens.get_secret_value().replace(",", " ").split()
        if self.token is not None:
            words.append(self.token.get_secret_value())
        return tuple(credential(word) for word in words if word)

    @property
    def origins(self) -> tuple[str, ...]:
        """The sites that are allowed, each as browsers name it."""
        return tuple(map(origin, (self.allowed_origins or "").replace(",", " ").split()))

    @property
    def cluster(self) -> Cluster | None:
        """The Kafka cluster, when one is named."""
        kafka = self.kafka
        if kafka.bootstrap_servers is None:
            return None
        connection = Connection(
            bootstrap=kafka.bootstrap_servers,
            security_protocol=kafka.security_protocol,
            sasl_mechanism=kafka.sasl_mechanism,
            sasl_username=kafka.sasl_username,
            sasl_password=None if kafka.sasl_password is None else kafka.sasl_password.get_secret_value(),
            ssl_cafile=kafka.ssl_cafile,
            ssl_certfile=kafka.ssl_certfile,
            ssl_keyfile=kafka.ssl_keyfile,
        )
        return Cluster(connection=connection, topology=Topology(self.topic_prefix, self.partitions), instance=self.instance)


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


def origin(word: str) -> str:
    """A site as browsers name it: scheme, host, and a port where it is not the scheme's own.

    Raises:
        Refused: no browser would ever name a site like this, so it would let nobody in, or it stands for any (exit code 2).
    """
    fix = "name each site as its pages' browsers do, such as https://app.example or http://localhost:3000"
    found = ORIGIN.fullmatch(word.lower())
    if found is None:
        raise Refused("setting_invalid", f"{word} is no origin: it is http:// or https://, a host, perhaps a port, and no more", fix, USAGE)
    scheme, port = found["scheme"], found["port"]
    if port is not None and (int(port) == DEFAULT_PORT_OF[scheme] or not 0 < int(port) <= MOST_PORTS or port.startswith("0")):
        raise Refused("setting_invalid", f"{word} has a port that browsers leave out, or that is none", fix, USAGE)
    return word.lower()


def load(environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The settings in force: flags that were given, over the environment, over the defaults.

    Raises:
        Refused: a name is unknown, or a value has the wrong form (exit code 2).
    """
    refuse_unknown(environment)
    said = {name: environment[f"{PREFIX}{name.upper()}"] for name in NAMES if f"{PREFIX}{name.upper()}" in environment}
    secrets = {name: _secret(environment, name) for name in SECRETS if f"{PREFIX}{name.upper()}_FILE" in environment}
    given: dict[str, Any] = {**said, **secrets, **{name: value for name, value in flags.items() if value is not None}}
    kafka = _kafka(environment) | {name.partition(NESTED)[2]: given.pop(name) for name in [*given] if NESTED in name}
    try:
        return Settings(**(given | ({"kafka": kafka} if kafka else {})))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = NESTED.join(str(part) for part in found["loc"])
        raise Refused(
            "setting_invalid",
            f"{PREFIX}{name.upper()} (or its flag): {sentence(found, SETTING_FORMS)}",
            "give a value of that form",
            USAGE,
        ) from None


def _kafka(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says of Kafka, in our names or, where they say nothing, in everybody's."""
    plain = {name: environment[known] for known, name in PLAIN_NAMES.items() if environment.get(known)}
    ours = {name: environment.get(f"{PREFIX}KAFKA{NESTED}{name.upper()}") for name in Kafka.model_fields}
    return plain | {name: value for name, value in ours.items() if value is not None}


def _secret(environment: Mapping[str, str], name: str) -> str:
    variable = f"{PREFIX}{name.upper()}_FILE"
    try:
        return Path(environment[variable]).read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise Refused("setting_invalid", f"{variable} is no text in UTF-8", "name the file of the secret", USAGE) from None
    except OSError as error:
        raise Refused("setting_invalid", f"{variable} cannot be read: {error.strerror}", "name a readable file", USAGE) from None
