"""Effects that the engine asks the agent to carry out, in the order given (Shape 2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.core.actions import SetTimer
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.layout import Directory, Key
from vipagent.store.records import NodeState
from vipagent.types import CheckState


@dataclass(frozen=True, slots=True)
class Write:
    """Write these lines to ExaBGP."""

    lines: list[str]


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """Add an ephemeral entry to the entries desired in the store."""

    key: Key
    value: bytes


@dataclass(frozen=True, slots=True)
class DeregisterEntry:
    """Remove an entry from those desired in the store, and delete it immediately (G2)."""

    key: Key


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """Write this node's record, for operators and the status page, to the store."""

    key: Key
    record: NodeState


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch a directory of the store."""

    directory: Directory
    values: frozenset[str] | None
    """Entries whose values are needed; None for all."""


@dataclass(frozen=True, slots=True)
class Unwatch:
    """Stop watching a directory of the store."""

    directory: Directory


@dataclass(frozen=True, slots=True)
class StartService:
    """Start a service's check and hooks, or apply its new configuration to them."""

    config: ServiceConfig


@dataclass(frozen=True, slots=True)
class StopService:
    """Stop a service's check and hooks."""

    service: str


@dataclass(frozen=True, slots=True)
class RunServiceHook:
    """Run a service's hooks for this state of its check (C2)."""

    service: str
    state: CheckState


@dataclass(frozen=True, slots=True)
class FollowNeighbors:
    """Follow the carrier of the interfaces by which the kernel reaches these neighbours (N3)."""

    peers: frozenset[str]


@dataclass(frozen=True, slots=True)
class SaveRoutes:
    """Save the identities of all routes that ExaBGP may still announce for this agent (E2)."""

    identities: frozenset[RouteIdentity]


class Level(IntEnum):
    """Log level, with the values of `logging`."""

    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class Log:
    """Log an event."""

    level: Level
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    raised: BaseException | None = None
    """The exception whose traceback is logged."""

    @classmethod
    def info(cls, message: str, **fields: object) -> "Log":
        """Return a log entry of level INFO."""
        return cls(Level.INFO, message, fields)

    @classmethod
    def warning(cls, message: str, **fields: object) -> "Log":
        """Return a log entry of level WARNING."""
        return cls(Level.WARNING, message, fields)

    @classmethod
    def error(cls, message: str, **fields: object) -> "Log":
        """Return a log entry of level ERROR."""
        return cls(Level.ERROR, message, fields)


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """Refresh what is shown of `Engine.view`: the store's contents or session have changed."""


@dataclass(frozen=True, slots=True)
class End:
    """Close the store session and exit: the shutdown is complete (E3)."""


ToStore = RegisterEntry | DeregisterEntry | PublishRecord | Watch | Unwatch
ToService = StartService | StopService | RunServiceHook
ToShell = Log | ViewChanged | SetTimer | FollowNeighbors | SaveRoutes | End
Effect = Write | ToStore | ToService | ToShell


def service_of(effect: ToStore | ToService) -> str:
    """Return the name of the service that an effect belongs to."""
    match effect:
        case RegisterEntry(key) | DeregisterEntry(key) | PublishRecord(key):
            return key.directory.service
        case Watch(directory) | Unwatch(directory):
            return directory.service
        case StartService(config):
            return config.name
        case StopService(service) | RunServiceHook(service):
            return service
        case _:
            assert_never(effect)
