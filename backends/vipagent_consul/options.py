"""Options of the Consul backend: session, ACL token, TLS (S3)."""

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
SERVICE_NAME_PATTERN = re.compile("[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, kw_only=True)
class ConsulOptions(access.TlsOptions):
    """Options of the Consul backend, in addition to those of TLS."""

    session: Annotated[
        Literal["check", "ttl"],
        "Failure detection. `check`: a health check of the agent's service in Consul, which fails after "
        "`session_timeout`; `ttl`: only the session's TTL, after which Consul may wait as long again.",
    ] = "check"
    serf_health: Annotated[
        bool,
        "Include serfHealth in the session: it ends 5 to 6 s after the Consul agent's machine dies. "
        "Otherwise, only `ttl` detects such a failure.",
    ] = True
    ttl: Annotated[
        int,
        Range(10, 86400),
        "TTL of the session, in seconds. Consul ends the session after one to two times this time.",
    ] = 10
    service: Annotated[str, "Name of the agent's service in Consul's catalog (with `session: check`)."] = (
        "vipagent"
    )
    token_file: Annotated[Path | None, "Path of a file with the ACL token, read for each connection."] = None
    token_env: Annotated[str | None, "Environment variable with the ACL token, in place of a file."] = None

    def __post_init__(self) -> None:
        """Validate the combination of options."""
        super().__post_init__()
        if self.token_file and self.token_env:
            raise ValueError("token_file and token_env are mutually exclusive")
        if not SERVICE_NAME_PATTERN.fullmatch(self.service):
            raise ValueError(
                f"service {self.service!r} is not a valid name: use letters, digits and '-', "
                "at most 63 characters"
            )
        self.token()

    def token(self) -> str:
        """Return the current ACL token (its file may change while the agent runs), or an empty string.

        Raises:
            StoreConfigError: the file or variable is missing or does not contain a token.
        """
        if not self.token_file and not self.token_env:
            return ""
        token = access.secret("token", self.token_file, self.token_env)
        if not token.isascii() or not token.isprintable():  # used as a header
            source = f"token_file: {self.token_file}" if self.token_file else f"token_env: {self.token_env}"
            raise StoreConfigError(f"{source} does not contain a token: one line of ASCII is required")
        return token


def parse_endpoints(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Parse the addresses of the Consul agents; the default is the one on this machine.

    Raises:
        StoreConfigError: an address is not `HOST:PORT`.
    """
    return access.parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Validate the prefix of the keys.

    Raises:
        StoreConfigError: the prefix is not a valid path.
    """
    parts = prefix.strip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or not prefix.isprintable():
        raise StoreConfigError(f"prefix {prefix!r} is not a valid path (such as /exabgp)")
