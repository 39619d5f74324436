"""One call of the program: whom it talks to, and how it prints."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outdial.doors.cli.actions import UNREACHABLE, USAGE, Actions, Refused
from outdial.doors.cli.folders import address_of, data_folder, database_of, demo_folder

if TYPE_CHECKING:
    from outdial.doors.cli.blocking import Blocking
    from outdial.doors.cli.forms import Form, Printer


def say(text: str) -> None:
    """Talk to the person: on stderr, so that stdout holds data only."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Session:
    """What the shared options of a verb said."""

    actions: Actions
    environment: Mapping[str, str]
    """What the process was given, over the file of settings."""
    data: Path | None
    form: "Form" = "table"
    url: str | None = None
    token: str | None = None

    @property
    def as_data(self) -> bool:
        """Whether a program reads what is printed."""
        return self.form != "table"

    def print(self, value: Any) -> None:
        """Print a value as data, or the next of a stream."""
        self._printer.one(value)

    @cached_property
    def _printer(self) -> "Printer":
        from outdial.doors.cli.forms import Printer

        return Printer(self.form)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return data_folder(self.data, self.environment)

    def client(self, *, reads: bool = False) -> "Blocking":
        """A client of the server; for a verb that only reads, of the data folder itself when no server runs.

        Where neither a folder nor a server is named and the default folder holds nothing, a demo that runs is meant. Where it holds a
        log, never: what is for real people must not end up in a demo because their server is down.

        Raises:
            Refused: ``no_server`` (exit code 69).
        """
        from outdial.client.http import Client
        from outdial.doors.cli.blocking import Blocking

        url = self.url or self.environment.get("OUTDIAL_URL")
        if url:
            try:
                return Blocking(Client(url, self._secret(), reconnect_s=0))
            except ValueError as error:
                raise Refused("url_invalid", str(error), "name the server as http://host:port", USAGE) from None
        folder = self.folder
        if address := address_of(folder):
            return Blocking(Client(address.url, self._secret(), reconnect_s=0))
        demo = address_of(demo_folder(self.environment)) if self.data is None else None
        if demo is not None and database_of(folder) is None:
            say(f"no server is running in the data folder {folder}; this is the demo at {demo.url}")
            return Blocking(Client(demo.url, self._secret(), reconnect_s=0))
        if reads and database_of(folder) is not None:
            from outdial.doors.cli.offline import OFFLINE_URL, Offline

            say(f"no server is running; reading {folder} as it stands")
            reader = self.actions.open_reader(folder)
            offline = Offline(reader, self.actions.asker(reader), self.environment.get("OUTDIAL_CUSTOMER_ID"))
            return Blocking(Client(OFFLINE_URL, reconnect_s=0, transport=offline))
        raise Refused(
            "no_server",
            f"no server is running in the data folder {folder}",
            f"start one with: outdial serve --data {folder}   (or name one: --url http://host:port, or OUTDIAL_URL)"
            + (f"; a demo runs: --url {demo.url}" if demo is not None else ""),
            UNREACHABLE,
        )

    def _secret(self) -> str | None:
        """The token, from the flag, the environment, or the file the environment names.

        Raises:
            Refused: the file cannot be read, or no header of HTTP can hold the token (exit code 2).
        """
        from outdial.client.asking import is_token

        token = self._given_secret()
        if token is not None and not is_token(token):
            fix = "see that it was copied whole, and without the end of a line"
            raise Refused("token_invalid", "the token has characters that no token has", fix, USAGE)
        return token

    def _given_secret(self) -> str | None:
        if self.token or (file := self.environment.get("OUTDIAL_TOKEN_FILE")) is None:
            return self.token or self.environment.get("OUTDIAL_TOKEN")
        try:
            return Path(file).read_text("utf-8").strip()
        except UnicodeDecodeError:
            raise Refused("token_missing", "OUTDIAL_TOKEN_FILE is no text in UTF-8", "name the file of the token", USAGE) from None
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
