"""Play the script in a process of its own and print what its log comes to: ``python -m runtimes.digest FOLDER``."""

import asyncio
import sys
from hashlib import sha256
from pathlib import Path

from outdial.embedded.runtime import Embedded
from runtimes.script import Clock, play, script


async def digest(folder: Path) -> str:
    """Of all events, byte for byte."""
    clock = Clock()
    running = await Embedded.open(folder, clock, key="the key of all stages")
    try:
        await play(running, clock, script())
        return sha256(b"\n".join(body.encode() for (body,) in running.reader.execute("SELECT body FROM log ORDER BY position"))).hexdigest()
    finally:
        await running.close()


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(digest(Path(sys.argv[1]))))
