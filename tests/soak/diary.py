"""Counts messages of the agent's log."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.servers.process import wait_for

HARMLESS = {"DEBUG", "INFO"}


class Diary:
    """Follows a log in JSON.

    Args:
        path: the log file, which may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._counts: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        """Counts of warnings and errors."""

    def count(self, what: str) -> int:
        """Return the number of log lines with a message (up to its colon) and `state`."""
        self._read()
        return self._counts[what]

    def await_more(self, what: str, than: int, within: float = 60.0) -> None:
        """Wait until a message was logged more than a number of times."""
        wait_for(f"the agent logs {what!r} again", lambda: self.count(what) > than, within)

    def _read(self) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):  # incomplete line
                    return
                self._offset += len(line)
                self._record(json.loads(line))

    def _record(self, line: dict[str, Any]) -> None:
        what = f"{line['message'].partition(':')[0]} {line.get('state', '')}".strip()
        self._counts[what] += 1
        if line["level"] not in HARMLESS:
            self.warnings[what] += 1
