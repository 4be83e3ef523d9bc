"""Builds the agent's view for the status page, metrics and JSON status."""

from collections.abc import Iterator, Mapping

from vipagent.config.settings import AgentConfig
from vipagent.engine.effects import ViewChanged
from vipagent.engine.gate import Gate
from vipagent.engine.inputs import SnapshotRead, StoreSession
from vipagent.engine.service import ServiceRuntime
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView, Overview, ServiceView
from vipagent.types import StoreState


class ViewBuilder:
    """Keeps the store's session and contents, and builds the view on request.

    Args:
        counters: the agent's counters.
    """

    def __init__(self, counters: AgentCounters) -> None:
        self.store = StoreSession(StoreState.LOST, "not connected yet")
        self._counters = counters
        self._overview = Overview()

    def update_session(self, session: StoreSession) -> None:
        """Update the state of the store session."""
        self.store = session
        self._counters.session(session.state)

    def update_snapshot(self, snapshot: SnapshotRead) -> Iterator[ViewChanged]:
        """Update a directory of the store; evaluated with the reports, after the routes."""
        self._overview.take(snapshot.directory, snapshot.entries)
        yield ViewChanged()

    def remove(self, service: str) -> None:
        """Remove a service from the view."""
        self._overview.forget(service)

    def view(
        self,
        config: AgentConfig,
        services: Mapping[str, ServiceRuntime],
        *,
        gate: Gate,
        ending: bool,
        faults: Mapping[str, str],
    ) -> AgentView:
        """Return the current view."""
        shown = tuple(
            ServiceView(
                name,
                service.report,
                service.counters,
                self._overview.status(name, service.config.core.pool),
                service.record,
            )
            for name, service in services.items()
        )
        return AgentView(
            node=config.store.node,
            backend=config.backend,
            store=self.store.state,
            store_detail=self.store.detail,
            neighbors=gate.established,
            ending=ending,
            counters=self._counters,
            services=shown,
            peers=gate.neighbors,
            store_reached=self._counters.connections > 0,
            faults=faults,
        )
