"""What each fault does, and how it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.simulation.hindrances import Hindrance
from tests.simulation.leaving import terminate
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.plan import Fault, FaultKind
from tests.simulation.surroundings import Surroundings
from vipagent.store.layout import WHOLE_SERVICE, member_name
from vipagent.store.records import Maintenance, Registration
from vipagent.types import CheckResult

T = TypeVar("T")

LATENESS = (0.3, 3.0)
"""Seconds by which late notifications are late."""
AT_LEAST = 6.0
"""Seconds at most that notifications are late, or a route refused."""
VALUES = (
    b"",
    b"\xff\xfe\x00",
    b"[" * 5000,
    b'{"node": {"node": 7}, "instance": null, "now": "yes"}',
    b'{"node": "node0\\nannounce route 0.0.0.0/0 next-hop self", "instance": "\\u0000"}',
    Maintenance(reason="rack \x1b[31m7", by="\r\nme", now=True).dump(),
    b"x" * 70_000,
)
NAMES = (
    "",
    "..",
    "203.0.113.9",
    "0.0.0.0_0",
    "10.0.0.0/8",
    "10.0.0.0 next-hop self",
    "a\nb",
    "all",
    "x" * 5000,
)


@dataclass
class Faults:
    """Carries faults out."""

    machines: list[Machine]
    around: Surroundings
    outages: int = field(default=0)

    def begin(self, fault: Fault) -> None:
        """Begin one, and see to it that it ends."""
        machine = self.machines[fault.node]
        self.around.witness.noted(machine.name, f"*** {fault.kind}, {fault.seconds:.2f} s")
        end = _KINDS[fault.kind](self, machine, fault)
        if end is not None:
            self.around.clock.after(fault.seconds, end)

    def power_cut(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """The machine is gone at one stroke, and starts later."""
        machine.off += 1
        machine.lose_exabgp(agent_dies=True)
        return lambda: self._power_back(machine)

    def exabgp_death(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """ExaBGP dies; its agent notices."""
        machine.off += 1
        machine.lose_exabgp(agent_dies=False)
        return lambda: self._power_back(machine)

    def _power_back(self, machine: Machine) -> None:
        machine.off -= 1
        machine.start_exabgp()

    def agent_death(self, machine: Machine, _fault: Fault) -> None:
        """The agent dies, and is started anew."""
        machine.kill_agent()

    def agent_terminated(self, machine: Machine, _fault: Fault) -> None:
        """The agent is told to stop, and is started anew."""
        terminate(machine, self.around)

    def agent_stopped(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """The agent stands still."""
        agent = machine.stop_agent()
        return (lambda: machine.continue_agent(agent, fault.seconds)) if agent else None

    def exabgp_stopped(self, machine: Machine, _fault: Fault) -> Callable[[], None] | None:
        """ExaBGP stands still."""
        exabgp = machine.stall_exabgp()
        return (lambda: machine.continue_exabgp(exabgp)) if exabgp else None

    def cut(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """One machine does not reach the store."""
        self._cut([machine])
        return lambda: self._mend([machine])

    def store_restarted(self, _machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Nobody reaches the store; the sessions' time stands still."""
        self._store_goes()
        return lambda: self._store_comes_back(thawed=False)

    def store_frozen(self, _machine: Machine, fault: Fault) -> Callable[[], None]:
        """Nobody reaches the store, and the sessions' time runs."""
        self._store_goes()
        return lambda: self._store_comes_back(thawed=fault.seconds > self.around.server.life)

    def expiry(self, machine: Machine, _fault: Fault) -> None:
        """The store ends a session that is well."""
        if machine.agent:
            machine.agent.client.expire()

    def late(self, machine: Machine, fault: Fault) -> None:
        """What the store has to say comes late."""
        if machine.late:
            return
        low, high = LATENESS
        machine.late = low + fault.choice % 100 / 100 * (high - low)
        machine.hindrances.add(Hindrance.LATE, self.around.clock.now)
        seconds = min(fault.seconds, AT_LEAST)
        self.around.clock.after(seconds, lambda: self._in_time(machine))

    def _in_time(self, machine: Machine) -> None:
        on_its_way, machine.late = 3 * machine.late, 0.0
        clock = self.around.clock

        def over() -> None:
            if not machine.late:
                machine.hindrances.clear(Hindrance.LATE, clock.now)

        clock.after(on_its_way, over)

    def check_fails(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """The local service fails."""
        machine.check.fail(CheckResult.BAD)
        return lambda: machine.check.recover(CheckResult.BAD)

    def disabled(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Somebody disables the local service."""
        machine.check.fail(CheckResult.DISABLED)
        return lambda: machine.check.recover(CheckResult.DISABLED)

    def bgp_loss(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """The BGP session goes down."""
        machine.unplugged += 1
        machine.disconnect()
        return lambda: self._plug_in(machine)

    def _plug_in(self, machine: Machine) -> None:
        machine.unplugged -= 1
        machine.connect_soon()

    def refusal(self, machine: Machine, fault: Fault) -> None:
        """ExaBGP refuses one of the routes."""
        exabgp = machine.refuse(prefix(_one(machine.settings.pool, fault)))
        if exabgp:
            self.around.clock.after(min(fault.seconds, AT_LEAST), lambda: machine.accept(exabgp))

    def node_maintenance(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """An operator drains a node."""
        return self._maintain(machine.name, [machine], Hindrance.NODE_MAINTENANCE, fault)

    def service_maintenance(self, _machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """An operator takes the whole service down."""
        return self._maintain(WHOLE_SERVICE, self.machines, Hindrance.SERVICE_MAINTENANCE, fault)

    def _maintain(
        self, name: str, machines: list[Machine], hindrance: Hindrance, fault: Fault
    ) -> Callable[[], None] | None:
        server, clock = self.around.server, self.around.clock
        if not server.up or name in server.maintenance:
            return None
        server.maintain(name, _one(VALUES, fault))
        for machine in machines:
            machine.hindrances.add(hindrance, clock.now)

        def end() -> None:
            if not server.up:
                clock.after(1.0, end)
                return
            self.around.witness.noted("operator", f"ends the maintenance of {name}")
            server.maintain(name, None)

        return end

    def foreign(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Somebody else registers a VIP: another node, nobody known, or one that says it is the owner."""
        if not machine.settings.owned:
            return None
        server, name = self.around.server, member_name(_one(machine.settings.owned, fault))
        if not server.up:
            return None
        impostors = (Registration("somebody", "x").dump(), b"", Registration(machine.name, "x").dump())
        server.put(name, impostors[fault.choice % len(impostors)], None)

        def end() -> None:
            if not server.up:
                self.around.clock.after(1.0, end)
                return
            held = server.members.get(name)
            if held is not None and held.session is None:
                server.remove(name)

        return end

    def erasure(self, machine: Machine, fault: Fault) -> None:
        """Somebody erases a registration."""
        if machine.settings.owned and self.around.server.up:
            self.around.server.remove(member_name(_one(machine.settings.owned, fault)))

    def garbage(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Somebody writes nonsense."""
        server, name = self.around.server, _one(NAMES, fault)
        if not server.up:
            return None
        server.put(name, VALUES[fault.choice % len(VALUES)], None)
        own = [member_name(vip) for vip in machine.settings.owned if member_name(vip) in server.members]
        for held in own:
            server.put(held, VALUES[fault.choice % len(VALUES)], server.members[held].session)
        server.maintain(f"not {name}", _one(VALUES, fault))

        def end() -> None:
            server.remove(name)
            server.maintain(f"not {name}", None)

        return end

    def _cut(self, machines: list[Machine]) -> None:
        for machine in machines:
            machine.cuts += 1
            if machine.agent:
                machine.agent.client.cut()

    def _mend(self, machines: list[Machine]) -> None:
        for machine in machines:
            machine.cuts -= 1
            if machine.agent and not machine.cuts:
                machine.agent.client.mend()

    def _store_goes(self) -> None:
        self.outages += 1
        self.around.server.go_down()
        self._cut(self.machines)

    def _store_comes_back(self, *, thawed: bool) -> None:
        self.outages -= 1
        if not self.outages:
            self.around.witness.noted("store", "is back")
            self.around.server.come_back(thawed=thawed)
        self._mend(self.machines)


def _one(items: Sequence[T], fault: Fault) -> T:
    return items[fault.choice // 7 % len(items)]


_KINDS: dict[FaultKind, Callable[[Faults, Machine, Fault], Callable[[], None] | None]] = {
    FaultKind.CRASH: Faults.power_cut,
    FaultKind.EXABGP_DEATH: Faults.exabgp_death,
    FaultKind.AGENT_DEATH: Faults.agent_death,
    FaultKind.AGENT_TERMINATED: Faults.agent_terminated,
    FaultKind.AGENT_STOPPED: Faults.agent_stopped,
    FaultKind.EXABGP_STOPPED: Faults.exabgp_stopped,
    FaultKind.CUT: Faults.cut,
    FaultKind.EXPIRY: Faults.expiry,
    FaultKind.LATE: Faults.late,
    FaultKind.OUTAGE: Faults.store_restarted,
    FaultKind.FREEZE: Faults.store_frozen,
    FaultKind.CHECK_FAILS: Faults.check_fails,
    FaultKind.DISABLED: Faults.disabled,
    FaultKind.BGP_LOSS: Faults.bgp_loss,
    FaultKind.REFUSAL: Faults.refusal,
    FaultKind.NODE_MAINTENANCE: Faults.node_maintenance,
    FaultKind.SERVICE_MAINTENANCE: Faults.service_maintenance,
    FaultKind.FOREIGN: Faults.foreign,
    FaultKind.ERASURE: Faults.erasure,
    FaultKind.GARBAGE: Faults.garbage,
}
