"""Many agents with passwords: a restart of etcd makes all of them log in at the same time (S3)."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.contract.etcd.access import PREFIX, demanding
from tests.contract.etcd.fake import FakeEtcd
from tests.servers.etcd import Etcd
from tests.servers.realtime import realtime_children, realtime_priority
from vipagent.store.backend import StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.testing.peers import MEMBERS, Peer, eventually, member
from vipagent.testing.recorder import Recorder, SessionSeen
from vipagent.testing.slowness import allowed
from vipagent.testing.store import WAIT_TIMEOUT
from vipagent.types import StoreState
from vipagent_etcd import EtcdDriver

AGENTS = 60
BACK = 10.0
"""Maximum time in seconds until all agents have reconnected after the restart."""
TICKS = os.sysconf("SC_CLK_TCK")
LIFE = 6.0
"""Default session timeout in seconds."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    """A server with passwords."""
    yield from demanding(tmp_path / "etcd")


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[Etcd]:
    """A server where a login takes more than a second."""
    yield from demanding(tmp_path / "etcd", "--bcrypt-cost=14")


def agent_of(hosts: tuple[str, ...], login: dict[str, object]) -> Peer:
    """Return a session with these servers, not opened."""
    seen = Recorder()
    return Peer(
        StoreClient(EtcdDriver, StoreSettings("node1", "run1", hosts, PREFIX, LIFE, login), seen), seen
    )


def agents(server: Etcd, login: dict[str, object], count: int) -> list[Peer]:
    """Return sessions of agents with one VIP each that watch all VIPs, not opened."""
    made = []
    for number in range(1, count + 1):
        seen = Recorder()
        settings = StoreSettings(f"node{number}", f"run{number}", (server.address,), PREFIX, LIFE, login)
        agent = Peer(StoreClient(EtcdDriver, settings, seen), seen)
        agent.watch(MEMBERS)
        agent.register(member(number))
        made.append(agent)
    return made


def states(agent: Peer, since: int = 0) -> list[StoreState]:
    """Return the reported states of the session since a mark."""
    return [event.state for event in agent.seen.events(since) if isinstance(event, SessionSeen)]


def is_back(agent: Peer, since: int) -> bool:
    """Whether the session was disconnected after the mark, and is connected again."""
    return states(agent, since)[-1:] == [StoreState.CONNECTED]


def cpu(server: Etcd) -> float:
    """Return the CPU seconds of a server since it was started."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def logins(server: Etcd) -> float:
    """Return the number of logins of a server since its start."""
    return server.metric(r'grpc_server_started_total\{grpc_method="Authenticate"[^}]*\}')


def test_all_agents_are_back_soon_after_a_restart(
    server: Etcd, login: dict[str, object], sessions: list[Peer]
) -> None:
    """It has lost their tokens. Agents with a pending login do not start another one."""
    sessions += agents(server, login, AGENTS)
    for agent in sessions:
        agent.backend.open()
    for agent in sessions:
        eventually(partial(sees_all, agent), 60.0, "an agent sees all VIPs")
    marks = [agent.seen.mark() for agent in sessions]
    with ExitStack() as stack:
        for number, agent in enumerate(sessions, 1):
            stack.enter_context(agent.seen.always_contains(MEMBERS, member(number).name))
        server.kill()
        # Server and agents need the whole machine, because logins are CPU bound.
        stack.enter_context(realtime_priority(lambda: [os.getpid()]))
        stack.enter_context(realtime_children())
        since = time.monotonic()
        server.launch()
        missing = dict(enumerate(zip(sessions, marks, strict=True)))
        while missing and time.monotonic() < since + allowed(3 * BACK):
            missing = {number: pair for number, pair in missing.items() if not is_back(*pair)}
            time.sleep(0.05)
        took = time.monotonic() - since
        summary = f"after {took:.1f} s, {cpu(server):.1f} s of etcd's CPU and {logins(server):g} logins"
        print(f"{AGENTS - len(missing)} of {AGENTS} agents back {summary}")
        assert not missing, f"{len(missing)} of {AGENTS} are not back {summary}"
        assert took < allowed(BACK), f"all are back {summary}"
        assert logins(server) <= AGENTS * 1.1
    assert all(
        StoreState.LOST not in states(agent, mark) for agent, mark in zip(sessions, marks, strict=True)
    )


def test_commands_that_give_up_early_begin_no_more_logins(
    slow_server: Etcd, login: dict[str, object], sessions: list[Peer]
) -> None:
    """The next command and the session wait for the pending login of the first one."""
    [agent] = agents(slow_server, login, 1)
    sessions.append(agent)
    before = logins(slow_server)
    agent.backend.open()
    given_up = sum(gives_up(agent) for _ in range(10))
    assert agent.backend.read(MEMBERS, WAIT_TIMEOUT) is not None
    agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    assert given_up > 1, "a login takes longer than that"
    assert logins(slow_server) == before + 1


def test_a_wrong_password_is_retried_more_and_more_rarely(
    server: Etcd, password: Path, login: dict[str, object], sessions: list[Peer]
) -> None:
    """It costs etcd as much as a correct one."""
    password.write_text("wrong")
    sessions += agents(server, login, 1)
    before, since = logins(server), time.monotonic()
    sessions[0].backend.open()
    eventually(lambda: time.monotonic() > since + 10.0, 11.0, "ten seconds have passed")
    assert 1 <= logins(server) - before <= 6


def test_a_server_that_freezes_while_a_login_waits_is_left_for_the_next(
    login: dict[str, object], sessions: list[Peer]
) -> None:
    """The failover does not wait for the timeout of the login."""
    with FakeEtcd(freezes_at_login=True) as one, FakeEtcd(freezes_at_login=True) as other:
        agent = agent_of((one.address, other.address), login)
        sessions.append(agent)
        agent.backend.open()
        eventually(lambda: one.logins and other.logins, 10.0, "both servers have received a login")
        agent.backend.close(1.0)


def test_a_server_that_is_too_busy_to_show_that_it_is_alive_is_asked_for_one_login(
    login: dict[str, object], sessions: list[Peer]
) -> None:
    """Repeated logins would keep a busy server busy."""
    with FakeEtcd(freezes_at_login=True) as busy:
        agent = agent_of((busy.address,), login)
        sessions.append(agent)
        agent.backend.open()
        agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        since = time.monotonic()
        eventually(lambda: time.monotonic() > since + 5.0, 6.0, "it has retried several times")
        busy.unfreeze()
        agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
        assert busy.logins == 1
        agent.backend.close(1.0)


def test_logins_at_two_servers_do_not_end_each_other(login: dict[str, object], sessions: list[Peer]) -> None:
    """At most one is pending at each, and the first token is used for all."""
    with FakeEtcd() as one, FakeEtcd() as other:
        agent = agent_of((one.address, other.address), login)
        sessions.append(agent)
        agent.backend.open()
        eventually(
            lambda: gives_up(agent) and one.logins and other.logins, 10.0, "both have received a login"
        )
        assert all(gives_up(agent) for _ in range(10))
        assert (one.logins, other.logins) == (1, 1)
        one.let_in.set()
        assert agent.backend.read(MEMBERS, WAIT_TIMEOUT) is not None
        assert (one.logins, other.logins) == (1, 1)
        agent.backend.close(1.0)


def test_a_lease_outlives_a_refused_password(
    server: Etcd, password: Path, login: dict[str, object], sessions: list[Peer]
) -> None:
    """The server renews it with the old token, although it rejects token and password."""
    sessions += agents(server, login, 1)
    [agent] = sessions
    agent.backend.open()
    agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    eventually(lambda: len(agent.seen.latest(MEMBERS) or ()) == 1, WAIT_TIMEOUT, "the VIP is registered")
    mark = agent.seen.mark()
    server.ask("/v3/auth/user/changepw", {"name": "agent", "password": "another"})
    server.kill()
    server.start()
    with agent.seen.always_contains(MEMBERS, member(1).name):
        refused = partial(is_refused, agent, mark)
        eventually(refused, WAIT_TIMEOUT, "the password is rejected")
        since = time.monotonic()
        eventually(lambda: time.monotonic() > since + 2 * LIFE, 3 * LIFE, "two session timeouts have passed")
        password.write_text("another")
        eventually(lambda: is_back(agent, mark), allowed(40.0), "the session is back")
    assert StoreState.LOST not in states(agent, mark)


def is_refused(agent: Peer, since: int) -> bool:
    """Whether a wrong password was reported after the mark."""
    summary = [event.detail for event in agent.seen.events(since) if isinstance(event, SessionSeen)]
    return any("wrong user or password" in detail for detail in summary)


def sees_all(agent: Peer) -> bool:
    """Whether an agent sees all VIPs."""
    return len(agent.seen.latest(MEMBERS) or ()) == AGENTS


def gives_up(agent: Peer) -> bool:
    """Run an operator command with a short timeout; return whether it timed out."""
    try:
        agent.backend.read(MEMBERS, 0.1)
    except StoreError:
        return True
    return False
