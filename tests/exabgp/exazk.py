"""A stand-in for ExaZK as of 2015-12 or 2016-06: what it does, in its order, faults included.

Run by ExaBGP as `python exazk.py FILE VERSION PERIOD`: its own YAML, `2015` or `2016`, and the seconds
between two polls (ExaZK: 10). Its ZooKeeper session is kazoo's of 10 s, as ExaZK's.

Both register before they announce, repeat their table of routes at every turn, announce 100 and 200, never
read what ExaBGP replies, and know the maintenance key of their own node only.

2015 (051a0c3) announces its own VIP whoever is registered, and stays registered in maintenance or with a
failed check. 2016 (100b4c4, the public one) announces its own VIP only while its own znode is there, and in
maintenance or with a failed check deletes its znode and withdraws a turn after it has noticed.
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

OWN, TAKEN = 100, 200
STEP = 0.1
"""Seconds in which it notices that something has changed: ExaZK's own."""
CHECK = 1.0
"""Seconds that its check may take: ExaZK's own."""
STALE = 1.0
"""Seconds between two looks at a znode that an earlier run has left: ExaZK's own."""


class Version(Enum):
    """Which ExaZK."""

    OLD = "2015"
    PUBLIC = "2016"


class ExaZK:
    """One instance: one service of one node."""

    def __init__(self, settings: dict[str, Any], version: Version, period: float) -> None:
        self._settings = settings
        self._public = version is Version.PUBLIC
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
        self._client.add_listener(self._session)
        self._client.ensure_path(self._service)
        while self._client.exists(self._znode):
            time.sleep(STALE)
        self._client.ChildrenWatch(self._service, self._changed)
        while self._wait():
            self._turn()
        self._client.stop()
        self._client.close()

    @property
    def _znode(self) -> str:
        return f"{self._service}/{self._own}"

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _session(self, state: str) -> None:
        if state == KazooState.SUSPENDED:
            self._withdraw()
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
            self._register()
        if self._maintenance:
            self._deregister()
            self._withdraw()
        if not self._checked() or self._client.exists(self._settings["zk_path_maintenance"]):
            if self._public:
                self._maintenance = True
            else:
                self._withdraw()
        elif self._client.state == KazooState.CONNECTED:
            # A public ExaZK that comes out of maintenance registers in its next turn.
            self._recreate = self._recreate or self._maintenance
            self._maintenance = False
            with contextlib.suppress(SessionExpiredError):
                self._lines = self._table()
        print("\n".join(self._lines), flush=True)

    def _register(self) -> None:
        self._recreate = False
        known = (SessionExpiredError, NodeExistsError) if self._public else (SessionExpiredError,)
        with contextlib.suppress(*known):
            self._client.create(self._znode, ephemeral=True)

    def _deregister(self) -> None:
        self._recreate = False
        with contextlib.suppress(SessionExpiredError, NoNodeError):
            self._client.delete(self._znode)

    def _checked(self) -> bool:
        command = self._settings["local_check"]
        with subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL, process_group=0) as check:
            try:
                return check.wait(CHECK) == 0
            except subprocess.TimeoutExpired:
                os.killpg(check.pid, signal.SIGKILL)
                return False

    def _table(self) -> list[str]:
        self._refresh = False
        children = self._client.get_children(self._service)
        gone = [vip for vip in self._others if vip not in children]
        back = [vip for vip in self._others if vip in children]
        if self._public and self._own not in children:
            back.append(self._own)
            announced = [(vip, TAKEN) for vip in gone]
        else:
            announced = [(vip, TAKEN) for vip in gone] + [(self._own, OWN)]
        lines = [f"announce route {vip}/32 next-hop self med {med}" for vip, med in announced]
        return lines + [f"withdraw route {vip}/32" for vip in back]

    def _withdraw(self) -> None:
        # The old one forgets this, and turns without a pause for as long as it is in maintenance.
        self._refresh = self._refresh and not self._public
        self._lines = [f"withdraw route {vip}/32" for vip in (*self._others, self._own)]


if __name__ == "__main__":
    file, version, period = sys.argv[1:]
    ExaZK(yaml.safe_load(Path(file).read_text()), Version(version), float(period)).run()
