"""How a Kafka cluster is reached. Facts only: whoever connects makes its own client of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
