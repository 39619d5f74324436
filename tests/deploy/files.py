"""The files people start Outdial by, read."""

import json
import re
from typing import Any, Final

import yaml

from messages import ROOT

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if service["image"].startswith("outdial:")}
"""The services that run this program."""
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEPLOY: Final = ROOT / "deploy"
PROMETHEUS: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
ALERTS: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
DASHBOARD: Final[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "dashboards" / "outdial.json").read_text(encoding="utf-8"))
EXAMPLE: Final = (ROOT / ".env.example").read_text(encoding="utf-8")

VARIABLE: Final = re.compile(r"\$\{([A-Z_]+)(?::([?-])([^}]*))?\}")
"""A variable of a compose file: its name, and after `:?` why it is needed or after `:-` its default."""


def image_environment() -> dict[str, str]:
    """What the image sets for the program."""
    block = re.search(r"^ENV PATH=(?:.*\\\n)*.*$", DOCKERFILE, re.MULTILINE)
    assert block is not None
    return dict(re.findall(r"\b(OUTDIAL_[A-Z_]+)=(\S+)", block.group()))


def command(service: str) -> list[str]:
    """What a service calls `outdial` with."""
    found: list[str] = OURS[service]["command"]
    return found
