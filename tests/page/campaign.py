"""A campaign for the page to show: made-up people, a plan, a run, as anybody would make them over HTTP."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.request import Request, urlopen

NAMES: Final = ("Ada Byron", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", "Donald Knuth", "Radia Perlman")
PLAN: Final = {
    "name": "Three tries an hour apart",
    "source": {"type": "tel", "target": "+12025550100"},
    "dial_timeout": 25_000,
    "try_interval": 600_000,
    "max_try_count_0": 3,
    "max_try_count_1": 2,
    "max_concurrent": 40,
}
ZONES: Final = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")


def people(count: int) -> str:
    """A list as CSV."""
    rows = [f"{NAMES[n % len(NAMES)]} {n},+1202{5_550_000 + n},+1312{5_550_000 + n},{ZONES[n % len(ZONES)]},{n % 3}" for n in range(count)]
    return "\n".join(["name,destination_0,destination_1,time_zone,priority", *rows]) + "\n"


def ask(url: str, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    """The JSON of an answer."""
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    asked = Request(f"{url}/v1.0{path}", data, {"Content-Type": kind, "Outdial-Time": "iso"}, method=method)  # noqa: S310  a server of the test
    with urlopen(asked) as answer:  # noqa: S310  as above
        return json.load(answer)


@dataclass(frozen=True)
class Campaign:
    """One outdial that dials."""

    outdial_id: str
    target_id: str

    @classmethod
    def begun(cls, url: str, count: int = 400, name: str = "June customers") -> Self:
        """Make it and start it."""
        outdial: str = ask(url, "POST", "/outdials", {"name": name, "detail": "Everybody who asked for a call back"})["id"]
        outplan: str = ask(url, "POST", "/outplans", PLAN)["id"]
        ask(url, "POST", f"/outdials/{outdial}/import", people(count), "text/csv")
        ask(url, "PUT", f"/outdials/{outdial}/dialing", {"status": "run", "outplan_id": outplan})
        target: str = ask(url, "GET", f"/outdials/{outdial}/targets?page_size=3")["result"][-1]["id"]
        return cls(outdial, target)

    @property
    def views(self) -> dict[str, str]:
        """The views of the page that show it."""
        outdial = f"/outdials/{self.outdial_id}"
        target = f"{outdial}/targets/{self.target_id}"
        return {
            "overview": "/",
            "outdial": outdial,
            "then": f"{outdial}?at=30",
            "changes": f"{outdial}/changes",
            "targets": f"{outdial}/targets",
            "target": target,
            "system": "/system",
        }

    @property
    def shown(self) -> dict[str, str]:
        """What is there once a view has loaded."""
        return {
            "overview": ".outdials li",
            "outdial": ".held tbody tr",
            "then": ".funnel .share .n[aria-label*=':']",
            "changes": ".timeline li",
            "targets": ".calls tbody tr",
            "target": ".timeline li",
            "system": ".grid .card",
        }
