"""A cluster that asks who one is: the rights that are written down are enough, and whoever lacks them is told."""

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialAlteration, UserScramCredentialUpsertion

from brokers.cluster import HOST, Cluster, free_ports
from brokers.fixtures import ASKED
from cli.program import REPOSITORY
from outdial.client.errors import LoginRefused
from outdial.client.kafka import KafkaClient
from outdial.commands import CreateOutdial
from outdial.connection import Connection
from outdial.topology import Topology
from troubles.processes import Roles, roles, settings
from troubles.stage import Stage, new_id

OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "IdempotentWrite": AclOperation.IDEMPOTENT_WRITE,
}
PASSWORDS = {"ledger": "of-the-ledger", "api": "of-the-api", "nobody": "of-nobody"}


@dataclass
class Secured:
    """A cluster with a door for those it knows."""

    cluster: Cluster
    secure: str
    """Where one has to say who one is."""
    authority: Path
    """The certificate of who signed the broker's."""

    def told(self, topology: Topology, user: str, mechanism: str = "SCRAM-SHA-512", **more: str) -> dict[str, str]:
        """What a process of a user is told."""
        return settings(
            self.secure,
            topology,
            KAFKA__SECURITY_PROTOCOL="SASL_SSL",
            KAFKA__SASL_MECHANISM=mechanism,
            KAFKA__SASL_USERNAME=user,
            KAFKA__SASL_PASSWORD=PASSWORDS[user],
            KAFKA__SSL_CAFILE=str(self.authority),
            **more,
        )


def signed(folder: Path) -> tuple[Path, Path]:
    """A certificate authority, and a key with the certificate it signed for this machine."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607  wherever it is

    folder.mkdir()
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority of the tests")
    openssl("req", *new, "-keyout", "broker.key", "-out", "broker.csr", "-subj", f"/CN={HOST}")
    (folder / "san").write_text(f"subjectAltName=IP:{HOST}")
    openssl(
        *("x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "san", "-out", "broker.pem"),
    )
    store = folder / "store.pem"
    store.write_text((folder / "broker.key").read_text() + (folder / "broker.pem").read_text())
    return folder / "ca.pem", store


@pytest.fixture(scope="module")
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with TLS, passwords and rights."""
    asked = request.config.stash[ASKED]
    folder = tmp_path_factory.mktemp("secured")
    authority, store = signed(folder / "certificates")
    cluster = Cluster(1, folder / "kafka", version=asked.version, kept=asked.cache)
    ports, (port,) = cluster.nodes[0].ports, free_ports(1)
    client = {"PLAINTEXT": ports.client, "PROXIED": ports.behind, "SECURE": port}
    module = "org.apache.kafka.common.security"
    users = " ".join(f'user_{user}="{password}"' for user, password in PASSWORDS.items())
    cluster.more |= {
        "listeners": ",".join(f"{name}://{HOST}:{at}" for name, at in (client | {"CONTROLLER": ports.controller}).items()),
        "advertised.listeners": ",".join(f"{name}://{HOST}:{at}" for name, at in client.items()),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.secure.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {users};",
        "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(store),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            kept: list[UserScramCredentialAlteration] = [
                UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), word.encode()) for user, word in PASSWORDS.items()
            ]
            for future in admin.alter_user_scram_credentials(kept).values():
                future.result(10)
        yield Secured(cluster, f"{HOST}:{port}", authority)


@pytest.fixture
async def stage(secured: Secured, tmp_path: Path) -> AsyncIterator[Stage]:
    """Topics on it."""
    async with Stage.on(Connection(secured.cluster.bootstrap), tmp_path) as found:
        yield found


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Roles]:
    async with roles(tmp_path, {}) as found:
        yield found


def rights_of(role: str, topology: Topology) -> list[AclBinding]:
    """The rights docs/kafka.md lists for a role, for a user of its name."""
    found: list[AclBinding] = []
    current = ""
    for line in (REPOSITORY / "docs" / "kafka.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 3:
            continue
        current = cells[0].strip("`") or current
        if current != role:
            continue
        names = [name.replace("outdial.", f"{topology.prefix}.", 1) for name in re.findall(r"`([^`]+)`", cells[1])]
        kind, pattern = ResourceType.TOPIC, ResourcePatternType.LITERAL
        if cells[1].startswith("group"):
            kind = ResourceType.GROUP
        elif cells[1].startswith("transactional"):
            kind, pattern = ResourceType.TRANSACTIONAL_ID, ResourcePatternType.PREFIXED
        elif cells[1] == "the cluster":
            kind, names = ResourceType.BROKER, ["kafka-cluster"]
        words = re.findall(r"[A-Z]\w+", re.sub(r"\(.*?\)", "", cells[2]))
        found += [
            AclBinding(kind, name, pattern, f"User:{role}", "*", OPERATIONS[word], AclPermissionType.ALLOW)
            for name in names
            for word in words
        ]
    return found


def allow(stage: Stage, role: str, *, but: AclOperation | None = None) -> None:
    """Give a role its rights."""
    rights = [right for right in rights_of(role, stage.topology) if right.operation != but]
    assert rights
    for future in stage.admin.create_acls(rights).values():
        future.result(10)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_with_the_rights_that_are_written_down_all_is_done_over_tls(
    secured: Secured, stage: Stage, processes: Roles, mechanism: str
) -> None:
    allow(stage, "ledger")
    allow(stage, "api")
    processes.told = secured.told(stage.topology, "ledger", mechanism)
    await processes.start("ledger")
    processes.told = secured.told(stage.topology, "api", mechanism)
    api = await processes.start("api")
    async with httpx.AsyncClient(base_url=api.url) as http:
        answer = await http.post("/v1.0/outdials", json={"name": "June"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("role", ["ledger", "api"])
async def test_who_has_no_rights_is_told_where_they_are_listed(secured: Secured, stage: Stage, processes: Roles, role: str) -> None:
    processes.told = secured.told(stage.topology, "nobody")
    code, said = await (await processes.spawn(role)).ended()
    assert code == 1
    assert "docs/kafka.md" in said or "outdial topics create" in said, said
    assert "Traceback" not in said


async def test_a_ledger_that_may_read_and_not_write_is_told(secured: Secured, stage: Stage, processes: Roles) -> None:
    allow(stage, "ledger", but=AclOperation.WRITE)
    processes.told = secured.told(stage.topology, "ledger")
    code, said = await (await processes.spawn("ledger")).ended()
    assert code == 1
    assert "docs/kafka.md" in said, said
    assert "Traceback" not in said


async def test_a_wrong_password_is_named_and_not_shown(secured: Secured, stage: Stage, processes: Roles) -> None:
    for role, flags in (("ledger", ()), ("api", ()), ("worker", ("--carrier", "simulated"))):
        processes.told = secured.told(stage.topology, "ledger") | {"OUTDIAL_KAFKA__SASL_PASSWORD": "not-it"}
        code, said = await (await processes.spawn(role, *flags)).ended()
        assert code == 1
        assert "user name, password or mechanism" in said
        assert "OUTDIAL_KAFKA__SASL_PASSWORD" in said
        assert "not-it" not in said


async def test_a_broker_whose_certificate_nobody_we_trust_has_signed_is_not_spoken_to(
    secured: Secured, stage: Stage, processes: Roles
) -> None:
    processes.told = secured.told(stage.topology, "ledger")
    del processes.told["OUTDIAL_KAFKA__SSL_CAFILE"]
    code, said = await (await processes.spawn("ledger")).ended()
    assert code == 1
    assert "certificate" in said, said
    assert "OUTDIAL_KAFKA__SSL_CAFILE" in said


async def test_the_client_is_let_in_by_its_password_and_told_what_is_wrong(secured: Secured, stage: Stage) -> None:
    allow(stage, "api")
    known = Connection(secured.secure, "SASL_SSL", sasl_username="api", sasl_password=PASSWORDS["api"], ssl_cafile=secured.authority)
    async with stage.ledgers(), KafkaClient(known, prefix=stage.topology.prefix, answer_s=30) as kafka:
        assert (await kafka.send(CreateOutdial(outdial_id=new_id()))).result == "events"
    for connection, why in (
        (replace(known, sasl_password="not-it"), "user name, password or mechanism"),  # noqa: S106  an example
        (replace(known, ssl_cafile=None), "certificate"),
    ):
        with pytest.raises(LoginRefused, match=why) as refused:
            await KafkaClient(connection, prefix=stage.topology.prefix).start()
        assert "not-it" not in str(refused.value)
