"""What is drawn from a seed: a pool, its policies, how fast things are, and which faults come when."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.simulation.surroundings import Pace
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.store.session import request_timeout
from vipagent.types import OnStoreLoss, Standby, Takeover


class FaultKind(StrEnum):
    """What can befall a machine, the store, or what lies in it."""

    CRASH = "power cut"
    EXABGP_DEATH = "death of ExaBGP"
    AGENT_DEATH = "death of the agent"
    AGENT_TERMINATED = "SIGTERM to the agent"
    AGENT_STOPPED = "agent stopped"
    EXABGP_STOPPED = "ExaBGP stopped"
    CUT = "cut from the store"
    EXPIRY = "session ended by the store"
    LATE = "late notifications"
    OUTAGE = "store restarted"
    FREEZE = "store frozen"
    CHECK_FAILS = "check fails"
    DISABLED = "check disabled"
    BGP_LOSS = "BGP session lost"
    REFUSAL = "route refused by ExaBGP"
    NODE_MAINTENANCE = "maintenance of the node"
    SERVICE_MAINTENANCE = "maintenance of the service"
    FOREIGN = "foreign registration"
    ERASURE = "registration erased"
    GARBAGE = "hostile content"


WEIGHTS = {
    FaultKind.CRASH: 4,
    FaultKind.EXABGP_DEATH: 2,
    FaultKind.AGENT_DEATH: 2,
    FaultKind.AGENT_TERMINATED: 2,
    FaultKind.AGENT_STOPPED: 3,
    FaultKind.EXABGP_STOPPED: 1,
    FaultKind.CUT: 3,
    FaultKind.EXPIRY: 2,
    FaultKind.LATE: 2,
    FaultKind.OUTAGE: 1,
    FaultKind.FREEZE: 1,
    FaultKind.CHECK_FAILS: 4,
    FaultKind.DISABLED: 1,
    FaultKind.BGP_LOSS: 3,
    FaultKind.REFUSAL: 1,
    FaultKind.NODE_MAINTENANCE: 2,
    FaultKind.SERVICE_MAINTENANCE: 1,
    FaultKind.FOREIGN: 1,
    FaultKind.ERASURE: 1,
    FaultKind.GARBAGE: 1,
}
LASTING = frozenset({FaultKind.CRASH, FaultKind.CHECK_FAILS, FaultKind.BGP_LOSS, FaultKind.NODE_MAINTENANCE})
"""What may last until all else is quiet: the steady state with some of the nodes is worth a look, too."""
SHORTEST_CALM = 60.0
"""Seconds in which retries, delays and holds that do not depend on the session's life come to their end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens."""

    at: float
    """Seconds after the beginning."""
    kind: FaultKind
    node: int
    """The number of the machine that is meant."""
    seconds: float
    """Until it is over."""
    choice: int
    """Tells apart what several of a kind do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    machines: tuple[ServiceSettings, ...]
    session_life: float
    pace: Pace
    faults: tuple[Fault, ...]
    calms: tuple[float, ...]
    """The times at which all has been quiet for so long that the state must be the steady one."""

    def chance(self) -> Random:
        """Return what delays are drawn from in this run."""
        return Random(self.seed + 1)


def draw(seed: int, faults: int) -> Plan:
    """Draw a run with so many faults; the same one for the same arguments, for ever."""
    rng = Random(seed)
    life = rng.choice((2.0, 4.0, 6.0, 10.0))
    acks = rng.random() < 0.8
    pace = Pace(
        hop=min(rng.choice((0.01, 0.05, 0.3)), request_timeout(life) / 3),  # there and back
        exabgp=rng.choice((0.002, 0.02, 0.2) if acks else (0.002, 0.02)),
        acks=acks,
    )
    machines = tuple(_machines(rng, life))
    planned, calms = _faults(rng, faults, len(machines), life)
    return Plan(seed, machines, life, pace, planned, calms)


def _machines(rng: Random, life: float) -> Iterator[ServiceSettings]:
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
        "settle": life,
        "release_delay": rng.choice((0.5, 2.0)),
        "drain_delay": rng.choice((1.0, 5.0)),
        "require_bgp": rng.choice((0, 1)),
        "rise": rng.choice((1, 2, 3)),
        "fall": rng.choice((1, 2, 3)),
        "flap_hold": FlapHold(rng.choice((0.0, 0.0, 0.0, 0.0, 10.0))),
    }
    for number, vips in enumerate(owned):
        yield ServiceSettings(name="apex", node=f"node{number}", owned=vips, owners=owners, **common)


def _faults(
    rng: Random, count: int, machines: int, life: float
) -> tuple[tuple[Fault, ...], tuple[float, ...]]:
    """Draw bursts of faults, and a calm after each: with the lasting ones, and again when they are over."""
    calm = SHORTEST_CALM + 4 * life
    now = calm
    calms = [now]
    faults: list[Fault] = []
    while len(faults) < count:
        gap = rng.choice((0.2, 2.0, 8.0))
        burst: list[Fault] = []
        for _ in range(min(rng.randint(1, 10), count - len(faults))):
            now += rng.expovariate(1 / gap)
            burst.append(_fault(rng, now, machines, life))
        lasting = [fault for fault in burst if fault.kind in LASTING and rng.random() < 0.2]
        over = max((fault.at + fault.seconds for fault in burst if fault not in lasting), default=now)
        now = max(over, now) + calm
        calms.append(now)
        for fault in burst:
            seconds = now - fault.at if fault in lasting else fault.seconds
            faults.append(Fault(fault.at, fault.kind, fault.node, seconds, fault.choice))
        if lasting:
            now += calm
            calms.append(now)
    return tuple(faults), tuple(calms)


def _fault(rng: Random, at: float, machines: int, life: float) -> Fault:
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    short, long = rng.choice(((0.01, 1.0), (1.0, life), (life, 3 * life)))
    return Fault(at, kind, rng.randrange(machines), rng.uniform(short, long), rng.randrange(1 << 16))
