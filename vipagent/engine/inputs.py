"""What can happen to an agent: all that the engine ever learns (Shape 2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from vipagent.config.settings import AgentConfig
from vipagent.core import events
from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory
from vipagent.types import StoreState


@dataclass(frozen=True, slots=True)
class Started:
    """The pipes are open: begin to serve."""


@dataclass(frozen=True, slots=True)
class LinesRead:
    """One read from ExaBGP brought these lines, without their ends: all of them count before a decision."""

    lines: list[str]


@dataclass(frozen=True, slots=True)
class PipeEnded:
    """ExaBGP is gone (E3)."""


@dataclass(frozen=True, slots=True)
class PipeCongested:
    """Lines wait because ExaBGP does not read, or no longer do (E4)."""

    congested: bool


@dataclass(frozen=True, slots=True)
class StoreSession:
    """The session with the store has another state."""

    state: StoreState
    detail: str
    """For people: host, cause."""


@dataclass(frozen=True, slots=True)
class SnapshotRead:
    """A directory of the store has these entries now."""

    directory: Directory
    entries: Snapshot


@dataclass(frozen=True, slots=True)
class CheckRan:
    """A service's check has a result."""

    service: str
    result: events.Checked


@dataclass(frozen=True, slots=True)
class AddressesMissing:
    """The VIPs that cannot be put on the loopback interface, and why: they are not announced."""

    vips: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time that `SetTimer` named has come; what there was to read from ExaBGP has been read."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A signal asks the agent to end (E3)."""


@dataclass(frozen=True, slots=True)
class Configured:
    """The configuration was read anew, and passed `Engine.check` (E3)."""

    config: AgentConfig


FromExaBGP = LinesRead | PipeEnded | PipeCongested
FromStore = StoreSession | SnapshotRead
FromOperator = Started | StopAsked | Configured
Input = FromExaBGP | FromStore | FromOperator | CheckRan | AddressesMissing | TimerFired
