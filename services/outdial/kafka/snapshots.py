"""Snapshots: a partition's ledger as it stood at an offset, so that a start need not replay the whole log.

A snapshot is this machine's own shortcut and nothing else: the log is the truth. It is used only when everything it
rests on is as it was (program, time zone data, cluster, topic, key, and the record it ends at), and thrown away otherwise.
"""

import asyncio
import hmac
import inspect
import io
import logging
import os
import pickle
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, Final

from outdial.commands import Command
from outdial.dialing.fingerprints import key_id_of
from outdial.dialing.ledger import Ledger
from outdial.wire import from_json, to_json
from outdial.zones import tzdata_version

MAC_BYTES: Final = 32
PROTOCOL: Final = 5
ASIDE: Final = ".new"
"""What a snapshot ends with until it is whole."""

log = logging.getLogger("outdial.kafka")


@dataclass(frozen=True, slots=True)
class Mark:
    """The record of the events topic a ledger stands at."""

    offset: int
    """-1: before the first."""
    digest: str
    """Of its value."""
    noted: int | None
    """How far the commands had been read by then."""

    @property
    def next_event(self) -> int:
        """Where the replay goes on."""
        return self.offset + 1


NOTHING: Final = Mark(-1, "", None)


def digest_of(value: bytes | None) -> str:
    """What a record is known again by."""
    return blake2b(value or b"", digest_size=16).hexdigest()


class Snapshots:
    """The snapshots of one installation in one folder. ``facts``: which log they are of."""

    def __init__(self, folder: Path, key: bytes, facts: str) -> None:
        self.folder = folder
        self.facts = facts
        self._key = blake2b(key, digest_size=32, person=b"outdial snap").digest()
        self._one_by_one = asyncio.Lock()
        self._writing = Lock()
        """A partition that is given up and given back may be kept twice at once."""
        self._about = f"{_program()}/{tzdata_version()}/{key_id_of(key)}/{facts}"

    async def save(self, number: int, ledger: Ledger, mark: Mark) -> None:
        """Keep a ledger as it stands now, signed and written in a thread. One that cannot be written is only missed at the next start."""
        head = to_json({"about": f"{self._about}/{number}", "offset": mark.offset, "digest": mark.digest, "noted": mark.noted})
        body = io.BytesIO()
        body.write(len(head).to_bytes(4, "big") + head)
        pickle.dump(ledger, body, PROTOCOL)
        await asyncio.to_thread(self._write, number, body.getbuffer())

    def _write(self, number: int, content: memoryview) -> None:
        path = self._path(number)
        # A process that replays for this one may keep the same partition.
        aside = path.with_suffix(f".{os.getpid()}{ASIDE}")
        try:
            with self._writing:
                self.folder.mkdir(parents=True, exist_ok=True)
                with aside.open("wb") as file:
                    file.write(self._mac(content))
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                aside.rename(path)
        except OSError as error:
            log.warning("no snapshot of partition %d: %s", number, error.strerror)

    def sweep(self) -> None:
        """Remove what processes that were killed had begun to write. Only while nobody writes here."""
        for path in self.folder.glob(f"ledger-*{ASIDE}"):
            path.unlink(missing_ok=True)

    async def load(self, number: int) -> tuple[Ledger, Mark] | None:
        """A ledger that was kept, and where it stood; None when there is none that can be used.

        A file is read and its signature checked in a thread, while the event loop makes another partition's ledger of what was read before.
        """
        async with self._one_by_one:
            rest = await asyncio.to_thread(self._signed, number)
        if rest is None:
            return None
        length = int.from_bytes(rest[:4], "big")
        head: dict[str, Any] = from_json(bytes(rest[4 : 4 + length]))
        if not self._is_ours(head, number):
            log.info("the snapshot of partition %d is of another program or log; the log is replayed", number)
            return None
        ledger: Ledger = pickle.loads(rest[4 + length :])  # noqa: S301  signed, see above
        return ledger, Mark(head["offset"], head["digest"], head["noted"])

    def _signed(self, number: int) -> memoryview | None:
        """What a file says, if it is as it was written."""
        try:
            content = self._path(number).read_bytes()
        except OSError:
            return None
        told, rest = content[:MAC_BYTES], memoryview(content)[MAC_BYTES:]
        # Unpickling runs what the file says: only what this installation's key has signed is unpickled.
        if hmac.compare_digest(told, self._mac(rest)):
            return rest
        log.warning("the snapshot of partition %d is damaged; the log is replayed", number)
        return None

    def next_event(self, number: int) -> int:
        """About where a replay would go on, by what a snapshot says of itself; 0: at the beginning. Nothing is checked."""
        try:
            with self._path(number).open("rb") as file:
                file.seek(MAC_BYTES)
                head = from_json(file.read(int.from_bytes(file.read(4), "big")))
            return Mark(head["offset"], "", None).next_event if self._is_ours(head, number) else 0
        except (OSError, ValueError, LookupError, TypeError):  # also of a damaged one
            return 0

    def discard(self, number: int) -> None:
        """Throw a snapshot away."""
        self._path(number).unlink(missing_ok=True)

    def _is_ours(self, head: Any, number: int) -> bool:
        return bool(head["about"] == f"{self._about}/{number}")

    def _path(self, number: int) -> Path:
        return self.folder / f"ledger-{number}.snapshot"

    def _mac(self, content: memoryview) -> bytes:
        return blake2b(content, key=self._key, digest_size=MAC_BYTES).digest()


@lru_cache(maxsize=1)
def _program() -> str:
    """A digest over the sources a ledger is made of: another program may mean something else by the same bytes."""
    found = blake2b(digest_size=16)
    for known in (Ledger, Command):
        for path in sorted(Path(inspect.getfile(known)).parent.glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()
