"""Options, hosts and prefix for Consul (S3)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from vipagent.config.values import Range
from vipagent.net.endpoint import Endpoint
from vipagent.store import access
from vipagent.store.backend import StoreConfigError

DEFAULT_HOSTS = ("127.0.0.1:8500",)
DEFAULT_PORT = 8500
SERVICE = re.compile("[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, kw_only=True)
class ConsulOptions(access.TlsOptions):
    """Options of this backend, in addition to the TLS options."""

    session: Annotated[
        Literal["check", "ttl"],
        "What ends a dead agent's session: a health check of the agent's own service in Consul, which "
        "fails after `session_timeout`; or the session's own time to live alone, which Consul may "
        "count double.",
    ] = "check"
    serf_health: Annotated[
        bool,
        "End the session, too, when Consul's gossip gives up the Consul agent that is asked: 5 to 6 s "
        "after the death of its machine. Without it, such a death is noticed by `ttl` alone.",
    ] = True
    ttl: Annotated[
        int,
        Range(10, 86400),
        "Seconds of the session's own time to live. Consul ends it after one to two times as long.",
    ] = 10
    service: Annotated[
        str, "Name of the agent's own service in Consul's catalog (with `session: check`)."
    ] = "vipagent"
    token_file: Annotated[Path | None, "The file with the ACL token; read again for each connection."] = None
    token_env: Annotated[str | None, "The environment variable with the ACL token, instead of a file."] = None

    def __post_init__(self) -> None:
        """Reject invalid combinations."""
        super().__post_init__()
        if self.token_file and self.token_env:
            raise ValueError("token_file and token_env are mutually exclusive")
        if not SERVICE.fullmatch(self.service):
            raise ValueError(
                f"service {self.service!r}: only letters, digits and dashes are allowed, at most 63"
            )
        self.token()

    def token(self) -> str:
        """Return the current ACL token (its file may change while the agent runs); empty: none.

        Raises:
            StoreConfigError: its file or variable is missing or invalid.
        """
        if not self.token_file and not self.token_env:
            return ""
        token = access.secret("token", self.token_file, self.token_env)
        if not token.isascii() or not token.isprintable():  # used as a header
            source = f"token_file: {self.token_file}" if self.token_file else f"token_env: {self.token_env}"
            raise StoreConfigError(f"{source} contains no valid token: one line of ASCII is required")
        return token


def parse_endpoints(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Parse the hosts; the default is the Consul agent on this machine.

    Raises:
        StoreConfigError: one of them is not `HOST:PORT`.
    """
    return access.parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Reject an invalid prefix.

    Raises:
        StoreConfigError: it is invalid.
    """
    parts = prefix.strip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or not prefix.isprintable():
        raise StoreConfigError(f"prefix {prefix!r} is not a path like /exabgp")
