"""Inputs that the engine handles (Shape 2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vipagent.config.settings import AgentConfig
from vipagent.core.events import CheckFinished, FromAddresses, TimerFired
from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory
from vipagent.telemetry.problems import Fault
from vipagent.types import StoreState


@dataclass(frozen=True, slots=True)
class Started:
    """The pipes to ExaBGP are open: start all services."""


@dataclass(frozen=True, slots=True)
class LinesRead:
    """Lines were read from ExaBGP in one read; all are processed before any decision."""

    lines: list[str]
    """Without line ends."""


@dataclass(frozen=True, slots=True)
class PipeEnded:
    """ExaBGP has closed its end of the pipe, so it has exited (E3)."""


@dataclass(frozen=True, slots=True)
class PipeCongested:
    """The pipe to ExaBGP has become congested, or has drained (E4)."""

    congested: bool


@dataclass(frozen=True, slots=True)
class LinksDown:
    """The interfaces of the neighbours have changed, or whether these are down or have no carrier (N3)."""

    peers: Mapping[str, str]
    """The interface that is down or has no carrier, by the neighbour's address."""
    interfaces: Mapping[str, str] = field(default_factory=dict)
    """The interface by which the kernel reaches each neighbour, where known, by the neighbour's address."""


@dataclass(frozen=True, slots=True)
class StoreSession:
    """The state of the store session has changed."""

    state: StoreState
    detail: str
    """Server and cause, for the log and the status."""


@dataclass(frozen=True, slots=True)
class SnapshotRead:
    """A directory of the store was read."""

    directory: Directory
    entries: Snapshot


@dataclass(frozen=True, slots=True)
class CheckRan:
    """A service's check has finished."""

    service: str
    result: CheckFinished


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """A signal has asked the agent to stop (E3)."""


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """The configuration was reloaded and has passed `Engine.check` (E3)."""

    config: AgentConfig


@dataclass(frozen=True, slots=True)
class FaultChanged:
    """A fault of the agent's process was found, or is gone."""

    fault: Fault
    detail: str | None
    """What is wrong, possibly empty; None: nothing any more."""


FromExaBGP = LinesRead | PipeEnded | PipeCongested
FromStore = StoreSession | SnapshotRead
FromOperator = Started | ShutdownRequested | ConfigReloaded
FromNetwork = LinksDown | FromAddresses
Input = FromExaBGP | FromStore | FromOperator | FromNetwork | FaultChanged | CheckRan | TimerFired
"""`TimerFired` must follow all pending output of ExaBGP."""
