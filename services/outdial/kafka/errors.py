"""What is wrong with a cluster, its topics or its log, and what to do about it."""

from typing import Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NoBrokersAvailable,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

FORBIDDEN: Final = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
UNKNOWN_SENDER: Final = (SaslAuthenticationFailed, UnsupportedSaslMechanismError)
"""The cluster does not take our name and password, or not in this way."""
PASSING: Final = (KafkaError, TimeoutError, OSError)
"""What another try, on a new connection, may end: whatever is none of these is the program's own, and it stops."""

SILENT_S: Final = 5.0
"""After so long without any answer a process says that it has no broker."""


class ClusterError(Exception):
    """The runtime cannot go on. ``reason`` is stable, ``fix`` says what to do."""

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fix = fix


def unreachable(bootstrap: str) -> ClusterError:
    """No broker answers."""
    return ClusterError("kafka_unreachable", f"no Kafka broker answers at {bootstrap}", "start it, or name another one with --kafka")


def explained(error: Exception, bootstrap: str) -> ClusterError | None:
    """A refusal of the cluster that another try will not end; None for what may pass by itself."""
    if isinstance(error, FORBIDDEN):
        return ClusterError(
            "kafka_forbidden",
            f"the Kafka cluster refuses us the right to do this: {type(error).__name__}",
            "give this user the rights that docs/kafka.md lists",
        )
    if isinstance(error, UNKNOWN_SENDER):
        return ClusterError(
            "kafka_login_refused",
            "the Kafka cluster does not take our user name, password or mechanism",
            "set OUTDIAL_KAFKA__SASL_MECHANISM, OUTDIAL_KAFKA__SASL_USERNAME and OUTDIAL_KAFKA__SASL_PASSWORD",
        )
    if isinstance(error, NoBrokersAvailable):
        return unreachable(bootstrap)
    return None
