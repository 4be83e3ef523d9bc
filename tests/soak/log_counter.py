"""Counts messages of the agent's log."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.servers.process import wait_for

NOT_WARNINGS = {"DEBUG", "INFO"}


class LogCounter:
    """Counts the messages of a log in JSON.

    Args:
        path: the log file, which may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._counts: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        """Counts of warnings and errors."""

    def count(self, message: str) -> int:
        """Return the number of log lines with a message (up to its colon) and `state`."""
        self._read()
        return self._counts[message]

    def wait_for_more(self, message: str, previous: int, within: float = 60.0) -> None:
        """Wait until a message was logged more than `previous` times."""
        wait_for(f"the agent logs {message!r} again", lambda: self.count(message) > previous, within)

    def _read(self) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):  # incomplete
                    return
                self._offset += len(line)
                self._add(json.loads(line))

    def _add(self, line: dict[str, Any]) -> None:
        message = f"{line['message'].partition(':')[0]} {line.get('state', '')}".strip()
        self._counts[message] += 1
        if line["level"] not in NOT_WARNINGS:
            self.warnings[message] += 1
