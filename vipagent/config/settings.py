"""The validated configuration of an agent as plain data."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.config.values import UPPER, Listen, Metavar, Seconds, Section, Text
from vipagent.core.settings import ServiceSettings
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import StoreSettings

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Facility = Literal[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip


@dataclass(frozen=True)
class LogSettings(Section):
    """Log level and format."""

    log_level: Annotated[
        LogLevel,
        UPPER,
        "Minimum log level: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        Metavar("LEVEL"),
    ] = "INFO"
    log_format: Annotated[Literal["text", "json"], "Log format on stderr."] = "text"
    syslog_facility: Annotated[
        Facility | None,
        "Syslog facility (daemon, local0, ...); if set, the log also goes to syslog.",
        Metavar("FACILITY"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ProcessOptions(Section):
    """Options of the agent's process."""

    watchdog: Annotated[
        Seconds,
        "Watchdog timeout, in seconds: an agent that hangs for this long is killed, and ExaBGP restarts "
        "it. 0 disables the watchdog.",
    ] = 10.0
    listen: Annotated[
        Listen | None,
        "Listen address of the read-only HTTP server with a status page, /metrics, /healthz and "
        "/status.json; without HOST 127.0.0.1. Requires the extra listen.",
    ] = None
    state_directory: Annotated[
        Text | None,
        "Directory in which the agent records the routes that it may have announced, to withdraw after a "
        "restart those that have left the configuration, and its latest runs (default: $STATE_DIRECTORY, or "
        "/var/lib/vipagent).",
        Metavar("DIRECTORY"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AddressOptions(Section):
    """Options of the host's addresses."""

    ip_setup: Annotated[
        bool,
        "Add the VIPs to the loopback interface, which requires CAP_NET_ADMIN; a VIP that cannot be added "
        "is not announced.",
    ] = False
    address_check: Annotated[
        bool,
        "Report a VIP that is an address of no interface of this node; it is announced all the same.",
        Metavar("true|false"),
    ] = True


@dataclass(frozen=True)
class ServiceConfig(AddressOptions):
    """One service: settings of the core, the routes, the check and the hooks."""

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
    """The whole configuration of an agent."""

    backend: str
    store: StoreSettings
    services: tuple[ServiceConfig, ...]
    log: LogSettings = field(default_factory=LogSettings)
