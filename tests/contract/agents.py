"""Complete agents with a failing store: log, announcements and recovery."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.benchmark.program import Command, Program
from tests.servers.process import wait_for

GRACE = 1.0
"""`start_grace` in seconds."""
AGENT_TIMEOUT = 40.0
UNRESOLVED = "store.invalid"
"""A name that cannot be resolved until `resolve` is called."""
RESOLVER = f'''
import pathlib, socket
asked = socket.getaddrinfo
def getaddrinfo(host, *arguments, **named):
    known = pathlib.Path(__file__).with_name("hosts").exists()
    name = host.decode() if isinstance(host, bytes) else host
    return asked("127.0.0.1" if known and name == "{UNRESOLVED}" else host, *arguments, **named)
socket.getaddrinfo = getaddrinfo
'''


class Refused:
    """One agent whose store rejects it until the cause is repaired.

    Args:
        folder: directory of its configuration and log.
        store: configuration keys of the store.
    """

    VIP = "10.20.255.1"

    def __init__(self, folder: Path, store: Mapping[str, object]) -> None:
        pool = {"auth_ip": self.VIP, "vip": [self.VIP, "10.20.255.2"], "address_check": False}
        service = {**pool, "rise": 1, "start_grace": GRACE}
        config = folder / "vipagent.yaml"
        config.write_text(yaml.safe_dump({"node": "node1", **store, "services": {"apex": service}}))
        self._log = folder / "agent.log"
        self._hosts = folder / "hosts"
        (folder / "sitecustomize.py").write_text(RESOLVER)
        self._arguments = ["vipagent", "run", "--config", str(config)]
        self._env = {"PYTHONPATH": str(folder)}

    def resolve(self) -> None:
        """Make the name resolvable."""
        self._hosts.touch()

    def recovers(self, message: str, repair: Callable[[], object], there: Callable[[], bool]) -> None:
        """Assert that the agent logs the error, announces its own VIP, and registers after the repair.

        Args:
            message: pattern of a log line with host and cause.
            repair: repairs the cause.
            there: returns whether the VIP is registered at the server.
        """
        with Program(self._arguments, self._log, self._env) as agent:
            wait_for(f"it says {message!r}", lambda: re.search(message, self._said()), AGENT_TIMEOUT)
            own = agent.wait_for(f"announce route {self.VIP}", 0.0, AGENT_TIMEOUT)
            repair()
            wait_for("the VIP is registered", there, AGENT_TIMEOUT)
            assert agent.commands(f" {self.VIP}/", own.at) == [own], "its route stays as it is"
            assert "Traceback" not in self._said()

    def _said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


LIFE = 4.0
"""Session timeout in seconds of the tests with a failing node."""
SPARE = 5.0
"""Additional time in seconds for an election and the failover of the other nodes."""


def one_dies(
    folder: Path,
    backend: str,
    hosts: Sequence[str],
    fault: Callable[[], object],
    there: Callable[[str], bool],
) -> None:
    """Assert that a node's VIP is taken over by exactly one of two others, and that nothing else changes.

    Args:
        folder: directory of the logs.
        backend: name of the backend.
        hosts: the store's servers.
        fault: injects a fault of the store at the same time.
        there: returns whether a VIP is registered, as seen by another client.
    """
    vips = [f"10.20.255.{node}" for node in (1, 2, 3)]

    def arguments(vip: str) -> list[str]:
        own = ["run", "--service=apex", f"--node=node{vip[-1]}", f"--auth-ip={vip}", "--takeover=one"]
        store = [f"--backend={backend}", f"--hosts={','.join(hosts)}", f"--session-timeout={LIFE}"]
        return [
            "vipagent",
            *own,
            *store,
            *(f"--vip={vip}" for vip in vips),
            "--rise=1",
            "--address-check=false",
        ]

    with ExitStack() as stack:
        victim, *survivors = [
            stack.enter_context(Program(arguments(vip), folder / f"{vip}.log")) for vip in vips
        ]
        wait_for("all are registered", lambda: all(map(there, vips)), AGENT_TIMEOUT)
        for survivor, vip in zip(survivors, vips[1:], strict=True):
            survivor.wait_for(f"announce route {vip}", 0.0)
            survivor.wait_for(f"withdraw route {vips[0]}", 0.0)  # it knows the owner
        died = time.monotonic()
        victim.kill()
        fault()
        wait_for("a takeover", lambda: _changes(survivors, vips, died), LIFE + SPARE)
        observed = time.monotonic() + LIFE
        wait_for("the time for another change is over", lambda: time.monotonic() > observed, LIFE + 1)
        (taken,) = _changes(survivors, vips, died)
        assert f"announce route {vips[0]}/" in taken.line


def _changes(agents: Sequence[Program], vips: Sequence[str], since: float) -> list[Command]:
    """Return announcements, and withdrawals of announced VIPs, without repetitions."""
    found = []
    for agent, own in zip(agents, vips[1:], strict=True):
        announced = {own}
        for command in agent.commands(since=since):
            vip = command.line.split()[2].partition("/")[0]
            if command.line.startswith("announce"):
                announced.add(vip)
                found.append(command)
            elif vip in announced:
                found.append(command)
    return found
