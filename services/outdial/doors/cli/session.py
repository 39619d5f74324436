"""One call of the program: whom it talks to, and how it prints."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outdial.doors.cli.actions import Actions, Refused
from outdial.doors.cli.folders import address_of, data_folder, database_of

if TYPE_CHECKING:
    from outdial.doors.cli.blocking import Blocking

USAGE = 2
UNREACHABLE = 69


def say(text: str) -> None:
    """Talk to the person: on stderr, so that stdout holds data only."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Session:
    """What the shared options of a verb said."""

    actions: Actions
    data: Path | None
    as_json: bool
    url: str | None = None
    token: str | None = None

    @property
    def folder(self) -> Path:
        """The data folder."""
        return data_folder(self.data, os.environ)

    def client(self, *, reads: bool = False) -> "Blocking":
        """A client of the server; for a verb that only reads, of the data folder itself when no server runs.

        Raises:
            Refused: ``no_server`` (exit code 69).
        """
        from outdial.client.http import Client
        from outdial.doors.cli.blocking import Blocking

        url = self.url or os.environ.get("OUTDIAL_URL")
        if url:
            try:
                return Blocking(Client(url, self._secret(), reconnect_s=0))
            except ValueError as error:
                raise Refused("url_invalid", str(error), "name the server as http://host:port", USAGE) from None
        folder = self.folder
        if address := address_of(folder):
            return Blocking(Client(address.url, self._secret(), reconnect_s=0))
        if reads and database_of(folder) is not None:
            from outdial.doors.cli.offline import OFFLINE_URL, Offline

            say(f"no server is running; reading {folder} as it stands")
            reader = self.actions.open_reader(folder)
            offline = Offline(reader, self.actions.asker(reader), os.environ.get("OUTDIAL_CUSTOMER_ID"))
            return Blocking(Client(OFFLINE_URL, reconnect_s=0, transport=offline))
        raise Refused(
            "no_server",
            f"no server is running in the data folder {folder}",
            f"start one with: outdial serve --data {folder}   (or name one: --url http://host:port, or OUTDIAL_URL)",
            UNREACHABLE,
        )

    def _secret(self) -> str | None:
        """The token, from the flag, the environment, or the file the environment names."""
        if self.token or (file := os.environ.get("OUTDIAL_TOKEN_FILE")) is None:
            return self.token or os.environ.get("OUTDIAL_TOKEN")
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as error:
            raise Refused("token_missing", f"OUTDIAL_TOKEN_FILE cannot be read: {error.strerror}", "name a readable file", USAGE) from None


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the person wants it. Without a terminal nobody is asked: ``--yes`` must say it.

    Raises:
        Refused: nobody can be asked (exit code 2).
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("not_confirmed", f"{question} Nobody can be asked here.", "add --yes", USAGE)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
