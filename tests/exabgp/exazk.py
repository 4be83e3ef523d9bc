"""A stand-in for ExaZK: what it does, in its order, faults included; only its period can be shortened.

Run by ExaBGP as `python exazk.py FILE PERIOD`: its own YAML, and the seconds between two polls (ExaZK: 10).

It registers before it announces, and keeps its registration while it is in maintenance or its check fails;
it never reads what ExaBGP replies; it knows the maintenance key of its own node only.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState

OWN, TAKEN = 100, 200
STEP = 0.1
"""Seconds in which it notices that something has changed: ExaZK's own."""


class ExaZK:
    """One instance: one service of one node."""

    def __init__(self, settings: dict[str, Any], period: float) -> None:
        self._settings = settings
        self._period = period
        self._service = settings["zk_path_service"]
        self._own, self._others = settings["srv_auth_ip"], settings["srv_non_auth_ips"]
        self._client = KazooClient(",".join(settings["zk_hosts"]))
        self._refresh = self._recreate = True
        self._stopping = False
        self._lines: list[str] = []

    def run(self) -> None:
        """Run until SIGTERM."""
        signal.signal(signal.SIGTERM, self._stop)
        self._client.start(30)
        self._client.add_listener(self._session)
        self._client.ensure_path(self._service)
        while self._client.exists(f"{self._service}/{self._own}"):
            time.sleep(min(1.0, self._period))
        self._client.ChildrenWatch(self._service, self._changed)
        while self._wait():
            self._turn()
        self._client.stop()
        self._client.close()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _session(self, state: str) -> None:
        if state == KazooState.SUSPENDED:
            self._lines = self._withdrawn()
        elif state == KazooState.LOST:
            self._recreate = True
        else:
            self._refresh = True

    def _changed(self, _children: list[str]) -> None:
        self._refresh = True

    def _wait(self) -> bool:
        """Wait for a poll's time or a change; return whether to go on."""
        until = time.monotonic() + self._period
        while not (self._refresh or self._recreate or self._stopping) and time.monotonic() < until:
            time.sleep(STEP)
        return not self._stopping

    def _turn(self) -> None:
        if self._recreate:
            self._recreate = False
            self._client.create(f"{self._service}/{self._own}", ephemeral=True)
        check = subprocess.run(
            self._settings["local_check"], shell=True, check=False, stdout=subprocess.DEVNULL
        )
        if check.returncode != 0 or self._client.exists(self._settings["zk_path_maintenance"]):
            self._lines = self._withdrawn()
        elif self._client.state == KazooState.CONNECTED:
            self._refresh = False
            children = self._client.get_children(self._service)
            gone = [vip for vip in self._others if vip not in children]
            back = [vip for vip in self._others if vip in children]
            announced = [(vip, TAKEN) for vip in gone] + [(self._own, OWN)]
            self._lines = [f"announce route {vip}/32 next-hop self med {med}" for vip, med in announced]
            self._lines += [f"withdraw route {vip}/32" for vip in back]
        print("\n".join(self._lines), flush=True)

    def _withdrawn(self) -> list[str]:
        return [f"withdraw route {vip}/32" for vip in (*self._others, self._own)]


if __name__ == "__main__":
    ExaZK(yaml.safe_load(Path(sys.argv[1]).read_text()), float(sys.argv[2])).run()
