"""View of an agent for `vipagent.web`, created on request."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from vipagent.core.actions import Report
from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.store.records import NodeState
from vipagent.telemetry.counters import AgentCounters, ServiceCounters
from vipagent.types import Neighbor, StoreState

if TYPE_CHECKING:
    from vipagent.telemetry.summary import ServiceStatus


class ServiceView(NamedTuple):
    """One service from the point of view of this node."""

    name: str
    report: Report | None
    """State of this node; None: no decision yet."""
    counters: ServiceCounters
    status: "ServiceStatus"
    """State of all nodes, from the store."""
    record: NodeState | None = None
    """Record of this node, as it is, or would be, in the store; None: no decision yet."""


class AgentView(NamedTuple):
    """An agent and its services."""

    node: str
    backend: str
    store: StoreState
    store_detail: str
    """Last detail of the session."""
    neighbors: int | None
    """Number of established BGP neighbours; None: unknown."""
    ending: bool
    """Whether the agent is shutting down."""
    counters: AgentCounters
    services: tuple[ServiceView, ...]
    peers: tuple[Neighbor, ...] = ()
    """What is known of each BGP neighbour."""
    store_reached: bool = True
    """Whether the store has been reached since the start."""
    faults: Mapping[str, str] = MappingProxyType({})
    """Details of the faults of the agent's process."""


class Overview:
    """Latest snapshots of the store; a service is summarized on request, once per change."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[Kind, Snapshot]] = {}
        self._summaries: dict[str, tuple[tuple[str, ...], ServiceStatus]] = {}

    def take(self, directory: Directory, entries: Snapshot) -> None:
        """Store a snapshot."""
        self._entries.setdefault(directory.service, {})[directory.kind] = entries
        self._summaries.pop(directory.service, None)

    def forget(self, service: str) -> None:
        """Remove a service."""
        self._entries.pop(service, None)
        self._summaries.pop(service, None)

    def status(self, service: str, pool: Iterable[str]) -> "ServiceStatus":
        """Return the status of a service with these VIPs."""
        from vipagent.telemetry.summary import summarize  # noqa: PLC0415 - only the status page needs it

        vips = tuple(pool)
        summary = self._summaries.get(service)
        if summary is None or summary[0] != vips:
            summary = vips, summarize(service, self._entries.get(service, {}), vips)
            self._summaries[service] = summary
        return summary[1]
