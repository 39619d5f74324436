"""A real terminal, of tmux: what a person sees who sits before it."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cli.program import environment

COLUMNS, LINES = 80, 24
DEADLINE_S = 60.0
LOOK_S = 0.05
NOT_OURS = ("COLUMNS", "LINES", "NO_COLOR", "TMUX", "TMUX_PANE")
"""Variables of whoever runs the tests that a terminal of their own is not to have."""


class Terminal:
    """One program in a terminal of 80 columns and 24 lines, called by a shell that stays when it has left."""

    def __init__(self, tmux: str, folder: Path) -> None:
        self._tmux = [tmux, "-u", "-f", "/dev/null", "-S", str(folder / "socket")]
        self._modes = [folder / "before", folder / "after"]

    def run(self, *words: str, fed_by: str = "") -> None:
        """Call the program, perhaps with the output of a script as its stdin; when it leaves, the last line says with which code."""
        before, after = (shlex.quote(str(file)) for file in self._modes)
        program = shlex.join([sys.executable, "-m", "outdial.compose", *words])
        if fed_by:
            program = f"{{ {fed_by}; }} | {program}"
        script = f'trap : INT; stty -g >{before}; {program}; code=$?; stty -g >{after}; echo "left with $code"; exec cat'
        variables = {name: value for name, value in environment(LC_ALL="C.UTF-8").items() if name not in NOT_OURS}
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        subprocess.run([*self._tmux, "new-session", "-d", *size, "sh", "-c", script], env=variables, check=True)  # noqa: S603  its own program

    def close(self) -> None:
        """End it, and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)  # noqa: S603  the tmux of the tests

    def press(self, key: str) -> None:
        """Press a key, named as tmux names it."""
        self._ask("send-keys", key)

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self._ask("capture-pane", "-p")

    def has_a_cursor(self) -> bool:
        """Whether the cursor can be seen."""
        return self._ask("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def is_as_it_was(self) -> bool:
        """Whether the modes of the terminal are those from before the program."""
        before, after = (file.read_text() for file in self._modes)
        return before == after

    def shows(self, *patterns: str, meanwhile: Callable[[], None] = lambda: time.sleep(LOOK_S)) -> str:
        """Wait until all of these are on the screen; returns it."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            screen = self.screen
            missing = [pattern for pattern in patterns if not re.search(pattern, screen, re.MULTILINE)]
            if not missing:
                return screen
            assert time.monotonic() < deadline, f"the terminal never showed {missing}, but this:\n{screen}"
            meanwhile()

    def _ask(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, encoding="utf-8", check=True).stdout  # noqa: S603  the tmux of the tests
