"""The services of an engine: added at the start, changed by a reload (E3)."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from vipagent.config.settings import ServiceConfig
from vipagent.core import events
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects
from vipagent.engine.context import Context
from vipagent.engine.conversation import TableAnswer
from vipagent.engine.effects import Effect
from vipagent.engine.gate import GateChange
from vipagent.engine.inputs import FaultChanged
from vipagent.engine.leftovers import Leftovers
from vipagent.engine.scheduler import Scheduler
from vipagent.engine.service import ServiceRuntime
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.table import RouteIdentity
from vipagent.types import StoreState


class Services:
    """The services by name.

    Args:
        context: shared by the services.
        core: creates the state machine of a service from its settings and the monotonic clock.
        scheduler: receives the events of the services.
        reports: receives the effects to carry out after all routes.
        earlier: the identities of the routes recorded by earlier runs; None without a record.
    """

    def __init__(
        self,
        context: Context,
        core: Callable[[ServiceSettings, float], Service],
        scheduler: Scheduler,
        reports: deque[Iterable[Effect]],
        earlier: frozenset[RouteIdentity] | None,
    ) -> None:
        self.by_name: dict[str, ServiceRuntime] = {}
        self.by_vip: dict[str, ServiceRuntime] = {}
        self.leftovers = Leftovers(context.commands, earlier)
        self._context = context
        self._core = core
        self._scheduler = scheduler
        self._reports = reports

    def start(self, configs: Iterable[ServiceConfig], known: Sequence[events.Event], now: float) -> None:
        """Add the first services; see `add`."""
        for config in configs:
            self.add(config, known, now)
        self._reports.append(self.leftovers.configure(service.config for service in self.by_name.values()))

    def add(self, config: ServiceConfig, known: Sequence[events.Event], now: float) -> None:
        """Add a service.

        Args:
            config: its configuration.
            known: the events that describe what is known already.
            now: the monotonic clock, in seconds.
        """
        service = ServiceRuntime(config, self._context, self._core(config.core, now))
        self.by_name[config.name] = service
        self.by_vip.update(dict.fromkeys(config.core.pool, service))
        self._enqueue_known(service, known)

    def reconfigure(
        self, configs: Iterable[ServiceConfig], known: Sequence[events.Event], now: float
    ) -> list[str]:
        """Replace the configuration; unchanged routes are not touched (E3).

        Args:
            configs: the desired services.
            known: the events that describe to a new service what is known already.
            now: the monotonic clock, in seconds.

        Returns:
            The services that were removed, or are replaced.
        """
        desired = {config.name: config for config in configs}
        removed = [name for name in self.by_name if not self._can_keep(name, desired)]
        for name in removed:
            self._scheduler.enqueue([self.by_name.pop(name)], events.StopRequested())
        for name, config in desired.items():
            if name not in self.by_name:
                self.add(config, known, now)
            elif config != self.by_name[name].config:
                self._change(self.by_name[name], config)
                self._enqueue_known(self.by_name[name], known)
        services = self.by_name.values()
        self.by_vip = {vip: service for service in services for vip in service.config.core.pool}
        self._scheduler.reannounce(services)
        self._reports.append(self.leftovers.configure(service.config for service in services))
        return removed

    def set_fault(self, changed: FaultChanged) -> None:
        """Show a fault of the agent's process in the record of each service, or that it is gone."""
        faults = self._context.faults
        if changed.detail == faults.get(changed.fault):
            return
        faults.pop(changed.fault, None)
        if changed.detail is not None:
            faults[changed.fault] = changed.detail
        self._republish()

    def on_session(self, state: StoreState, now: float) -> None:
        """Tell each service the state of the store session."""
        self._context.earlier_runs.session_changed(state, now)
        self._scheduler.enqueue(self.by_name.values(), events.StoreChanged(state))
        self._reports.append([effects.ViewChanged()])

    def check_earlier_runs(self, now: float) -> None:
        """Publish once that no earlier run can still be registered (G3)."""
        if self._context.earlier_runs.check(now):
            self._republish()

    def _republish(self) -> None:
        for service in self.by_name.values():
            service.republish()
        self._reports.append([effects.ViewChanged()])

    def _enqueue_known(self, service: ServiceRuntime, known: Sequence[events.Event]) -> None:
        gate = self._context.gate
        neighbors = gate.event(service.config.routes.neighbor)
        told = [] if neighbors == events.NeighborsChanged(None) else [neighbors]
        for event in (*known, *told):
            self._scheduler.enqueue([service], event)

    def on_gate_change(self, change: GateChange) -> None:
        """Tell each service what has changed about its neighbours."""
        gate = self._context.gate
        for service in self.by_name.values():
            if change.neighbors:
                self._scheduler.collect(service, gate.event(service.config.routes.neighbor))
            if change.kinds and service.update_recipients():
                self._scheduler.reannounce([service])
            service.republish()

    def on_outcome(self, outcome: CommandResult) -> None:
        """Tell the service of a VIP whether ExaBGP has accepted its announcement."""
        self._context.refusals.pop(outcome.vip, None)
        service = self.by_vip.get(outcome.vip)
        if not service or not outcome.is_current or not outcome.announced:
            return
        if outcome.error and not outcome.partial:
            self._context.refusals[outcome.vip] = outcome
            self._scheduler.collect(service, events.RouteRefused(outcome.vip))
            service.republish()
        else:
            self._scheduler.collect(service, events.RouteAccepted(outcome.vip))

    def on_table(self, table: TableAnswer, now: float) -> None:
        """Withdraw what an earlier run has left, and tell each service what ExaBGP announces (E2)."""

        def decision(vip: str) -> bool | None:
            return None if vip in table.unsure else self.by_vip[vip].decision(vip)

        self._reports.append(self.leftovers.on_table(table.routes, decision, now))
        announced = self.leftovers.announced(table.routes)
        self._context.commands.table_read(frozenset[str]().union(*announced.values()))
        keeps_none = not any(announced.values()) and any(map(decision, self.by_vip))
        for name, vips in announced.items():
            service = self.by_name[name]
            pool = service.config.core.pool_set
            # with `adj-rib-out false`, ExaBGP keeps no table of what it announces
            unsure = pool if keeps_none else table.unsure & pool
            self._scheduler.collect(service, events.TableRead(vips, unsure))

    def _can_keep(self, name: str, desired: Mapping[str, ServiceConfig]) -> bool:
        return name in desired and self.by_name[name].can_change_to(desired[name])

    def _change(self, service: ServiceRuntime, config: ServiceConfig) -> None:
        before = service.config
        service.reconfigure(config)
        if config.core != before.core:
            self._scheduler.enqueue([service], events.Reconfigured(config.core))
            self._reports.append(service.watch())
        self._reports.append([effects.StartService(config)])
