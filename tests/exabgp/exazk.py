"""A stand-in for ExaZK as of 2015-12 or 2016-06, with the same behaviour, including its bugs.

Run by ExaBGP as `python exazk.py FILE VERSION PERIOD`: its own YAML, `2015` or `2016`, and the seconds
between two polls (ExaZK: 10). Its ZooKeeper session is kazoo's of 10 s, as ExaZK's.

Both register before they announce, repeat all routes in every iteration, announce MED 100 and 200, never read
ExaBGP's replies, and use only the maintenance key of their node.

2015 (051a0c3) announces its own VIP regardless of registrations, and stays registered in maintenance or with
a failed check. 2016 (100b4c4, public) announces its own VIP only while its own znode exists, and in
maintenance or with a failed check deletes its znode and withdraws in the following iteration.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError, SessionExpiredError
from kazoo.protocol.states import KazooState

OWN_MED, TAKEOVER_MED = 100, 200
REACTION_TIME = 0.1
"""Reaction time to a change in seconds, as in ExaZK."""
CHECK_TIMEOUT = 1.0
"""Timeout of its check in seconds, as in ExaZK."""
STALE_POLL_INTERVAL = 1.0
"""Polling interval in seconds for a stale znode of an earlier run, as in ExaZK."""


class Version(Enum):
    """Version of ExaZK."""

    OLD = "2015"
    NEW = "2016"


class ExaZK:
    """One instance, for one service of one node."""

    def __init__(self, settings: dict[str, Any], version: Version, period: float) -> None:
        self._settings = settings
        self._new = version is Version.NEW
        self._period = period
        self._service = settings["zk_path_service"]
        self._own, self._others = settings["srv_auth_ip"], settings["srv_non_auth_ips"]
        self._client = KazooClient(",".join(settings["zk_hosts"]))
        self._refresh = self._recreate = True
        self._maintenance = False
        self._stopping = False
        self._lines: list[str] = []

    def run(self) -> None:
        """Run until SIGTERM."""
        signal.signal(signal.SIGTERM, self._stop)
        self._client.start()
        self._client.add_listener(self._on_session)
        self._client.ensure_path(self._service)
        while self._client.exists(self._znode):
            time.sleep(STALE_POLL_INTERVAL)
        self._client.ChildrenWatch(self._service, self._on_change)
        while self._wait():
            self._iterate()
        self._client.stop()
        self._client.close()

    @property
    def _znode(self) -> str:
        return f"{self._service}/{self._own}"

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _on_session(self, state: str) -> None:
        if state == KazooState.SUSPENDED:
            self._withdraw()
        elif state == KazooState.LOST:
            self._recreate = True
        else:
            self._refresh = True

    def _on_change(self, _children: list[str]) -> None:
        self._refresh = True

    def _wait(self) -> bool:
        """Wait for the next poll or a change; return whether to continue."""
        until = time.monotonic() + self._period
        while not (self._refresh or self._recreate or self._stopping) and time.monotonic() < until:
            time.sleep(REACTION_TIME)
        return not self._stopping

    def _iterate(self) -> None:
        if self._recreate:
            self._register()
        if self._maintenance:
            self._deregister()
            self._withdraw()
        if not self._check_succeeds() or self._client.exists(self._settings["zk_path_maintenance"]):
            if self._new:
                self._maintenance = True
            else:
                self._withdraw()
        elif self._client.state == KazooState.CONNECTED:
            # The new ExaZK registers in the iteration after the end of a maintenance.
            self._recreate = self._recreate or self._maintenance
            self._maintenance = False
            with contextlib.suppress(SessionExpiredError):
                self._lines = self._build_lines()
        print("\n".join(self._lines), flush=True)

    def _register(self) -> None:
        self._recreate = False
        expected = (SessionExpiredError, NodeExistsError) if self._new else (SessionExpiredError,)
        with contextlib.suppress(*expected):
            self._client.create(self._znode, ephemeral=True)

    def _deregister(self) -> None:
        self._recreate = False
        with contextlib.suppress(SessionExpiredError, NoNodeError):
            self._client.delete(self._znode)

    def _check_succeeds(self) -> bool:
        command = self._settings["local_check"]
        with subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL, process_group=0) as check:
            try:
                return check.wait(CHECK_TIMEOUT) == 0
            except subprocess.TimeoutExpired:
                os.killpg(check.pid, signal.SIGKILL)
                return False

    def _build_lines(self) -> list[str]:
        self._refresh = False
        children = self._client.get_children(self._service)
        missing = [vip for vip in self._others if vip not in children]
        present = [vip for vip in self._others if vip in children]
        if self._new and self._own not in children:
            present.append(self._own)
            announced = [(vip, TAKEOVER_MED) for vip in missing]
        else:
            announced = [(vip, TAKEOVER_MED) for vip in missing] + [(self._own, OWN_MED)]
        lines = [f"announce route {vip}/32 next-hop self med {med}" for vip, med in announced]
        return lines + [f"withdraw route {vip}/32" for vip in present]

    def _withdraw(self) -> None:
        # The old version does not reset this, and iterates without a pause while it is in maintenance.
        self._refresh = self._refresh and not self._new
        self._lines = [f"withdraw route {vip}/32" for vip in (*self._others, self._own)]


if __name__ == "__main__":
    file, version, period = sys.argv[1:]
    ExaZK(yaml.safe_load(Path(file).read_text()), Version(version), float(period)).run()
