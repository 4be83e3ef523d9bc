"""A whole configuration as the agent takes it: plain data, already validated."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.config.values import UPPER, Listen, Seconds, Section, Unit
from vipagent.core.settings import ServiceSettings
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import StoreSettings

LEVELS = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
FACILITIES = Literal[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip


@dataclass(frozen=True)
class LogSettings(Section):
    """What is logged, and how."""

    log_level: Annotated[
        LEVELS,
        UPPER,
        "Least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        Unit("LEVEL"),
    ] = "INFO"
    log_format: Annotated[Literal["text", "json"], "Format of the log on stderr."] = "text"
    syslog_facility: Annotated[
        FACILITIES | None,
        "Facility of syslog that is logged to, too: daemon, local0, ...",
        Unit("FACILITY"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ProcessOptions(Section):
    """What concerns the agent's process."""

    watchdog: Annotated[
        Seconds,
        "Time that the agent may hang, in seconds; then it is ended, for ExaBGP to start it anew. "
        "0: for ever.",
    ] = 10.0
    listen: Annotated[
        Listen | None,
        "Where a status page, /metrics, /healthz and /status.json are served by HTTP, read-only; without "
        "HOST on 127.0.0.1 alone. Needs the extra listen.",
    ] = None


@dataclass(frozen=True, kw_only=True)
class AddressOptions(Section):
    """What concerns the host's addresses."""

    ip_setup: Annotated[
        bool,
        "Put the VIPs on the loopback interface, which takes CAP_NET_ADMIN; one that cannot be put there "
        "is not announced.",
    ] = False


@dataclass(frozen=True)
class ServiceConfig(AddressOptions):
    """One service: what the core decides by, how its routes look, how it is checked."""

    core: ServiceSettings
    routes: RouteSettings = field(default_factory=RouteSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    hooks: HookSettings = field(default_factory=HookSettings)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.core.name


@dataclass(frozen=True)
class AgentConfig(ProcessOptions):
    """All that one agent is told."""

    backend: str
    store: StoreSettings
    services: tuple[ServiceConfig, ...]
    log: LogSettings = field(default_factory=LogSettings)
