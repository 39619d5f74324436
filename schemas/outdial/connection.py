"""How a Kafka cluster is reached. Facts only: whoever connects reads the certificates and makes its own clients."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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

    def certificates(self) -> dict[str, str | None]:
        """What aiokafka's ``create_ssl_context`` takes."""
        files = {"cafile": self.ssl_cafile, "certfile": self.ssl_certfile, "keyfile": self.ssl_keyfile}
        return {name: None if file is None else str(file) for name, file in files.items()}

    def arguments(self) -> dict[str, Any]:
        """Arguments of every aiokafka client, but for what is read from files."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return arguments
