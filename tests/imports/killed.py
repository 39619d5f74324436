"""A process that imports the June campaign and is killed in the middle: ``killed.py OUTDIAL IMPORT ANSWERS STAGE...``.

It ends by SIGKILL as soon as the ledger has answered so many commands of the import.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from api.door import Clock, client_of
from both import Runtime, opened
from imports import june
from outdial.commands import AddTargets, Command
from outdial.doors.api.app import make_app
from outdial.position import Position
from outdial.requests import Answer


class Mortal:
    """A runtime that dies after so many answers."""

    def __init__(self, runtime: Runtime, answers: int) -> None:
        self._runtime = runtime
        self._left = answers

    @property
    def position(self) -> Position:
        return self._runtime.position

    def now(self) -> int:
        return self._runtime.now()

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the runtime's own word
        return await self._runtime.wait_beyond(position, timeout)

    async def caught_up(self) -> None:
        await self._runtime.caught_up()

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        answers = await self._runtime.submit(commands, patience_s)
        self._left -= sum(isinstance(command, AddTargets) and bool(command.targets) for command in commands)
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answers


async def main(outdial_id: str, import_id: str, answers: int, stage: Sequence[str]) -> None:
    runtime = await opened(stage, Clock())
    app = make_app(Mortal(runtime, answers), runtime.reader)
    async with client_of(app) as client:
        await client.post(
            f"/v1.0/outdials/{outdial_id}/import?import_id={import_id}", content=june.body(), headers={"content-type": "text/csv"}
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
