"""The client with its prober and results."""

import json
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.lab import plan
from tests.lab.daemon import Daemon
from tests.lab.network import Network
from tests.lab.prober import REPLY_TIMEOUT
from tests.lab.runs import Outage, Run, outage, serving
from tests.servers.process import wait_for
from vipagent.testing.slowness import allowed

AT_LEAST = 0.3
"""Minimum time in seconds for which a node must reply to count as serving."""


class Probes:
    """The prober on the client."""

    def __init__(self, network: Network, directory: Path) -> None:
        self._socket = directory / "prober.sock"
        command = [sys.executable, "-m", "tests.lab.prober", str(self._socket), *plan.OWNERS]
        self.daemon = Daemon("prober", network.inside("client", command), directory)

    def seen(self) -> dict[str, list[Run]]:
        """Return the runs of each VIP."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(allowed(10))
            try:
                asked.connect(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):  # not yet
                return {}
            answer = b"".join(iter(lambda: asked.recv(65536), b""))
        return {vip: [Run(*run) for run in runs] for vip, runs in json.loads(answer).items()}

    def serving(self) -> dict[str, str]:
        """Return the node that serves each VIP; empty with packet loss."""
        seen = self.seen()
        return {vip: serving(runs, time.time(), AT_LEAST) for vip, runs in seen.items()}

    def settled(self, end: float) -> dict[str, list[Run]]:
        """Wait until the outcome of all packets sent before `end` is known, and return all runs."""

        def known() -> dict[str, list[Run]]:
            seen = self.seen()
            return seen if all(runs and runs[-1].until >= end for runs in seen.values()) else {}

        return wait_for("all packets were answered or are lost", known, REPLY_TIMEOUT + 10, every=0.1)

    def outages(self, start: float, end: float, vips: Iterable[str] = plan.OWNERS) -> dict[str, Outage]:
        """Return the interruption of each VIP in an interval."""
        seen = self.settled(end)
        return {vip: outage(seen[vip], start, end) for vip in vips}
