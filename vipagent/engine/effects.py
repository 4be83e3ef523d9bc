"""What the engine asks of its shell (Shape 2): plain data, to be carried out in the order given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.store.layout import Directory, Key
from vipagent.store.records import NodeState
from vipagent.types import CheckState


@dataclass(frozen=True, slots=True)
class Write:
    """Write these lines to ExaBGP."""

    lines: list[str]


@dataclass(frozen=True, slots=True)
class Register:
    """Desire an ephemeral entry in the store."""

    key: Key
    value: bytes


@dataclass(frozen=True, slots=True)
class Deregister:
    """Desire an entry no longer: it goes at once (G2)."""

    key: Key


@dataclass(frozen=True, slots=True)
class Publish:
    """Desire this node's record in the store, for people to read."""

    key: Key
    record: NodeState


@dataclass(frozen=True, slots=True)
class Watch:
    """Follow a directory of the store."""

    directory: Directory
    values: frozenset[str] | None
    """The entries whose values are needed; None: all."""


@dataclass(frozen=True, slots=True)
class Unwatch:
    """Follow a directory no longer."""

    directory: Directory


@dataclass(frozen=True, slots=True)
class StartService:
    """Run the check and the hooks of a service by this configuration from now on."""

    config: ServiceConfig


@dataclass(frozen=True, slots=True)
class StopService:
    """End the check and the hooks of a service."""

    service: str


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run the operator's commands for this state of a service's check (C2)."""

    service: str
    state: CheckState


class Level(IntEnum):
    """How much a line of the log matters: the numbers are those of `logging`."""

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
    """What a bug has raised: its traceback is logged, too."""

    @classmethod
    def info(cls, message: str, **fields: object) -> "Log":
        """Return a line about what is as it should be."""
        return cls(Level.INFO, message, fields)

    @classmethod
    def warning(cls, message: str, **fields: object) -> "Log":
        """Return a line about what people may have to look at."""
        return cls(Level.WARNING, message, fields)

    @classmethod
    def error(cls, message: str, **fields: object) -> "Log":
        """Return a line about what people have to look at."""
        return cls(Level.ERROR, message, fields)


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """Show the engine's view anew: what the store says, or its session, has changed."""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `TimerFired` at this time of the monotonic clock, or never; it replaces the time set before."""

    at: float | None


@dataclass(frozen=True, slots=True)
class End:
    """All is said: end the store's session and the process (E3)."""


ToStore = Register | Deregister | Publish | Watch | Unwatch
ToService = StartService | StopService | RunHook
ToShell = Log | ViewChanged | SetTimer | End
Effect = Write | ToStore | ToService | ToShell


def service_of(effect: ToStore | ToService) -> str:
    """Return the name of the service that an effect is about."""
    match effect:
        case Register(key) | Deregister(key) | Publish(key):
            return key.directory.service
        case Watch(directory) | Unwatch(directory):
            return directory.service
        case StartService(config):
            return config.name
        case StopService(service) | RunHook(service):
            return service
        case _:
            assert_never(effect)
