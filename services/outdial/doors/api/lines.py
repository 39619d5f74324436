"""Bytes of an upload, in pieces of any size, to the lines they spell.

The encoding is told by the byte order mark: UTF-8, UTF-16 little or big endian; without one it is UTF-8.
Bytes that are no text become lone surrogates, which no text holds, so that whoever reads a line can
refuse that line alone. A line ends with a line feed, a carriage return, or both.
"""

import codecs
import re
from collections.abc import Callable
from io import StringIO
from typing import Final

MAX_ROW: Final = 1_048_576
"""Characters a row may have, its line breaks included."""
UNDECODED: Final = re.compile("[\ud800-\udfff]")
"""What bytes that are no text have become."""

_Decode = Callable[[bytes, str, bool], tuple[str, int]]
_MARKS: Final[tuple[tuple[bytes, _Decode, str], ...]] = (
    (codecs.BOM_UTF8, codecs.utf_8_decode, "surrogateescape"),
    (codecs.BOM_UTF16_LE, codecs.utf_16_le_decode, "surrogatepass"),
    (codecs.BOM_UTF16_BE, codecs.utf_16_be_decode, "surrogatepass"),
)
_NO_TEXT: Final = "\udcff"


class Lines:
    """Turns pieces of a file into lines. Holds at most one line, and of a longer one than :data:`MAX_ROW` only the beginning."""

    def __init__(self) -> None:
        self.flawed = False
        """True once there was a byte that is no text, or a NUL; lines read so far may hold it."""
        self._rest = b""
        self._tail = ""
        self._decode: _Decode | None = None
        self._lenient = ""

    def feed(self, data: bytes, *, final: bool = False) -> list[str]:
        """The lines that are complete now, line ends included; with ``final`` also the last, which may have none."""
        data = self._rest + data
        if self._decode is None:
            if len(data) < len(codecs.BOM_UTF8) and not final:
                self._rest = data
                return []
            data = self._choose(data)
        text, self._rest = self._text(data, final)
        if "\0" in text:
            self.flawed = True
        return self._split(text, final)

    def _choose(self, data: bytes) -> bytes:
        """Settle the encoding; gives back the data without its mark."""
        for mark, decode, lenient in _MARKS:
            if data.startswith(mark):
                self._decode, self._lenient = decode, lenient
                return data[len(mark) :]
        _, self._decode, self._lenient = _MARKS[0]
        return data

    def _text(self, data: bytes, final: bool) -> tuple[str, bytes]:  # noqa: FBT001  a step of feed
        """The text of the data, and the bytes at its end that are the beginning of a character."""
        decode = self._decode or codecs.utf_8_decode
        try:
            text, used = decode(data, "strict", final)
        except UnicodeDecodeError:
            self.flawed = True
            odd = final and self._lenient == "surrogatepass" and len(data) % 2
            text, used = decode(data[:-1] if odd else data, self._lenient, final)
            if odd:
                return text + _NO_TEXT, b""
        return text, data[used:]

    def _split(self, text: str, final: bool) -> list[str]:  # noqa: FBT001  a step of feed
        if len(self._tail) > MAX_ROW and not self._tail.endswith("\r"):
            text = text[_line_end(text) :]
        lines = list(StringIO(self._tail + text, newline=""))
        self._tail = ""
        if lines and not final and not lines[-1].endswith("\n"):
            tail = lines.pop()
            # A carriage return at the end may be half of a line end.
            self._tail = tail if len(tail) <= MAX_ROW else tail[: MAX_ROW + 1] + ("\r" if tail.endswith("\r") else "")
        return lines


def _line_end(text: str) -> int:
    """Index of the first line end, or the length of the text."""
    return min((at for at in (text.find("\n"), text.find("\r")) if at >= 0), default=len(text))
