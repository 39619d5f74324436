"""How a Kafka cluster is reached. Whoever connects makes its own clients, with the arguments that are the same for all."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

REQUEST_TIMEOUT_MS: Final = 10_000
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Connection:
    """The way to a cluster."""

    bootstrap: str
    """``host:port``, several with commas between them."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    """Used when the security protocol has SASL in it, as are the two below."""
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: Path | None = None
    """PEM; None: the certificate authorities of the system."""
    ssl_certfile: Path | None = None
    """PEM, with ``ssl_keyfile``: who we are, where the cluster asks for it."""
    ssl_keyfile: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether it goes over TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    def arguments(self) -> dict[str, Any]:
        """Arguments of every aiokafka client.

        Raises:
            OSError: a certificate or key cannot be read.
        """
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }
        if self.encrypted:
            from ssl import create_default_context  # noqa: PLC0415  for whoever needs it: it takes its time

            arguments["ssl_context"] = context = create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile is not None:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        if self.security_protocol.startswith("SASL"):
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return arguments
