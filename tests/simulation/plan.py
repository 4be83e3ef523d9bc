"""Plan of a run, generated from a seed: pool, settings, delays and faults."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

from tests.simulation.dialect import Dialect
from tests.simulation.environment import Timing
from tests.simulation.exabgp import ExaBGPSettings
from tests.simulation.neighbor import LOCAL_AS, NeighborSettings
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.exabgp.polling import NO_ACK_DELAY
from vipagent.store.session import request_timeout
from vipagent.types import OnStoreLoss, Standby, Takeover

T = TypeVar("T")


class FaultKind(StrEnum):
    """Kinds of faults of a machine, the store or its entries."""

    CRASH = "power cut"
    EXABGP_KILLED = "ExaBGP killed"
    AGENT_KILLED = "agent killed"
    AGENT_TERMINATED = "SIGTERM to the agent"
    AGENT_PAUSED = "agent paused"
    EXABGP_PAUSED = "ExaBGP paused"
    EXABGP_SILENT = "ExaBGP does not answer"
    EXABGP_SLOW = "ExaBGP answers late"
    LYING_TABLE = "ExaBGP's table is wrong"
    CUT = "store unreachable"
    EXPIRY = "session ended by the store"
    LATE = "notifications delayed"
    OUTAGE = "store restarted"
    FREEZE = "store frozen"
    CHECK_FAILS = "check fails"
    DISABLED = "check disabled"
    BGP_LOSS = "BGP session lost"
    CARRIER_LOSS = "carrier lost"
    PATH_LOSS = "path to a neighbour lost"
    CONFIG_CHANGED = "configuration changed, agent killed"
    REFUSAL = "route rejected by ExaBGP"
    NODE_MAINTENANCE = "maintenance of the node"
    SERVICE_MAINTENANCE = "maintenance of the service"
    FOREIGN = "foreign registration"
    DELETION = "registration deleted"
    GARBAGE = "invalid entries"


WEIGHTS = {
    FaultKind.CRASH: 4,
    FaultKind.EXABGP_KILLED: 2,
    FaultKind.AGENT_KILLED: 2,
    FaultKind.AGENT_TERMINATED: 2,
    FaultKind.AGENT_PAUSED: 3,
    FaultKind.EXABGP_PAUSED: 2,
    FaultKind.EXABGP_SILENT: 2,
    FaultKind.EXABGP_SLOW: 1,
    FaultKind.LYING_TABLE: 1,
    FaultKind.CUT: 3,
    FaultKind.EXPIRY: 2,
    FaultKind.LATE: 2,
    FaultKind.OUTAGE: 1,
    FaultKind.FREEZE: 1,
    FaultKind.CHECK_FAILS: 4,
    FaultKind.DISABLED: 1,
    FaultKind.BGP_LOSS: 3,
    FaultKind.CARRIER_LOSS: 4,
    FaultKind.PATH_LOSS: 2,
    FaultKind.CONFIG_CHANGED: 1,
    FaultKind.REFUSAL: 1,
    FaultKind.NODE_MAINTENANCE: 2,
    FaultKind.SERVICE_MAINTENANCE: 1,
    FaultKind.FOREIGN: 1,
    FaultKind.DELETION: 1,
    FaultKind.GARBAGE: 1,
}
PERSISTENT_KINDS = frozenset(
    {
        FaultKind.CRASH,
        FaultKind.CHECK_FAILS,
        FaultKind.BGP_LOSS,
        FaultKind.CARRIER_LOSS,
        FaultKind.PATH_LOSS,
        FaultKind.NODE_MAINTENANCE,
    }
)
"""Kinds that can continue into a quiet time, to check convergence with a part of the nodes."""
LONG_KINDS = {FaultKind.EXABGP_PAUSED: 3.0, FaultKind.EXABGP_SILENT: 3.0}
"""Factor of the duration of some kinds: they are noticed only after a hold time or several timeouts."""
MIN_QUIET_TIME = 60.0
"""Seconds until all retries and delays that do not depend on the session timeout are over."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    at: float
    """Seconds since the start of the run."""
    kind: FaultKind
    node: int
    """Index of the affected machine."""
    seconds: float
    """Duration."""
    choice: int
    """Random number that selects a variant of the kind."""

    def choose(self, items: Sequence[T]) -> T:
        """Choose one item."""
        return items[self.choice // 7 % len(items)]


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan of one run."""

    seed: int
    machines: tuple[ServiceSettings, ...]
    exabgps: tuple[ExaBGPSettings, ...]
    """The ExaBGP of each machine."""
    session_timeout: float
    timing: Timing
    faults: tuple[Fault, ...]
    quiet_times: tuple[float, ...]
    """The times at which the state must have converged."""

    def new_rng(self) -> Random:
        """Return the random generator for the delays of this run."""
        return Random(self.seed + 1)


def generate(seed: int, faults: int, kinds: Collection[FaultKind] = WEIGHTS) -> Plan:
    """Generate a plan with a number of faults of some kinds; deterministic for the same arguments."""
    rng = Random(seed)
    session_timeout = rng.choice((2.0, 4.0, 6.0, 10.0))
    timing = Timing(
        latency=min(rng.choice((0.01, 0.05, 0.3)), request_timeout(session_timeout) / 3),  # round trip
        exabgp_delay=rng.choice((0.002, 0.02, 0.2)),
    )
    machines = tuple(_machines(rng, session_timeout))
    exabgps = tuple(_exabgp(rng, timing.exabgp_delay) for _ in machines)
    planned, quiet_times = _faults(rng, faults, len(machines), session_timeout, kinds)
    return Plan(seed, machines, exabgps, session_timeout, timing, planned, quiet_times)


def _exabgp(rng: Random, delay: float) -> ExaBGPSettings:
    dialect = Dialect(
        version=rng.choice((4, 5)),
        encoder=rng.choice(("json", "json", "text")),
        events=rng.random() < 0.8,
        acks=rng.random() < 0.8 or delay >= NO_ACK_DELAY,
    )
    neighbors = tuple(
        NeighborSettings(
            address=f"192.0.2.{10 * number + 1}",
            asn=rng.choice((LOCAL_AS, 65000)),
            add_path=rng.random() < 0.3,
            hold_time=rng.choices((3.0, 9.0, 30.0), (1, 5, 8))[0],  # a short one costs many polls
        )
        for number in range(rng.choice((1, 1, 2, 2, 3)))
    )
    return ExaBGPSettings(dialect, neighbors, foreign_route=rng.random() < 0.2)


def _machines(rng: Random, session_timeout: float) -> Iterator[ServiceSettings]:
    sizes = [rng.choice((1, 1, 1, 2, 3)) for _ in range(rng.choice((2, 3, 3, 3, 4, 5)))]
    owned = [tuple(f"10.0.{owner}.{number}" for number in range(size)) for owner, size in enumerate(sizes)]
    flat = tuple((vip,) for vips in owned for vip in vips)
    owners = tuple(owned) if rng.random() < 0.7 else flat
    if rng.random() < 0.1:
        owned.append(())
    common = {
        "takeover": rng.choice(list(Takeover)),
        "standby": rng.choice((Standby.COLD, Standby.COLD, Standby.HOT)),
        "on_store_loss": rng.choice((OnStoreLoss.KEEP, OnStoreLoss.KEEP, *OnStoreLoss)),
        "start_grace": rng.choice((3.0, 10.0)),
        "settle": session_timeout,
        "release_delay": rng.choice((0.5, 2.0)),
        "drain_delay": rng.choice((1.0, 5.0)),
        "require_bgp": rng.choice((0, 1, 1, 1, 2)),
        "rise": rng.choice((1, 2, 3)),
        "fall": rng.choice((1, 2, 3)),
        "flap_hold": FlapHold(rng.choice((0.0, 0.0, 0.0, 0.0, 10.0))),
    }
    for number, vips in enumerate(owned):
        yield ServiceSettings(name="apex", node=f"node{number}", owned=vips, owners=owners, **common)


def _faults(
    rng: Random, count: int, machines: int, session_timeout: float, kinds: Collection[FaultKind]
) -> tuple[tuple[Fault, ...], tuple[float, ...]]:
    """Generate bursts of faults, each followed by a quiet time with the persistent ones and one without."""
    quiet_time = MIN_QUIET_TIME + 4 * session_timeout
    now = quiet_time
    quiet_times = [now]
    faults: list[Fault] = []
    while len(faults) < count:
        gap = rng.choice((0.2, 2.0, 8.0))
        burst: list[Fault] = []
        for _ in range(min(rng.randint(1, 10), count - len(faults))):
            now += rng.expovariate(1 / gap)
            burst.append(_fault(rng, now, machines, session_timeout, kinds))
        persistent = [fault for fault in burst if fault.kind in PERSISTENT_KINDS and rng.random() < 0.2]
        last_end = max((fault.at + fault.seconds for fault in burst if fault not in persistent), default=now)
        now = max(last_end, now) + quiet_time
        quiet_times.append(now)
        for fault in burst:
            seconds = now - fault.at if fault in persistent else fault.seconds
            faults.append(Fault(fault.at, fault.kind, fault.node, seconds, fault.choice))
        if persistent:
            now += quiet_time
            quiet_times.append(now)
    return tuple(faults), tuple(quiet_times)


def _fault(
    rng: Random, at: float, machines: int, session_timeout: float, kinds: Collection[FaultKind]
) -> Fault:
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
    kind = rng.choices(list(weights), list(weights.values()))[0]
    short, long = rng.choice(((0.01, 1.0), (1.0, session_timeout), (session_timeout, 3 * session_timeout)))
    seconds = rng.uniform(short, long) * LONG_KINDS.get(kind, 1.0)
    return Fault(at, kind, rng.randrange(machines), seconds, rng.randrange(1 << 16))
