"""What there is to see of an agent: plain data for `vipagent.web`, put together when somebody looks."""

from collections.abc import Iterable
from dataclasses import dataclass

from vipagent.core.actions import Report
from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.telemetry.counters import AgentCounters, ServiceCounters
from vipagent.telemetry.summary import ServiceStatus, summarize
from vipagent.types import StoreState


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service, as this node sees it."""

    name: str
    report: Report | None
    """What this node does; None: it has decided nothing yet."""
    counters: ServiceCounters
    status: ServiceStatus
    """What all the nodes do, as the store says."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent and its services."""

    node: str
    backend: str
    store: StoreState
    store_detail: str
    """What the session said last of itself."""
    neighbors: int | None
    """Established BGP neighbours; None: unknown, ExaBGP has said nothing of them."""
    ending: bool
    """Whether the agent is about to end: it was told to, or ExaBGP is gone."""
    counters: AgentCounters
    services: tuple[ServiceView, ...]


class Overview:
    """The store's latest snapshots; a service is summarized when somebody looks, once per change."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[Kind, Snapshot]] = {}
        self._summaries: dict[str, tuple[tuple[str, ...], ServiceStatus]] = {}

    def take(self, directory: Directory, entries: Snapshot) -> None:
        """Take a snapshot."""
        self._entries.setdefault(directory.service, {})[directory.kind] = entries
        self._summaries.pop(directory.service, None)

    def forget(self, service: str) -> None:
        """Let go of a service."""
        self._entries.pop(service, None)
        self._summaries.pop(service, None)

    def status(self, service: str, pool: Iterable[str]) -> ServiceStatus:
        """Return what the store says of a service that has these VIPs."""
        vips = tuple(pool)
        summary = self._summaries.get(service)
        if summary is None or summary[0] != vips:
            summary = vips, summarize(service, self._entries.get(service, {}), vips)
            self._summaries[service] = summary
        return summary[1]
