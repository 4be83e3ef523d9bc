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
        self._said: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        """Counts of warnings and errors."""

    def said(self, what: str) -> int:
        """Return the number of log lines with a message (up to its colon) and `state`."""
        self._read()
        return self._said[what]

    def await_more(self, what: str, than: int, within: float = 60.0) -> None:
        """Wait until a message was logged more than a number of times."""
        wait_for(f"the agent logs {what!r} again", lambda: self.said(what) > than, within)

    def _read(self) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):  # incomplete line
                    return
                self._offset += len(line)
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        what = f"{line['message'].partition(':')[0]} {line.get('state', '')}".strip()
        self._said[what] += 1
        if line["level"] not in HARMLESS:
            self.complaints[what] += 1
