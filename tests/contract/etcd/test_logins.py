"""Many agents with passwords on one etcd: its restart makes all of them log in again, at once (S3)."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.contract.etcd.access import PREFIX, demand_passwords
from tests.servers.etcd import Etcd
from tests.servers.realtime import going_first, starting_first
from vipagent.core.words import StoreState
from vipagent.store.backend import StoreError, StoreSettings
from vipagent.testing.peers import MEMBERS, Peer, eventually, member
from vipagent.testing.recorder import Recorder, SessionSeen
from vipagent.testing.slowness import allowed
from vipagent.testing.store import PATIENCE
from vipagent_etcd import EtcdBackend

AGENTS = 60
BACK = 10.0
"""Seconds, from the restart on, in which all agents are to be connected again."""
TICKS = os.sysconf("SC_CLK_TCK")
LIFE = 6.0
"""Seconds of a session's life: the default."""


def demanding(directory: Path, *flags: str) -> Iterator[Etcd]:
    """Yield a server that demands passwords."""
    server = Etcd(directory, flags)
    server.start()
    demand_passwords(server)
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    """A server with passwords."""
    yield from demanding(tmp_path / "etcd")


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[Etcd]:
    """One to which a login costs more than a second."""
    yield from demanding(tmp_path / "etcd", "--bcrypt-cost=14")


def agents(server: Etcd, login: dict[str, object], count: int) -> list[Peer]:
    """Return sessions, not opened, of agents with a VIP each, which look at all VIPs."""
    made = []
    for number in range(1, count + 1):
        seen = Recorder()
        settings = StoreSettings(f"node{number}", f"run{number}", (server.address,), PREFIX, LIFE, login)
        agent = Peer(EtcdBackend(settings, seen), seen)
        agent.watch(MEMBERS)
        agent.register(member(number))
        made.append(agent)
    return made


def states(agent: Peer, since: int = 0) -> list[StoreState]:
    """Return the states of the session that the agent was told of since a mark."""
    return [event.state for event in agent.seen.events(since) if isinstance(event, SessionSeen)]


def is_back(agent: Peer, since: int) -> bool:
    """Whether the session was cut after the mark, and is connected again."""
    return states(agent, since)[-1:] == [StoreState.CONNECTED]


def cpu(server: Etcd) -> float:
    """Return the CPU seconds of a server since it was started."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def logins(server: Etcd) -> float:
    """Return how many logins a server has begun since it was started."""
    return server.metric(r'grpc_server_started_total\{grpc_method="Authenticate"[^}]*\}')


def test_all_agents_are_back_soon_after_a_restart(
    server: Etcd, login: dict[str, object], sessions: list[Peer]
) -> None:
    """It has lost their tokens. Those that have to wait for their login do not begin another."""
    sessions += agents(server, login, AGENTS)
    for agent in sessions:
        agent.backend.open()
    for agent in sessions:
        eventually(partial(sees_all, agent), 60.0, "an agent sees all VIPs")
    marks = [agent.seen.mark() for agent in sessions]
    with ExitStack() as stack:
        for number, agent in enumerate(sessions, 1):
            stack.enter_context(agent.seen.never_without(MEMBERS, member(number).name))
        server.kill()
        # Server and agents have the machine for themselves: each login takes some of its time.
        stack.enter_context(going_first(lambda: [os.getpid()]))
        stack.enter_context(starting_first())
        since = time.monotonic()
        server.launch()
        missing = dict(enumerate(zip(sessions, marks, strict=True)))
        while missing and time.monotonic() < since + allowed(3 * BACK):
            missing = {number: pair for number, pair in missing.items() if not is_back(*pair)}
            time.sleep(0.05)
        took = time.monotonic() - since
        told = f"after {took:.1f} s, {cpu(server):.1f} s of etcd's CPU and {logins(server):g} logins"
        print(f"{AGENTS - len(missing)} of {AGENTS} agents back {told}")
        assert not missing, f"{len(missing)} of {AGENTS} are not back {told}"
        assert took < allowed(BACK), f"all are back {told}"
        assert logins(server) <= AGENTS * 1.1
    assert all(
        StoreState.LOST not in states(agent, mark) for agent, mark in zip(sessions, marks, strict=True)
    )


def test_commands_that_give_up_early_begin_no_more_logins(
    slow_server: Etcd, login: dict[str, object], sessions: list[Peer]
) -> None:
    """The next one waits for the login that the first has begun, and so does the session."""
    [agent] = agents(slow_server, login, 1)
    sessions.append(agent)
    before = logins(slow_server)
    agent.backend.open()
    given_up = sum(gives_up(agent) for _ in range(10))
    assert agent.backend.read(MEMBERS, PATIENCE) is not None
    agent.seen.wait_state(StoreState.CONNECTED, PATIENCE)
    assert given_up > 1, "a login takes longer than that"
    assert logins(slow_server) == before + 1


def test_a_wrong_password_is_tried_again_more_and_more_rarely(
    server: Etcd, password: Path, login: dict[str, object], sessions: list[Peer]
) -> None:
    """It costs etcd as much as a good one."""
    password.write_text("wrong")
    sessions += agents(server, login, 1)
    before, since = logins(server), time.monotonic()
    sessions[0].backend.open()
    eventually(lambda: time.monotonic() > since + 10.0, 11.0, "ten seconds are over")
    assert 1 <= logins(server) - before <= 6


def sees_all(agent: Peer) -> bool:
    """Whether an agent sees the VIPs of all."""
    return len(agent.seen.latest(MEMBERS) or ()) == AGENTS


def gives_up(agent: Peer) -> bool:
    """Have an operator's command give up soon; return whether it did."""
    try:
        agent.backend.read(MEMBERS, 0.1)
    except StoreError:
        return True
    return False
