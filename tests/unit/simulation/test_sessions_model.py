"""BGP sessions of a simulated machine are lost and noticed as on real ones."""

from random import Random

import pytest

from tests.simulation.clock import Clock
from tests.simulation.dialect import Dialect
from tests.simulation.environment import Environment, Timing
from tests.simulation.exabgp import ExaBGP
from tests.simulation.impairments import Impairment, Impairments
from tests.simulation.neighbor import NeighborSettings
from tests.simulation.server import Server
from tests.simulation.sessions import CARRIER_DELAY, MAX_SESSION_DELAY, Sessions
from vipagent.core import events
from vipagent.core.actions import Action
from vipagent.core.settings import ServiceSettings
from vipagent.exabgp import messages
from vipagent.exabgp.messages import NeighborState

HOLD = 9.0
FIRST, SECOND = "192.0.2.1", "192.0.2.11"
ANNOUNCE = "announce route 10.0.0.1/32 next-hop self med 100"


class Silent:
    """An observer that checks nothing."""

    def log(self, source: str, message: str) -> None:
        """Ignore a message."""

    def agent_started(self, settings: ServiceSettings) -> None:
        """Ignore a new agent."""

    def decided(self, node: str, event: events.Event, todo: list[Action]) -> None:
        """Ignore a decision."""

    def vip_removed(self, vip: str) -> None:
        """Ignore a removed VIP."""

    def vip_restored(self, vip: str, at: float) -> None:
        """Ignore a restored VIP."""

    def routes_changed(self) -> None:
        """Ignore routes."""


class Box:
    """A machine with two established sessions and a route."""

    def __init__(self, require_bgp: int = 1) -> None:
        self.clock, rng = Clock(), Random(1)
        environment = Environment(self.clock, rng, Server(self.clock, rng, 6.0), Timing(0.01, 0.01), Silent())
        self.impairments = Impairments(0.0, Impairment.BGP, Impairment.GATE)
        self.lines: list[tuple[float, str, bool]] = []
        self.links: list[tuple[float, dict[str, str]]] = []
        self.sessions = Sessions(
            require_bgp,
            environment,
            self.impairments,
            deliver=self._deliver,
            on_links=lambda: self.links.append((self.clock.now, dict(self.sessions.links_down))),
            log=lambda _message: None,
        )
        settings = (NeighborSettings(FIRST, hold_time=HOLD), NeighborSettings(SECOND, hold_time=HOLD))
        self.exabgp = ExaBGP(Dialect(), settings, established=False)
        self.sessions.start(self.exabgp)
        self.wait(MAX_SESSION_DELAY)
        self.exabgp.write([ANNOUNCE], self.clock.now)
        self.exabgp.process(self.clock.now)
        self.lines.clear()

    def _deliver(self, lines: list[str]) -> None:
        for message in map(messages.parse, lines):
            if isinstance(message, NeighborState):
                self.lines.append((self.clock.now, message.peer, message.established))

    def wait(self, seconds: float) -> None:
        for call in self.clock.calls(self.clock.now + seconds):
            call()

    @property
    def wires(self) -> list[bool]:
        """Whether each neighbour has the route."""
        return [bool(neighbor.wire) for neighbor in self.exabgp.neighbors]


def test_both_sides_notice_a_closed_session_at_once() -> None:
    box = Box()
    end = box.sessions.close([0])
    assert [line[1:] for line in box.lines] == [(FIRST, False)]
    assert box.wires == [False, True]
    assert Impairment.BGP not in box.impairments.reasons, "one session works"
    box.wait(60)
    assert box.wires == [False, True]
    end()
    box.wait(MAX_SESSION_DELAY)
    assert box.wires == [True, True]


@pytest.mark.parametrize(("require_bgp", "closed"), [(1, False), (2, True)])
def test_gate_counts_working_sessions(require_bgp: int, closed: bool) -> None:
    box = Box(require_bgp)
    assert Impairment.GATE not in box.impairments.reasons
    box.sessions.close([1])
    assert (Impairment.GATE in box.impairments.reasons) is closed


@pytest.mark.parametrize("neighbor_notices", [True, False])
def test_lost_carrier_is_reported_by_the_kernel_long_before_exabgp(neighbor_notices: bool) -> None:
    box, start = Box(), MAX_SESSION_DELAY
    box.sessions.interrupt([0, 1], carrier=True, neighbor_notices=neighbor_notices)
    assert Impairment.BGP in box.impairments.reasons
    assert box.wires == [not neighbor_notices] * 2
    box.wait(CARRIER_DELAY[1])
    assert box.links[-1][1] == {FIRST: "eth0", SECOND: "eth1"}
    assert not box.lines
    box.wait(HOLD)
    assert {line[1:] for line in box.lines} == {(FIRST, False), (SECOND, False)}
    assert all(start + HOLD * 2 / 3 <= at <= start + HOLD for at, *_ in box.lines)
    assert box.wires == [False, False]


def test_kernel_reports_nothing_if_only_the_path_is_lost() -> None:
    box = Box()
    box.sessions.interrupt([0], carrier=False, neighbor_notices=False)
    box.wait(HOLD)
    assert box.links == []
    assert [line[1:] for line in box.lines] == [(FIRST, False)]


def test_session_survives_an_interruption_that_nobody_notices() -> None:
    box = Box()
    end = box.sessions.interrupt([0, 1], carrier=True, neighbor_notices=False)
    box.wait(HOLD / 3)
    end()
    assert Impairment.BGP not in box.impairments.reasons
    box.wait(60)
    assert box.links[-1][1] == {}
    assert box.lines == []
    assert box.wires == [True, True]


def test_exabgp_learns_late_that_the_neighbour_has_closed_the_session() -> None:
    box, start = Box(), MAX_SESSION_DELAY
    end = box.sessions.interrupt([0, 1], carrier=True, neighbor_notices=True)
    box.wait(1.0)
    end()
    assert Impairment.BGP in box.impairments.reasons
    assert box.wires == [False, False]
    box.wait(HOLD / 3)
    assert {line[1:] for line in box.lines if not line[2]} == {(FIRST, False), (SECOND, False)}
    assert all(at <= start + 1.0 + HOLD / 3 for at, _, established in box.lines if not established)
    box.wait(MAX_SESSION_DELAY)
    assert box.wires == [True, True]
    assert not box.impairments.reasons


def test_neighbours_close_the_sessions_of_a_paused_exabgp() -> None:
    box = Box()
    box.exabgp.pause()
    box.sessions.pause(box.exabgp)
    box.wait(HOLD * 2 / 3 - 0.1)
    assert box.wires == [True, True]
    box.wait(HOLD / 3 + 0.1)
    assert box.wires == [False, False]
    assert not box.lines
    box.exabgp.resume(box.clock.now)
    box.sessions.resume(box.exabgp)
    assert {line[1:] for line in box.lines} == {(FIRST, False), (SECOND, False)}
    box.wait(MAX_SESSION_DELAY)
    assert box.wires == [True, True]


def test_short_pause_of_exabgp_closes_no_session() -> None:
    box = Box()
    for _ in range(2):
        box.exabgp.pause()
        box.sessions.pause(box.exabgp)
        box.wait(HOLD / 2)
        box.exabgp.resume(box.clock.now)
        box.sessions.resume(box.exabgp)
        box.wait(0.1)
    box.wait(60)
    assert box.wires == [True, True]
    assert not box.lines


def test_end_of_exabgp_ends_all_sessions() -> None:
    box = Box()
    box.sessions.end()
    assert Impairment.BGP in box.impairments.reasons
    box.wait(60)
    assert box.lines == []
