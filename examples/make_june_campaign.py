"""Write the example files: the same bytes on every machine, from one seed, without a network.

    python examples/make_june_campaign.py [FOLDER]

``june-campaign.csv`` has 10,000 rows: 9,830 good ones, 50 broken ones and 120 duplicates, whose lines stand in
``june-campaign.expected.json``. ``june-campaign.bom.csv``, ``june-campaign.utf-16.csv`` and
``june-campaign.semicolon.csv`` are the same rows with a byte order mark, in UTF-16 and separated by semicolons.
``demo-500.csv`` has 500 good rows, for the demo.

The people are invented. The numbers are those that regulators keep free for films and books; those of
South Korea, which keeps none, begin with a zero that no exchange there has.
"""

import codecs
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

SEED = 20_260_601
DEMO_SEED = 500
ROWS = 10_000
BROKEN = 50
DUPLICATES = 120
DEMO_ROWS = 500
COLUMNS = (
    "name", "destination_0", "destination_1", "destination_2", "detail", "data", "priority", "try_count_max", "time_zone",
)  # fmt: skip
STRIDE = 7_919
"""A prime, so that a walk by it meets every number once."""
UNDECODABLE = "\udcff"
"""Written as the byte FF in UTF-8 and as half a surrogate pair in UTF-16: no text in either."""

Cells = dict[str, str]


class Country(NamedTuple):
    """Where a person is from."""

    share: int
    """Of a hundred people, so many."""
    numbers: str
    """Beginnings of numbers nobody has."""
    digits: int
    """How many digits follow."""
    zones: Sequence[str]
    first_names: str
    last_names: str


_AREAS = (
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252 253 254 "
    "256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 325 330 334 336 337"
)
COUNTRIES = (
    Country(
        30,
        " ".join(f"+1{area}55501" for area in _AREAS.split()),
        2,
        ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix"),
        "Ada Ben Carla Dwight Elena Frank Grace Hector",
        "Abbott Brooks Castillo Dawson Ellis Freeman Garza",
    ),
    Country(
        18,
        "+442079460 +441214960 +441134960 +441614960 +441514960 +441414960 +447700900",
        3,
        ("Europe/London",),
        "Alfie Bronwen Callum Daisy Euan Fiona Gareth",
        "Ashworth Bevan Cartwright Drummond Entwistle O'Hara",
    ),
    Country(
        14,
        "+493023125 +496990009 +494066969 +492214710 +498999998",
        3,
        ("Europe/Berlin",),
        "Änne Björn Cäcilia Detlef Günther Käthe Jürgen",
        "Groß Müller Weiß Schäfer Höhne Krüger",
    ),
    Country(
        12,
        "+3319900 +3326191 +3335301 +3346571 +3353649 +3363998",
        4,
        ("Europe/Paris",),
        "Aimée Benoît Chloé Damien Élodie François Zoë",
        "Lefèvre Béranger d'Artois Châtelain Noël Garçon",
    ),
    Country(
        10,
        "+6125550 +6135550 +6175550 +6185550",
        4,
        ("Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide", "Australia/Perth"),
        "Archie Bindi Coral Darcy Evie Flynn",
        "Barker Coolidge Dunne Eastwood Fairweather",
    ),
    Country(
        4, "+35320910 +35320911", 4, ("Europe/Dublin",), "Aoife Bríd Ciarán Dáithí Éabha Fionn", "Breathnach Ó\xa0Briain Mac\xa0Cárthaigh"
    ),
    Country(
        2,
        "+463139006 +464062804 +468465004 +469803192",
        2,
        ("Europe/Stockholm",),
        "Åke Börje Cecilia Doris Örjan",
        "Ångström Björk Sjöberg",
    ),
    Country(10, "+8220555 +8220777", 4, ("Asia/Seoul",), "민준 서연 도윤 지우 하은 예준", "김 이 박 최 정 강"),
)
NOTES = (
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "Mornings only, not on Fridays",
    'Said "call me back", twice',
    "Gate code 4711, ring twice\nDog is friendly",
    "First line\nsecond line, with a comma\n\nfourth line",
    "Met in the café; speaks French",
    "Προτιμά ελληνικά",
    "日本語でお願いします",
    'Говорит по-русски, "очень" занята',
    "يفضل العربية",
    "회의 중이면 문자로",
    "Tab\there; semicolon there",
)


class Break(NamedTuple):
    """One way to break a row: the reason the import gives, and what is done to the cells."""

    reason: str
    cells: Cells
    line: Callable[[str, str], str] = lambda line, _separator: line
    """Changes the finished line; is given the separator too."""


BREAKS = (
    Break("address_invalid", {"destination_0": "+1555"}),
    Break("address_invalid", {"destination_0": "+4930231250001234567"}),
    Break("address_invalid", {"destination_0": "+1800FLOWERS"}),
    Break("address_invalid", {"destination_0": "442079460123"}),
    Break("address_invalid", {"destination_0": "020 7946 0123"}),
    Break("address_invalid", {"destination_0": "+999123456789"}),
    Break("address_invalid", {"destination_0": "ada.example.com"}),
    Break("address_invalid", {"destination_0": "ada@home@example.com"}),
    Break("address_invalid", {"destination_0": "sip:example.com"}),
    Break("address_invalid", {"destination_0": "sip:ada lovelace@example.com"}),
    Break("address_invalid", {"destination_1": "n/a"}),
    Break("destination_missing", {"destination_0": "", "destination_1": "", "destination_2": ""}),
    Break("destination_missing", {"destination_0": "   ", "destination_1": "", "destination_2": ""}),
    Break("field_invalid", {"try_count_max": "-1"}),
    Break("field_invalid", {"try_count_max": "2.5"}),
    Break("field_invalid", {"try_count_max": "three"}),
    Break("field_invalid", {"priority": "101"}),
    Break("field_invalid", {"priority": "high"}),
    Break("field_invalid", {"name": "Maximilian " * 24}),
    Break("time_zone_unknown", {"time_zone": "Europe/Atlantis"}),
    Break("time_zone_unknown", {"time_zone": "CEST+2"}),
    Break("nul_byte", {"detail": "before\x00after"}),
    Break("undecodable", {"name": f"Jos{UNDECODABLE}"}),
    Break("cells_too_many", {}, lambda line, separator: line + separator + "one more"),
    Break("cells_too_few", {}, lambda line, separator: line[: line.rindex(separator)]),
    Break("quote_invalid", {}, lambda line, _separator: '"Ada" ' + line),
)


class Row(NamedTuple):
    """One row: its cells, what is broken in it, and the index of the row it repeats."""

    cells: Cells
    broken: Break | None = None
    original: int | None = None


class People:
    """Invents one person after the other; no destination comes twice."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = [_numbers(country) for country in COUNTRIES]
        self._country_of = [index for index, country in enumerate(COUNTRIES) for _ in range(country.share)]
        self._count = 0

    def below(self, end: int) -> int:
        """A whole number from 0 to ``end - 1``. Only ``random()`` gives the same ones in every version of Python."""
        return int(self._random.random() * end)

    def pick(self, choices: Sequence[str]) -> str:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def some(self, count: int, first: int, end: int) -> set[int]:
        """So many different whole numbers from ``first`` to ``end - 1``."""
        found: set[int] = set()
        while len(found) < count:
            found.add(first + self.below(end - first))
        return found

    def invent(self) -> Cells:
        """A person: a name, one to three destinations, and now and then a note, data, a priority, a cap, a zone."""
        self._count += 1
        index = self._country_of[self.below(len(self._country_of))]
        country = COUNTRIES[index]
        numbers = self._numbers[index]
        kind = self.below(100)
        extra = self.below(100)
        cells = dict.fromkeys(COLUMNS, "")
        cells["name"] = f"{self.pick(country.first_names.split(' '))} {self.pick(country.last_names.split(' '))}"
        if kind < 5:
            cells["destination_0"] = f"sip:p{self._count}@voice.example.com"
        elif kind < 10:
            cells["destination_0"] = f"p{self._count}@mail.example.org"
        else:
            cells["destination_0"] = next(numbers)
        if extra < 22:
            cells["destination_1"] = next(numbers)
        elif extra < 25:
            cells["destination_1"] = f"q{self._count}@mail.example.org"
        if extra < 6:
            cells["destination_2"] = f"sip:r{self._count}@voice.example.com" if extra < 1 else next(numbers)
        cells["detail"] = self.pick(NOTES)
        if self.below(100) < 20:
            cells["data"] = json.dumps({"crm": self._count})
        if self.below(100) < 15:
            cells["priority"] = str(self.below(21) - 10)
        if self.below(100) < 10:
            cells["try_count_max"] = str(1 + self.below(9))
        if self.below(100) < 85:
            cells["time_zone"] = self.pick(country.zones)
        return cells


def _numbers(country: Country) -> Iterator[str]:
    """The free numbers of a country, well mixed."""
    beginnings = country.numbers.split()
    size = len(beginnings) * 10**country.digits
    for step in range(size):
        place, tail = divmod(step * STRIDE % size, 10**country.digits)
        yield f"{beginnings[place]}{tail:0{country.digits}}"


def june() -> list[Row]:
    """The rows of the June campaign."""
    people = People(SEED)
    broken = sorted(people.some(BROKEN, 10, ROWS))
    repeats = sorted(people.some(BROKEN + DUPLICATES, 200, ROWS) - set(broken))[:DUPLICATES]
    break_of = {index: BREAKS[nth % len(BREAKS)] for nth, index in enumerate(broken)}
    way_of = {index: WAYS[nth % len(WAYS)] for nth, index in enumerate(repeats)}
    rows: list[Row] = []
    good: list[int] = []
    for index in range(ROWS):
        cells = people.invent()
        if index in break_of:
            rows.append(Row(cells | break_of[index].cells, broken=break_of[index]))
        elif index in way_of:
            original = good[people.below(len(good))]
            again = way_of[index](rows[original].cells["destination_0"])
            rows.append(Row(cells | {"destination_0": again}, original=original))
        else:
            good.append(index)
            rows.append(Row(cells))
    return rows


def _grouped(text: str, pattern: str) -> str:
    """A number as people write it; other addresses in capitals, which mean the same in a host and in mail."""
    if text.startswith("+"):
        return pattern.format(text[:3], text[3:6], text[6:9], text[9:])
    user, _, host = text.partition("@")
    return f"{user}@{host.upper()}"


WAYS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: _grouped(text, "{} {} {} {}"),
    lambda text: _grouped(text, "{}-{}-{}{}"),
    lambda text: f" {text}",
    lambda text: _grouped(text, "{} ({}) {}-{}"),
    lambda text: _grouped(text, "{}.{}.{}.{}"),
)
"""Ways to write a destination again."""


def written(rows: Sequence[Row], separator: str = ",") -> tuple[str, list[int]]:
    """The text of a file with these rows, and the line each row begins at."""
    lines = [separator.join(COLUMNS)]
    starts = []
    line = 2
    for row in rows:
        text = separator.join(_quoted(row.cells[column], separator) for column in COLUMNS)
        if row.broken:
            text = row.broken.line(text, separator)
        starts.append(line)
        line += text.count("\n") + 1
        lines.append(text)
    return "\n".join(lines) + "\n", starts


def _quoted(cell: str, separator: str) -> str:
    """A cell, in quotes when it needs them."""
    if any(mark in cell for mark in (separator, '"', "\n")):
        doubled = cell.replace('"', '""')
        return f'"{doubled}"'
    return cell


def expected(rows: Sequence[Row], starts: Sequence[int]) -> str:
    """What an import must find, as JSON: one object a line, so that a change can be read."""
    errors = [
        {"line": starts[index], "row": index + 1, "reason": row.broken.reason} for index, row in enumerate(rows) if row.broken is not None
    ]
    skipped = [
        {"line": starts[index], "row": index + 1, "original_line": starts[row.original], "original_row": row.original + 1}
        for index, row in enumerate(rows)
        if row.original is not None
    ]
    counts = {"rows": len(rows), "added": len(rows) - len(errors) - len(skipped), "error_count": len(errors), "skipped_count": len(skipped)}
    parts = [f'  "{name}": {count}' for name, count in counts.items()]
    for name, found in (("errors", errors), ("skipped", skipped)):
        items = ",\n".join(f"    {json.dumps(item)}" for item in found)
        parts.append(f'  "{name}": [\n{items}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def files() -> Iterator[tuple[str, bytes]]:
    """Every example file: its name and its bytes."""
    rows = june()
    text, starts = written(rows)
    plain = text.encode("utf-8", "surrogateescape")
    yield "june-campaign.csv", plain
    yield "june-campaign.bom.csv", codecs.BOM_UTF8 + plain
    yield "june-campaign.utf-16.csv", codecs.BOM_UTF16_LE + text.encode("utf-16-le", "surrogatepass")
    yield "june-campaign.semicolon.csv", written(rows, ";")[0].encode("utf-8", "surrogateescape")
    yield "june-campaign.expected.json", expected(rows, starts).encode()
    people = People(DEMO_SEED)
    yield "demo-500.csv", written([Row(people.invent()) for _ in range(DEMO_ROWS)])[0].encode()


def main() -> None:
    """Write the files, into the folder of this script or another one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
