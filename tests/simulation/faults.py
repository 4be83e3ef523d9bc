"""Injection of the faults of a plan."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.config_faults import ConfigFaults
from tests.simulation.environment import Environment
from tests.simulation.exabgp_faults import EXABGP_KINDS
from tests.simulation.impairments import Impairment
from tests.simulation.machine import Machine
from tests.simulation.plan import Fault, FaultKind
from vipagent.engine import inputs
from vipagent.store.layout import WHOLE_SERVICE, member_name
from vipagent.store.records import Maintenance, Registration
from vipagent.types import CheckResult

EXTRA_LATENCY = (0.3, 3.0)
"""Range of the additional latency of delayed notifications, in seconds."""
MAX_DURATION = 6.0
"""Maximum duration of delayed notifications, in seconds."""
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
    """Injects faults."""

    machines: list[Machine]
    environment: Environment
    outages: int = field(default=0)
    _configs: ConfigFaults = field(init=False)

    def __post_init__(self) -> None:
        self._configs = ConfigFaults(self.machines, self.environment)

    def start(self, fault: Fault) -> None:
        """Start a fault and schedule its end."""
        machine = self.machines[fault.node]
        self.environment.observer.log(machine.name, f"*** {fault.kind}, {fault.seconds:.2f} s")
        if fault.kind in EXABGP_KINDS:
            end = EXABGP_KINDS[fault.kind](self.environment, machine, fault)
        else:
            end = _KINDS[fault.kind](self, machine, fault)
        if end is not None:
            self.environment.clock.after(fault.seconds, end)

    def power_cut(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Cut the power of the machine."""
        machine.power_faults += 1
        machine.terminate_exabgp(agent_dies=True)
        return lambda: self._restore_power(machine)

    def exabgp_killed(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Kill ExaBGP; its agent detects EOF."""
        machine.power_faults += 1
        machine.terminate_exabgp(agent_dies=False)
        return lambda: self._restore_power(machine)

    def _restore_power(self, machine: Machine) -> None:
        machine.power_faults -= 1
        machine.start_exabgp()

    def agent_killed(self, machine: Machine, _fault: Fault) -> None:
        """Kill the agent; ExaBGP restarts it."""
        machine.kill_agent()

    def agent_terminated(self, machine: Machine, _fault: Fault) -> None:
        """Terminate the agent (SIGTERM): it withdraws after the others have announced (E3), and restarts."""
        agent = machine.agent
        if agent is None or agent.paused or Impairment.AGENT in machine.impairments.reasons:
            return
        self.environment.observer.log(machine.name, "the agent receives SIGTERM")
        machine.impairments.add(Impairment.AGENT, self.environment.clock.now)
        agent.handle_now(inputs.ShutdownRequested())

    def config_changed(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Change the configuration and kill the agent before it reads it."""
        return self._configs.change(machine, fault)

    def agent_paused(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Pause the agent."""
        agent = machine.pause_agent()
        return (lambda: machine.resume_agent(agent, fault.seconds)) if agent else None

    def cut(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Cut the network between one machine and the store."""
        self._cut([machine])
        return lambda: self._repair([machine])

    def store_restarted(self, _machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Stop the store; session timeouts start again when it is back."""
        self._stop_store()
        return lambda: self._start_store(sessions_expired=False)

    def store_frozen(self, _machine: Machine, fault: Fault) -> Callable[[], None]:
        """Freeze the store; sessions may expire meanwhile."""
        self._stop_store()
        return lambda: self._start_store(
            sessions_expired=fault.seconds > self.environment.server.session_timeout
        )

    def expiry(self, machine: Machine, _fault: Fault) -> None:
        """Expire a healthy session."""
        if machine.agent:
            machine.agent.client.expire()

    def notifications_delayed(self, machine: Machine, fault: Fault) -> None:
        """Delay the messages of the store."""
        if machine.extra_latency:
            return
        low, high = EXTRA_LATENCY
        machine.extra_latency = low + fault.choice % 100 / 100 * (high - low)
        machine.impairments.add(Impairment.LATE, self.environment.clock.now)
        seconds = min(fault.seconds, MAX_DURATION)
        self.environment.clock.after(seconds, lambda: self._end_delay(machine))

    def _end_delay(self, machine: Machine) -> None:
        in_transit, machine.extra_latency = 3 * machine.extra_latency, 0.0
        clock = self.environment.clock

        def clear() -> None:
            if not machine.extra_latency:
                machine.impairments.clear(Impairment.LATE, clock.now)

        clock.after(in_transit, clear)

    def check_fails(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Make the local service fail."""
        machine.check.fail(CheckResult.BAD)
        return lambda: machine.check.recover(CheckResult.BAD)

    def disabled(self, machine: Machine, _fault: Fault) -> Callable[[], None]:
        """Disable the local service."""
        machine.check.fail(CheckResult.DISABLED)
        return lambda: machine.check.recover(CheckResult.DISABLED)

    def node_maintenance(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Set the maintenance of a node."""
        return self._maintain(machine.name, [machine], Impairment.NODE_MAINTENANCE, fault)

    def service_maintenance(self, _machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Set the maintenance of the service."""
        return self._maintain(WHOLE_SERVICE, self.machines, Impairment.SERVICE_MAINTENANCE, fault)

    def _maintain(
        self, name: str, machines: list[Machine], impairment: Impairment, fault: Fault
    ) -> Callable[[], None] | None:
        server, clock = self.environment.server, self.environment.clock
        if not server.up or name in server.maintenance:
            return None
        server.set_maintenance(name, fault.choose(VALUES))
        for machine in machines:
            machine.impairments.add(impairment, clock.now)

        def end() -> None:
            if not server.up:
                clock.after(1.0, end)
                return
            self.environment.observer.log("operator", f"ends the maintenance of {name}")
            server.set_maintenance(name, None)

        return end

    def foreign(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Register a VIP as another node, as an unknown node, or under the owner's name."""
        if not machine.settings.owned:
            return None
        server, name = self.environment.server, member_name(fault.choose(machine.settings.owned))
        if not server.up:
            return None
        values = (Registration("foreign", "x").dump(), b"", Registration(machine.name, "x").dump())
        server.put(name, values[fault.choice % len(values)], None)

        def end() -> None:
            if not server.up:
                self.environment.clock.after(1.0, end)
                return
            entry = server.members.get(name)
            if entry is not None and entry.session is None:
                server.remove(name)

        return end

    def deletion(self, machine: Machine, fault: Fault) -> None:
        """Delete a registration."""
        if machine.settings.owned and self.environment.server.up:
            self.environment.server.remove(member_name(fault.choose(machine.settings.owned)))

    def garbage(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Write invalid entries."""
        server, name = self.environment.server, fault.choose(NAMES)
        if not server.up:
            return None
        server.put(name, VALUES[fault.choice % len(VALUES)], None)
        own = [member_name(vip) for vip in machine.settings.owned if member_name(vip) in server.members]
        for entry in own:
            server.put(entry, VALUES[fault.choice % len(VALUES)], server.members[entry].session)
        server.set_maintenance(f"not {name}", fault.choose(VALUES))

        def end() -> None:
            server.remove(name)
            server.set_maintenance(f"not {name}", None)

        return end

    def _cut(self, machines: list[Machine]) -> None:
        for machine in machines:
            machine.store_faults += 1
            if machine.agent:
                machine.agent.client.cut()

    def _repair(self, machines: list[Machine]) -> None:
        for machine in machines:
            machine.store_faults -= 1
            if machine.agent and not machine.store_faults:
                machine.agent.client.repair()

    def _stop_store(self) -> None:
        self.outages += 1
        self.environment.server.go_down()
        self._cut(self.machines)

    def _start_store(self, *, sessions_expired: bool) -> None:
        self.outages -= 1
        if not self.outages:
            self.environment.observer.log("store", "is back")
            self.environment.server.come_back(sessions_expired=sessions_expired)
        self._repair(self.machines)


_KINDS: dict[FaultKind, Callable[[Faults, Machine, Fault], Callable[[], None] | None]] = {
    FaultKind.CRASH: Faults.power_cut,
    FaultKind.EXABGP_KILLED: Faults.exabgp_killed,
    FaultKind.AGENT_KILLED: Faults.agent_killed,
    FaultKind.AGENT_TERMINATED: Faults.agent_terminated,
    FaultKind.AGENT_PAUSED: Faults.agent_paused,
    FaultKind.CONFIG_CHANGED: Faults.config_changed,
    FaultKind.CUT: Faults.cut,
    FaultKind.EXPIRY: Faults.expiry,
    FaultKind.LATE: Faults.notifications_delayed,
    FaultKind.OUTAGE: Faults.store_restarted,
    FaultKind.FREEZE: Faults.store_frozen,
    FaultKind.CHECK_FAILS: Faults.check_fails,
    FaultKind.DISABLED: Faults.disabled,
    FaultKind.NODE_MAINTENANCE: Faults.node_maintenance,
    FaultKind.SERVICE_MAINTENANCE: Faults.service_maintenance,
    FaultKind.FOREIGN: Faults.foreign,
    FaultKind.DELETION: Faults.deletion,
    FaultKind.GARBAGE: Faults.garbage,
}
