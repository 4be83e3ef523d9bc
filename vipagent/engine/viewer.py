"""What there is to see of the agent: put together when somebody looks."""

from collections.abc import Iterator, Mapping

from vipagent.config.settings import AgentConfig
from vipagent.engine.effects import ViewChanged
from vipagent.engine.inputs import SnapshotRead, StoreSession
from vipagent.engine.service import ServiceRuntime
from vipagent.telemetry.counters import AgentCounters
from vipagent.telemetry.view import AgentView, Overview, ServiceView
from vipagent.types import StoreState


class Viewer:
    """Keeps what no service keeps for itself.

    Args:
        counters: the agent's.
    """

    def __init__(self, counters: AgentCounters) -> None:
        self.store = StoreSession(StoreState.LOST, "not connected yet")
        self._counters = counters
        self._overview = Overview()

    def take_session(self, session: StoreSession) -> None:
        """Take the store's session."""
        self.store = session
        self._counters.session(session.state)

    def take_snapshot(self, snapshot: SnapshotRead) -> Iterator[ViewChanged]:
        """Take a directory of the store, once it is time to report."""
        self._overview.take(snapshot.directory, snapshot.entries)
        yield ViewChanged()

    def forget(self, service: str) -> None:
        """Let go of a service."""
        self._overview.forget(service)

    def view(
        self,
        config: AgentConfig,
        services: Mapping[str, ServiceRuntime],
        *,
        neighbors: int | None,
        ending: bool,
    ) -> AgentView:
        """Return what there is to see now; its fields say what each is."""
        shown = tuple(
            ServiceView(
                name, service.report, service.counters, self._overview.status(name, service.config.core.pool)
            )
            for name, service in services.items()
        )
        return AgentView(
            node=config.store.node,
            backend=config.backend,
            store=self.store.state,
            store_detail=self.store.detail,
            neighbors=neighbors,
            ending=ending,
            counters=self._counters,
            services=shown,
        )
