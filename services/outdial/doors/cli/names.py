"""The names of all settings, and where their values come from: the environment, over a file of the person's own.

It imports nothing heavy: every verb looks whether what is set means something, for a setting that is silently
ignored is found out too late.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from outdial.doors.cli.actions import USAGE, Refused

PREFIX: Final = "OUTDIAL_"
NESTED: Final = "__"
NAMES: Final = (
    "data", "host", "port", "tls_cert", "tls_key", "token", "tokens", "query_tokens", "rate_limit_ip", "rate_limit_customer",
    "allowed_origins", "customer_id", "fingerprint_key", "carrier", "seed", "speed", "log_level", "log_form", "url", "topic_prefix",
    "partitions", "instance", "max_calls", "claim", "webhook_url", "webhook_secret", "webhook_private",
)  # fmt: skip
KAFKA_NAMES: Final = (
    "bootstrap_servers", "security_protocol", "sasl_mechanism", "sasl_username", "sasl_password",
    "ssl_cafile", "ssl_certfile", "ssl_keyfile",
)  # fmt: skip
SECRETS: Final = ("token", "tokens", "fingerprint_key", "webhook_secret", "kafka__sasl_password")
PLAIN_NAMES: Final = {
    "KAFKA_BOOTSTRAP_SERVERS": "bootstrap_servers",
    "KAFKA_BROKERS": "bootstrap_servers",
    "KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "KAFKA_SASL_USERNAME": "sasl_username",
    "KAFKA_SASL_PASSWORD": "sasl_password",
    "KAFKA_SSL_CAFILE": "ssl_cafile",
    "KAFKA_SSL_CERTFILE": "ssl_certfile",
    "KAFKA_SSL_KEYFILE": "ssl_keyfile",
}
"""What other programs call the same; used for what has no name of ours."""
FOR_TESTS: Final = ("OUTDIAL_TEST_", "OUTDIAL_REQUIRE_", "OUTDIAL_BENCH_")
"""Names the test suite and the measures read; the program does not."""
ALL: Final = (*NAMES, *(f"kafka{NESTED}{name}" for name in KAFKA_NAMES))
FILE: Final = "_FILE"
"""The end of a name whose value is a file that holds the secret."""
KNOWN: Final = tuple(f"{PREFIX}{name.upper()}" for name in (*ALL, *(f"{secret}{FILE}" for secret in SECRETS)))


def unknown_names(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Names that begin with ``OUTDIAL_`` and mean nothing, each with the name that may have been meant."""
    odd = [name for name in environment if name.startswith(PREFIX) and name not in KNOWN and not name.startswith(FOR_TESTS)]
    return {name: _near(name) for name in odd}


def _near(name: str) -> str | None:
    """The known name that may have been meant."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, KNOWN, 1)), None)


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raises Refused when the environment holds a setting that means nothing (exit code 2)."""
    for name, meant in unknown_names(environment).items():
        fix = f"did you mean {meant}?" if meant else "take it out of the environment"
        raise Refused("setting_unknown", f"{name} is no setting", fix, USAGE)


def effective(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment over the file of settings: what the file says stands under the name it has in the environment.

    Raises:
        Refused: the environment or the file holds a name that is unknown, or the file cannot be read (exit code 2).
    """
    refuse_unknown(environment)
    said = {variable: value for variable, value in in_file(config_file(environment)).items() if not _is_set(variable, environment)}
    return {**said, **environment} if said else environment


def _is_set(variable: str, environment: Mapping[str, str]) -> bool:
    """Whether the environment says something of the same setting, under any of its names."""
    name = variable.removesuffix(FILE)
    kafka = name.removeprefix(f"{PREFIX}KAFKA{NESTED}").lower()
    aliases = [alias for alias, meant in PLAIN_NAMES.items() if meant == kafka]
    return any(environment.get(other) is not None for other in (name, f"{name}{FILE}", *aliases))


def config_file(environment: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/outdial/config.toml``, by default ``~/.config/outdial/config.toml``."""
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "outdial" / "config.toml"


def in_file(file: Path) -> dict[str, str]:
    """What a file of settings says, by the names of the environment; nothing when it is not there."""
    if not file.is_file():
        return {}
    import tomllib

    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Refused("config_invalid", f"{file} cannot be read: {error.strerror}", "make it readable, or remove it", USAGE) from None
    except ValueError as error:
        where = str(error).rpartition("(")[2].rstrip(")") if "(at " in str(error) else "somewhere in it"
        raise Refused(
            "config_invalid", f"{file} is no TOML: {where}", 'write lines like: port = 9000, or url = "http://..."', USAGE
        ) from None
    inner = said.pop("kafka", {})
    flat = said | ({f"kafka{NESTED}{name}": value for name, value in inner.items()} if isinstance(inner, dict) else {"kafka": inner})
    found = {}
    for name, value in flat.items():
        variable = f"{PREFIX}{name.upper()}"
        if variable not in KNOWN or name != name.lower():
            close = _near(variable)
            meant = None if close is None else close.removeprefix(PREFIX).lower().replace(NESTED, ".")
            fix = f"did you mean {meant}?" if meant else "take it out"
            raise Refused("setting_unknown", f"{file}: {name.replace(NESTED, '.')} is no setting", fix, USAGE)
        found[variable] = _text(file, name, value)
    return found


def _text(file: Path, name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list() if all(isinstance(part, str) for part in value):
            return " ".join(value)
        case _:
            raise Refused("config_invalid", f"{file}: {name} has a value of a form no setting has", "write a text or a number", USAGE)


def origin(name: str, environment: Mapping[str, str]) -> str:
    """Where the value of a setting comes from: a name of the environment, the file of settings, or ``default``."""
    variable = f"{PREFIX}{name.upper()}"
    aliases = [alias for alias, meant in PLAIN_NAMES.items() if f"kafka{NESTED}{meant}" == name]
    if f"{variable}{FILE}" in environment and name in SECRETS:
        return f"${variable}{FILE} ({environment[f'{variable}{FILE}']})"
    if variable in environment:
        return f"${variable}"
    if (alias := next((alias for alias in aliases if environment.get(alias)), None)) is not None:
        return f"${alias}"
    file = config_file(environment)
    said = in_file(file)
    return str(file) if variable in said or f"{variable}{FILE}" in said else "default"
