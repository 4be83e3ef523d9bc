"""Faults of ExaBGP and of the network between it and its neighbours."""

from collections.abc import Callable

from tests.simulation import lies
from tests.simulation.dialect import VERSION_5, noise
from tests.simulation.environment import Environment
from tests.simulation.exabgp import FOREIGN_ROUTE, ExaBGP, Silence
from tests.simulation.impairments import Impairment
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.plan import Fault, FaultKind

End = Callable[[], None] | None
"""Ends the fault, if it does not end by itself."""

MAX_DURATION = 6.0
"""Maximum duration in seconds of rejected routes and of a slow ExaBGP."""
MAX_RETRY_DELAY = 40.0
"""Seconds within which the agent retries a rejected route, or one without a reply."""
NOISE_INTERVAL = 1.0
"""Seconds between two lines that a slow ExaBGP writes."""
MIN_SLOWNESS, MAX_SLOWNESS = 1.0, 8.0
"""Range of the seconds until a slow ExaBGP processes lines."""


def paused(_environment: Environment, machine: Machine, _fault: Fault) -> End:
    """Pause ExaBGP."""
    exabgp = machine.pause_exabgp()
    return (lambda: machine.resume_exabgp(exabgp)) if exabgp else None


def silent(environment: Environment, machine: Machine, fault: Fault) -> End:
    """Let ExaBGP read and execute commands, but not reply to them, or write nothing at all."""
    exabgp = machine.exabgp
    if exabgp is None or Impairment.EXABGP_SILENT in machine.impairments.reasons:
        return None
    exabgp.silence = fault.choose((Silence.REPLIES, Silence.EVERYTHING))
    environment.observer.log(machine.name, f"ExaBGP {exabgp.silence}")
    machine.impairments.add(Impairment.EXABGP_SILENT, environment.clock.now)

    def end() -> None:
        exabgp.silence = Silence.NOTHING
        _clear_later(environment, machine, exabgp, Impairment.EXABGP_SILENT)

    return end


def slow(environment: Environment, machine: Machine, fault: Fault) -> None:
    """Let ExaBGP process lines late, as with large tables; it writes other lines meanwhile.

    Only with acknowledgements: without them, lines accumulate that may be reordered; see
    `Machine.pause_exabgp`.
    """
    exabgp, clock = machine.exabgp, environment.clock
    if exabgp is None or not exabgp.acks or Impairment.EXABGP_SILENT in machine.impairments.reasons:
        return
    exabgp.slow_for = MIN_SLOWNESS + fault.choice % 100 / 100 * (MAX_SLOWNESS - MIN_SLOWNESS)
    machine.impairments.add(Impairment.EXABGP_SILENT, clock.now)

    def write() -> None:
        if machine.exabgp is exabgp and (exabgp.slow_for or exabgp.process_at):
            machine.deliver_lines([noise(exabgp.dialect)])
            clock.after(NOISE_INTERVAL, write)

    def end() -> None:
        exabgp.slow_for = 0.0
        _clear_later(environment, machine, exabgp, Impairment.EXABGP_SILENT)

    write()
    clock.after(min(fault.seconds, MAX_DURATION), end)


def lying_table(_environment: Environment, machine: Machine, fault: Fault) -> End:
    """Let ExaBGP's table be wrong."""
    exabgp = machine.exabgp
    if exabgp is None or exabgp.lie or machine.exabgp_settings.foreign_route:
        return None
    prefixes = [FOREIGN_ROUTE, *map(prefix, machine.settings.pool)]
    lies.start(fault.choose(tuple(lies.Lie)), exabgp, prefixes)

    def end() -> None:
        exabgp.lie = None

    return end


def refusal(environment: Environment, machine: Machine, fault: Fault) -> None:
    """Let ExaBGP reject one route; 4.2 may do that without a reply."""
    exabgp = machine.exabgp
    if exabgp is None or exabgp.refused or not exabgp.acks:
        return
    refused = prefix(fault.choose(machine.settings.pool))
    environment.observer.log(machine.name, f"ExaBGP rejects {refused}")
    exabgp.refused.add(refused)
    exabgp.refuses_silently = exabgp.dialect.version < VERSION_5 and fault.choice % 2 == 0
    machine.impairments.add(Impairment.REFUSED, environment.clock.now)

    def end() -> None:
        exabgp.refused.clear()
        _clear_later(environment, machine, exabgp, Impairment.REFUSED)

    environment.clock.after(min(fault.seconds, MAX_DURATION), end)


def bgp_loss(_environment: Environment, machine: Machine, fault: Fault) -> End:
    """Keep one or all BGP sessions down."""
    return machine.sessions.close(_some_neighbors(machine, fault))


def carrier_loss(_environment: Environment, machine: Machine, fault: Fault) -> End:
    """Take the carrier from the interface to one neighbour, or to all; they may not notice it at once."""
    indices, notices = _some_neighbors(machine, fault), fault.choice % 5 > 1
    return machine.sessions.interrupt(indices, carrier=True, neighbor_notices=notices)


def path_loss(_environment: Environment, machine: Machine, fault: Fault) -> End:
    """Lose all packets to and from one neighbour, or all; they may notice it at once."""
    indices, notices = _some_neighbors(machine, fault), fault.choice % 2 == 0
    return machine.sessions.interrupt(indices, carrier=False, neighbor_notices=notices)


def _clear_later(environment: Environment, machine: Machine, exabgp: ExaBGP, impairment: Impairment) -> None:
    """Clear an impairment once the agent must have sent all commands again; another fault delays that."""

    def clear() -> None:
        over = not exabgp.refused and exabgp.silence is Silence.NOTHING and not exabgp.slow_for
        if machine.exabgp is exabgp and over:
            machine.impairments.clear(impairment, environment.clock.now)
        elif machine.exabgp is exabgp:
            environment.clock.after(MAX_RETRY_DELAY, clear)

    environment.clock.after(MAX_RETRY_DELAY, clear)


def _some_neighbors(machine: Machine, fault: Fault) -> list[int]:
    """Return the index of one neighbour, or of all."""
    every = range(len(machine.exabgp_settings.neighbors))
    return [fault.choose(every)] if fault.choice % 3 == 0 else list(every)


EXABGP_KINDS: dict[FaultKind, Callable[[Environment, Machine, Fault], End]] = {
    FaultKind.EXABGP_PAUSED: paused,
    FaultKind.EXABGP_SILENT: silent,
    FaultKind.EXABGP_SLOW: slow,
    FaultKind.LYING_TABLE: lying_table,
    FaultKind.REFUSAL: refusal,
    FaultKind.BGP_LOSS: bgp_loss,
    FaultKind.CARRIER_LOSS: carrier_loss,
    FaultKind.PATH_LOSS: path_loss,
}
