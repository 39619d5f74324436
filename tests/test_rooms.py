"""The rooms of the house, read from the source: who may import whom, and what may be done where.

A rule is a function from a room and the tree of a file to complaints, each with its line. It is tried
on every file, and on a text that breaks it, so that a rule which no longer sees anything is noticed.
"""

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from outdial.commands import COMMANDS
from outdial.events import EVENTS

ROOT = Path(__file__).parents[1]
PORTIONS = {"schemas": ROOT / "schemas/outdial", "services": ROOT / "services/outdial", "projections": ROOT / "projections/outdial"}
ROOMS = ("dialing", "embedded", "kafka", "worker", "client", "doors", "compose", "views")


class Allowed(NamedTuple):
    """What a room may import besides itself and the standard library."""

    rooms: frozenset[str]
    libraries: frozenset[str] = frozenset()


def allowed(rooms: str, libraries: str = "") -> Allowed:
    return Allowed(frozenset(rooms.split()), frozenset(libraries.split()))


TABLE = {
    "schemas": allowed("", "pydantic pydantic_core msgspec"),
    "dialing": allowed("schemas", "tzdata phonenumbers"),
    "views": allowed("schemas", "aiosqlite"),
    "embedded": allowed("dialing schemas views", "aiosqlite"),
    "kafka": allowed("dialing schemas views", "aiosqlite aiokafka"),
    "worker": allowed("schemas", "faust aiokafka httpx"),
    "client": allowed("schemas", "httpx aiokafka"),
    "doors": allowed(
        "schemas views client",
        "fastapi starlette uvicorn anyio httpx pydantic pydantic_core pydantic_settings email_validator "
        "typer click rich structlog prometheus_client",
    ),
}
"""`compose` is not in it: it is the one file that knows every room."""

UNKNOWABLE = frozenset({"time", "random", "secrets", "uuid.uuid1", "uuid.uuid4", "datetime.datetime.now", "datetime.datetime.utcnow"})
"""What gives another answer the next time it is asked."""
OUTSIDE = frozenset({"asyncio", "http", "io", "logging", "os", "signal", "socket", "subprocess", "threading", "urllib"})
"""What reaches out of the program."""
UNSTABLE_BUILTINS = frozenset({"print", "input", "open", "hash"})
PURE = frozenset({"dialing", "views"})

SQL_WRITE = re.compile(
    r"\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(?:CREATE|DROP|ALTER)\s+TABLE)\b"
)


class Source(NamedTuple):
    room: str
    path: str
    tree: ast.Module


Rule = Callable[[Source], Iterator[str]]


def room_of(path: Path) -> str:
    """The room a file of one of the three portions stands in."""
    if path.is_relative_to(PORTIONS["schemas"]):
        return "schemas"
    portion = PORTIONS["services"] if path.is_relative_to(PORTIONS["services"]) else PORTIONS["projections"]
    return path.relative_to(portion).parts[0].removesuffix(".py")


def sources() -> list[Path]:
    return sorted(file for portion in PORTIONS.values() for file in portion.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


# --- reading a tree -----------------------------------------------------------------------------


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported name with its module in front, and its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((node.lineno, f"{module}.{name.name}") for name in names)
            case ast.ImportFrom():
                yield node.lineno, "."
            case _:
                pass


def known_as(tree: ast.AST) -> dict[str, str]:
    """Full names by the names under which a file knows what it imported."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    first = name.name.partition(".")[0]
                    known[name.asname or first] = name.name if name.asname else first
            case ast.ImportFrom(module=str(module), names=names):
                known |= {name.asname or name.name: f"{module}.{name.name}" for name in names}
            case _:
                pass
    return known


def dotted(node: ast.AST, known: dict[str, str]) -> str:
    """The full name of what an expression names; empty when it names nothing imported."""
    match node:
        case ast.Name(id=name):
            return known.get(name, "")
        case ast.Attribute(value=value, attr=name) if inner := dotted(value, known):
            return f"{inner}.{name}"
        case _:
            return ""


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the full name of what is called."""
    known = known_as(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func, known)


def made(tree: ast.AST, module: str, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Where an instance of one of these classes is made, by its constructor or by one of pydantic's."""
    for node, name in calls(tree):
        start, _, rest = name.partition(f"{module}.")
        word, _, method = rest.partition(".")
        if not start and word in names and method in {"", "model_construct", "model_validate", "model_validate_json"}:
            yield node.lineno, word


# --- rules --------------------------------------------------------------------------------------


def imports_only_what_its_room_may(source: Source) -> Iterator[str]:
    if source.room not in TABLE:
        return
    may = TABLE[source.room]
    for line, name in imports(source.tree):
        first, *rest = name.split(".")
        if first == "outdial":
            room = rest[0] if rest and rest[0] in ROOMS else "schemas"
            if room not in may.rooms | {source.room}:
                yield f"{line}: {source.room} may not import {room} ({name})"
        elif not first:
            yield f"{line}: imports are written out in full"
        elif first not in sys.stdlib_module_names | may.libraries:
            yield f"{line}: {source.room} may not import {first}"


def numbers_are_never_looked_up_on_the_map(source: Source) -> Iterator[str]:
    for line, name in imports(source.tree):
        if name.startswith("phonenumbers.") and name.split(".")[1] in {"geocoder", "carrier", "geodata", "carrierdata"}:
            yield f"{line}: {name} loads a map of the world for one word"


def reads_no_clock_no_chance_and_nothing_outside(source: Source) -> Iterator[str]:
    if source.room not in PURE:
        return
    for line, name in imports(source.tree):
        first = name.partition(".")[0]
        if first in UNKNOWABLE | OUTSIDE or name in UNKNOWABLE or (first == "sqlite3" and source.room == "dialing"):
            yield f"{line}: {source.room} may not use {name}"
    for node, name in calls(source.tree):
        if name in UNKNOWABLE or name.endswith(("datetime.now", "datetime.utcnow", "datetime.today", "date.today")):
            yield f"{node.lineno}: {source.room} may not ask {name}"
        if isinstance(node.func, ast.Name) and node.func.id in UNSTABLE_BUILTINS:
            yield f"{node.lineno}: {source.room} may not call {node.func.id}()"


def law_1_events_come_only_from_decisions(source: Source) -> Iterator[str]:
    if source.room == "dialing" or source.path.endswith("schemas/outdial/wire.py"):
        return
    for module, names in (("outdial.events", frozenset(EVENTS)), ("outdial.envelope", frozenset({"Event"}))):
        yield from (f"{line}: {word} is made here, and not decided" for line, word in made(source.tree, module, names))


def law_2_commands_come_only_from_doors_and_decisions(source: Source) -> Iterator[str]:
    if source.room == "dialing" or source.path.endswith("schemas/outdial/wire.py"):
        return
    for line, word in made(source.tree, "outdial.commands", frozenset(COMMANDS)):
        if source.room not in {"doors", "client", "worker"}:
            yield f"{line}: {word} is a command, and nobody asks for anything in {source.room}"
        elif COMMANDS[word].internal:
            yield f"{line}: {word} is the ledger's own"


def law_3_state_comes_only_from_evolve(source: Source) -> Iterator[str]:
    if source.room in {"embedded", "kafka"}:
        for line, name in imports(source.tree):
            if name.startswith("outdial.dialing.") and not name.startswith(("outdial.dialing.ledger.", "outdial.dialing.fingerprints.")):
                yield f"{line}: a runtime knows the ledger, not {name}"
    if source.room == "dialing":
        for function in ast.walk(source.tree):
            if isinstance(function, ast.FunctionDef) and _decides(function):
                yield from (f"{line}: {function.name} changes what it is given" for line in _changes(function))


def _decides(function: ast.FunctionDef) -> bool:
    answer = ast.unparse(function.returns) if function.returns else ""
    return answer in {"Decision", "Command | None"} or function.name in {"due", "due_at"}


def _changes(function: ast.FunctionDef) -> Iterator[int]:
    """Lines that write into an object, and not only into a local name or a local list."""
    own = {argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    for node in ast.walk(function):
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                yield node.lineno
            case ast.Subscript(ctx=ast.Store() | ast.Del(), value=ast.Attribute()):
                yield node.lineno
            case ast.Subscript(ctx=ast.Store() | ast.Del(), value=ast.Name(id=name)) if name in own:
                yield node.lineno
            case _:
                pass


def law_4_rows_come_only_from_events(source: Source) -> Iterator[str]:
    if source.room in {"views", "embedded", "kafka"}:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_WRITE.match(node.value):
            yield f"{node.lineno}: rows are written by the views, and by the log"


def law_5_the_loop_closes_only_through_submit(source: Source) -> Iterator[str]:
    if source.room in {"dialing", "embedded", "kafka"}:
        return
    for node, _ in calls(source.tree):
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"decide", "evolve", "due"}:
            yield f"{node.lineno}: only a runtime asks the ledger to {node.func.attr}"


RULES: tuple[Rule, ...] = (
    imports_only_what_its_room_may,
    numbers_are_never_looked_up_on_the_map,
    reads_no_clock_no_chance_and_nothing_outside,
    law_1_events_come_only_from_decisions,
    law_2_commands_come_only_from_doors_and_decisions,
    law_3_state_comes_only_from_evolve,
    law_4_rows_come_only_from_events,
    law_5_the_loop_closes_only_through_submit,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{complaint}"
        for path in sources()
        for complaint in rule(Source(room_of(path), path.relative_to(ROOT).as_posix(), tree_of(path)))
    ]

    assert broken == []


BROKEN = [
    ("schemas", "import httpx", imports_only_what_its_room_may),
    ("schemas", "from outdial.views import history", imports_only_what_its_room_may),
    ("dialing", "from pydantic import BaseModel", imports_only_what_its_room_may),
    ("dialing", "import outdial.views.history", imports_only_what_its_room_may),
    ("dialing", "from outdial import embedded", imports_only_what_its_room_may),
    ("views", "from outdial.dialing import target", imports_only_what_its_room_may),
    ("views", "from . import rows", imports_only_what_its_room_may),
    ("embedded", "import fastapi", imports_only_what_its_room_may),
    ("embedded", "from outdial.doors.api import app", imports_only_what_its_room_may),
    ("worker", "from outdial.dialing.ledger import Ledger", imports_only_what_its_room_may),
    ("client", "from outdial.views import history", imports_only_what_its_room_may),
    ("doors", "from outdial.dialing.ledger import Ledger", imports_only_what_its_room_may),
    ("doors", "def f():\n    from outdial.embedded.runtime import Runtime", imports_only_what_its_room_may),
    ("doors", "from outdial.compose import main", imports_only_what_its_room_may),
    ("dialing", "from phonenumbers import geocoder", numbers_are_never_looked_up_on_the_map),
    ("compose", "import phonenumbers.carrier", numbers_are_never_looked_up_on_the_map),
    ("dialing", "import time", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "from time import monotonic", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "from datetime import datetime\nx = datetime.now()", reads_no_clock_no_chance_and_nothing_outside),
    ("views", "import datetime\nx = datetime.datetime.now(datetime.UTC)", reads_no_clock_no_chance_and_nothing_outside),
    ("views", "from datetime import date\nx = date.today()", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "import random", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "from uuid import uuid4", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "import uuid\nx = uuid.uuid4()", reads_no_clock_no_chance_and_nothing_outside),
    ("views", "import logging", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "import sqlite3", reads_no_clock_no_chance_and_nothing_outside),
    ("dialing", "print('here')", reads_no_clock_no_chance_and_nothing_outside),
    ("views", "x = hash('text')", reads_no_clock_no_chance_and_nothing_outside),
    ("doors", "from outdial.events import OutdialDeleted\nx = OutdialDeleted()", law_1_events_come_only_from_decisions),
    ("views", "from outdial.events import OutdialDeleted as Gone\nx = Gone()", law_1_events_come_only_from_decisions),
    ("views", "from outdial import events\nx = events.TargetDeleted(target_id='')", law_1_events_come_only_from_decisions),
    ("views", "import outdial.events\nx = outdial.events.TargetDeleted(target_id='')", law_1_events_come_only_from_decisions),
    ("embedded", "from outdial.events import TargetDeleted\nx = TargetDeleted.model_construct()", law_1_events_come_only_from_decisions),
    ("embedded", "from outdial.envelope import Event\nx = Event('', 1, 0, '', '', None)", law_1_events_come_only_from_decisions),
    (
        "views",
        "from outdial.commands import StopDialing\nx = StopDialing(outdial_id='')",
        law_2_commands_come_only_from_doors_and_decisions,
    ),
    (
        "compose",
        "from outdial import commands\nx = commands.StopDialing(outdial_id='')",
        law_2_commands_come_only_from_doors_and_decisions,
    ),
    ("doors", "from outdial.commands import EndLease\nx = EndLease(outdial_id='')", law_2_commands_come_only_from_doors_and_decisions),
    ("worker", "from outdial.commands import RequestDial\nx = RequestDial()", law_2_commands_come_only_from_doors_and_decisions),
    ("embedded", "from outdial.dialing.target import Idle", law_3_state_comes_only_from_evolve),
    ("dialing", "def decide(state, command) -> Decision:\n    state.run = None", law_3_state_comes_only_from_evolve),
    ("dialing", "def add(state) -> Decision:\n    state.targets['a'] = 1", law_3_state_comes_only_from_evolve),
    ("dialing", "class Outdial:\n    def due(self, now):\n        self.seen += 1", law_3_state_comes_only_from_evolve),
    ("dialing", "def drop(targets) -> Decision:\n    del targets['a']", law_3_state_comes_only_from_evolve),
    ("doors", "x = 'INSERT INTO outdials VALUES (1)'", law_4_rows_come_only_from_events),
    ("compose", "x = f'''\n    DELETE FROM {table}'''", law_4_rows_come_only_from_events),
    ("client", "x = 'UPDATE outdials SET name = 1'", law_4_rows_come_only_from_events),
    ("doors", "events = ledger.decide(command, 0)", law_5_the_loop_closes_only_through_submit),
    ("compose", "state = target.evolve(event, 0)", law_5_the_loop_closes_only_through_submit),
]


@pytest.mark.parametrize(("room", "text", "rule"), BROKEN, ids=[f"{rule.__name__}-{n}" for n, (_, _, rule) in enumerate(BROKEN)])
def test_a_text_that_breaks_a_rule_is_seen(room: str, text: str, rule: Rule) -> None:
    assert [*rule(Source(room, f"services/outdial/{room}/planted.py", ast.parse(text)))] != []


def test_every_rule_is_tried_on_a_text_that_breaks_it() -> None:
    assert {rule for _, _, rule in BROKEN} == set(RULES)


KEPT = [
    ("dialing", "from outdial.events import OutdialDeleted\nx = OutdialDeleted()"),
    ("dialing", "from datetime import datetime\nfrom zoneinfo import ZoneInfo\nx = datetime.fromtimestamp(0, ZoneInfo('UTC'))"),
    ("dialing", "from uuid import UUID, uuid5\nx = uuid5(UUID(int=0), 'a')"),
    ("dialing", "def decide(state) -> Decision:\n    found = {}\n    found['a'] = state.run\n    return Decision()"),
    ("doors", "from outdial.commands import StopDialing, DialAnswered\nx = DialAnswered(outdial_id='')"),
    ("doors", "x = 'Insert the card into the reader'"),
    ("views", "from outdial.events import OutdialDeleted\nmatch x:\n    case OutdialDeleted():\n        pass"),
]


@pytest.mark.parametrize(("room", "text"), KEPT, ids=range(len(KEPT)))
def test_a_text_that_keeps_the_rules_is_left_in_peace(room: str, text: str) -> None:
    source = Source(room, f"services/outdial/{room}/planted.py", ast.parse(text))

    assert [complaint for rule in RULES for complaint in rule(source)] == []


# --- the tree -----------------------------------------------------------------------------------


def packages_in_the_way(portions: list[Path]) -> list[Path]:
    """`outdial/__init__.py` files: each would hide the other portions (PEP 420)."""
    return [found for portion in portions if (found := portion / "__init__.py").exists()]


def shared_names(portions: list[Path]) -> set[str]:
    """Modules that two portions both have: only one of them could be imported."""
    names = [
        {entry.name.removesuffix(".py") for entry in portion.iterdir() if not entry.name.startswith(("__", "."))} for portion in portions
    ]
    return {name for at, here in enumerate(names) for there in names[at + 1 :] for name in here & there} - {"py.typed"}


def test_there_is_never_an_init_file_in_a_portion_of_the_namespace() -> None:
    assert packages_in_the_way([*PORTIONS.values()]) == []


def test_an_init_file_in_a_portion_is_seen(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()

    assert packages_in_the_way([tmp_path]) == [tmp_path / "__init__.py"]


def test_no_two_portions_have_a_module_of_the_same_name() -> None:
    assert shared_names([*PORTIONS.values()]) == set()


def test_a_module_of_the_same_name_in_two_portions_is_seen(tmp_path: Path) -> None:
    for name in ("one/log.py", "two/log/rows.py", "one/wire.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert shared_names([tmp_path / "one", tmp_path / "two"]) == {"log"}


def test_every_file_of_a_portion_stands_in_a_room() -> None:
    assert {room_of(path) for path in sources()} <= {*ROOMS, "schemas"}


# --- the words ----------------------------------------------------------------------------------

TEXTS = frozenset({".py", ".md", ".toml", ".lock", ".yml", ".yaml", ".json", ".html", ".css", ".js", ".mjs", ".cfg", ".txt", ".sh", ""})
PROMISE = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
REGISTRY = re.compile(r"\b(?:py[p]i|python[h]osted|npm[j]s|yarn[p]kg|crate[s])\.(?:org|com|io)\b", re.IGNORECASE)


def files() -> Iterator[Path]:
    """Every text of the repository; what tools leave behind is not one."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name == ".ci" or not name.startswith((".", "__pycache__", "dist", "node_modules", "vendor"))]
        for name in names:
            path = Path(folder, name)
            if path.suffix in TEXTS and not name.startswith(".coverage"):
                yield path


def said(pattern: re.Pattern[str], text: str) -> list[str]:
    """Lines that hold the pattern, numbered."""
    return [f"{number}: {line.strip()[:100]}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


@pytest.mark.parametrize("pattern", [PROMISE, REGISTRY], ids=["promise", "registry"])
def test_no_file_promises_work_or_names_a_registry(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in files() for line in said(pattern, path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


@pytest.mark.parametrize("text", ["# TO" + "DO: later", "x = 1  # FIX" + "ME", "# HAC" + "K"])
def test_a_promise_is_seen(text: str) -> None:
    assert said(PROMISE, f"a\n{text}") == [f"2: {text}"]


@pytest.mark.parametrize("host", ["py" + "pi.org/simple", "files.python" + "hosted.org", "registry.npm" + "js.org", "crates" + ".io"])
def test_the_host_of_a_registry_is_seen(host: str) -> None:
    assert said(REGISTRY, f"https://{host}/x") != []
