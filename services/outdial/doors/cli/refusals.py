"""The refused rows of an import as a file like the one they came from: each as it stood there, with what is wrong with it.

The file is mended and sent again as it is: the service leaves out the columns that say what was wrong.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final

from outdial import wire
from outdial.doors.api.lines import MAX_ROW, Lines
from outdial.doors.api.rows import REFUSED, separated

PIECE: Final = 256 * 1024
Refusal = Mapping[str, Any]


def refused_rows(source: IO[bytes], refused: Sequence[Refusal], *, ndjson: bool | None) -> bytes:
    """The file of these rows. ``ndjson`` None: the source shows which it is."""
    source.seek(0)
    header, texts = _read(source, {refusal["line"]: refusal for refusal in refused})
    if ndjson or (ndjson is None and header.lstrip().startswith("{")):
        lines = [_object(texts.get(refusal["line"], ""), refusal) for refusal in refused]
    else:
        _, separator = separated(header.strip())
        if REFUSED[0] in header.lower():  # it is such a file already
            cut = header.lower().index(REFUSED[-1]) + len(REFUSED[-1])
            header = header[cut:].lstrip('"' + separator)
            texts = {line: _without(text, separator) for line, text in texts.items()}
        lines = [separator.join(REFUSED) + separator + header.rstrip("\r\n")]
        lines += [_cells(refusal, separator) + separator + texts.get(refusal["line"], "") for refusal in refused]
    text = "".join(f"{line}\n" for line in lines)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _read(source: IO[bytes], wanted: Mapping[int, Refusal]) -> tuple[str, dict[int, str]]:
    """The first line that is not empty, and each wanted row by the line it begins at."""
    header, texts, open_rows = "", {}, dict[int, str]()
    for number, line in enumerate(_lines(source), 1):
        header = header if header.strip() else line
        for begin, text in [*open_rows.items()]:
            open_rows[begin] = text + line
        if (refusal := wanted.get(number)) is not None:
            texts[number] = line.rstrip("\r\n")
            if refusal["reason"] not in ("quote_open", "quote_invalid", "row_too_long", "cell_too_long"):
                open_rows[number] = line
        for begin, text in [*open_rows.items()]:
            if text.count('"') % 2 == 0:
                texts[begin] = open_rows.pop(begin).rstrip("\r\n")
            elif len(text) > MAX_ROW:
                del open_rows[begin]
    return header, texts


def _lines(source: IO[bytes]) -> Iterator[str]:
    """The lines as the service counts them."""
    lines = Lines()
    while piece := source.read(PIECE):
        yield from lines.feed(piece)
    yield from lines.feed(b"", final=True)


def _cells(refusal: Refusal, separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow([refusal["line"], refusal["reason"], refusal["message"]])
    return text.getvalue()


def _without(text: str, separator: str) -> str:
    """A row of such a file without the cells that say what was wrong."""
    quoted, seen = False, 0
    for at, letter in enumerate(text):
        quoted ^= letter == '"'
        seen += letter == separator and not quoted
        if seen == len(REFUSED):
            return text[at + 1 :]
    return text


def _object(text: str, refusal: Refusal) -> str:
    """A line of NDJSON; one that is no object stands in ``refused_text``."""
    said = {name: refusal[name.removeprefix("refused_")] for name in REFUSED}
    try:
        value = wire.from_json(text)
    except wire.Malformed:
        value = None
    row = value if isinstance(value, dict) else {"refused_text": text.encode("utf-8", "replace").decode()}
    return wire.to_json({**{name: inner for name, inner in row.items() if name not in REFUSED}, **said}).decode()
