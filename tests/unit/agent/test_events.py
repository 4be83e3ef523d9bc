"""The latest decisions of two real agents in the status and the log (`file` store)."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmark.program import Program
from tests.servers.process import wait_for
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Kind
from vipagent.testing.slowness import allowed

ONE, TWO = "10.20.255.1", "10.20.255.2"
LONG = 30.0
"""Timeout in seconds for starting programs."""


def agent(number: int, store: Sequence[str], log: Path) -> Program:
    own = [
        "--service=apex",
        f"--node=node{number}",
        f"--auth-ip=10.20.255.{number}",
        f"--vip={ONE}",
        f"--vip={TWO}",
    ]
    return Program(["vipagent", "run", *own, *store, "--rise=1", "--settle=0", "--log-format=json"], log)


def status_events(store: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the events of `vipagent status`: node, VIP, old, new, rule, cause."""
    command = [sys.executable, "-m", "vipagent", "status", "apex", "--events", "--json", *store]
    [shown] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=allowed(30)).stdout)
    assert [event["at"] for event in shown["events"]] == sorted(event["at"] for event in shown["events"])
    names = ("node", "vip", "old", "new", "rule", "cause")
    return [tuple(event[name] for name in names) for event in shown["events"]]


def test_a_takeover_is_reported_by_status_and_by_the_log(tmp_path: Path) -> None:
    store = ["--backend=file", f"--hosts={tmp_path}"]
    log = tmp_path / "survivor.log"
    members = Directory(Kind.MEMBERS, "apex").path(f"{tmp_path}{DEFAULT_PREFIX}")
    with ExitStack() as agents:
        victim = agents.enter_context(agent(1, store, tmp_path / "victim.log"))
        wait_for("it is registered", (Path(members) / ONE).exists, LONG)
        survivor = agents.enter_context(agent(2, store, log))
        since = survivor.wait_for(f"withdraw route {ONE}", 0.0).at  # it knows the owner
        survivor.wait_for(f"announce route {TWO}", 0.0)
        victim.kill()
        survivor.wait_for(f"announce route {ONE}", since)
        own = ("node2", TWO, "", "rank 0 (owner)", "A1")
        takeover = ("node2", ONE, "withdrawn (standby)", "rank 1 (takeover)", "A2", "members")
        wait_for("the takeover is published", lambda: takeover in status_events(store), LONG, every=0.1)
        first, *rest = status_events(store)
        assert (first[:-1], rest) == (own, [takeover])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [entry] = [line for line in lines if line.get("reason") == "takeover"]
    assert (entry["message"], entry["service"]) == ("announce", "apex")
    assert ("node2", *(entry[name] for name in ("vip", "old", "new", "rule", "cause"))) == takeover
