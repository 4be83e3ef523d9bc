"""Changes of the configuration while the agent is about to die: no reload sees the old configuration (E2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from tests.simulation.environment import Environment
from tests.simulation.machine import Machine
from tests.simulation.plan import Fault
from vipagent.core.settings import ServiceSettings

MAX_RESTART_DELAY = 0.1
"""Seconds within which all agents have been killed after a change of the configuration."""
SETTLED = 3.0
"""Seconds after a session came up until withdrawals have been repeated."""


@dataclass
class ConfigFaults:
    """Changes configurations and kills the agents.

    Not while a session is down or has just come up: the wire may then have routes that ExaBGP's table does
    not show, and that no new agent knows of if they have left the configuration.
    """

    machines: list[Machine]
    environment: Environment
    _removed: set[str] = field(default_factory=set)

    def change(self, machine: Machine, fault: Fault) -> Callable[[], None] | None:
        """Remove a VIP from all configurations, or change the path identifier on one node."""
        vip = fault.choose(machine.settings.owned) if len(machine.settings.owned) > 1 else None
        if self._removed:
            return None
        if fault.choice % 2 and vip:
            return self._remove(vip) if all(map(self._is_settled, self.machines)) else None
        if not self._is_settled(machine):
            return None
        before = machine.routes
        path_id = None if before.path_id else 1 + fault.choice % 3
        machine.configure(machine.settings, replace(before, path_id=path_id))
        self._kill([machine])
        return None

    def _is_settled(self, machine: Machine) -> bool:
        since = self.environment.clock.now - SETTLED
        truthful = machine.exabgp is None or machine.exabgp.lie is None
        return truthful and all(neighbor.works and neighbor.up_at < since for neighbor in machine.neighbors)

    def _remove(self, vip: str) -> Callable[[], None]:
        before = [machine.settings for machine in self.machines]
        self._removed.add(vip)
        self.environment.observer.log("operator", f"removes {vip} from the configuration")
        self._configure(_without(settings, vip) for settings in before)
        self.environment.observer.vip_removed(vip)

        def end() -> None:
            self.environment.observer.log("operator", f"restores {vip} in the configuration")
            self._removed.clear()
            self._configure(before)
            self.environment.observer.vip_restored(vip, self.environment.clock.now + MAX_RESTART_DELAY)

        return end

    def _configure(self, settings: Iterable[ServiceSettings]) -> None:
        for machine, changed in zip(self.machines, settings, strict=True):
            machine.configure(changed, machine.routes)
        self._kill(self.machines)

    def _kill(self, machines: Iterable[Machine]) -> None:
        for machine in machines:
            run = machine.agent
            delay = self.environment.rng.uniform(0, MAX_RESTART_DELAY)
            self.environment.clock.after(delay, partial(_kill, machine, run))


def _kill(machine: Machine, run: object) -> None:
    if machine.agent is run:
        machine.kill_agent()


def _without(settings: ServiceSettings, vip: str) -> ServiceSettings:
    """Return settings without a VIP."""
    return replace(
        settings,
        owned=tuple(owned for owned in settings.owned if owned != vip),
        owners=tuple(
            kept for vips in settings.owners if (kept := tuple(owned for owned in vips if owned != vip))
        ),
    )
