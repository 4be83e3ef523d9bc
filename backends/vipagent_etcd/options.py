"""Options, hosts and prefix for etcd (S3)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vipagent.net.endpoint import Endpoint
from vipagent.store.access import TlsOptions, parse_hosts, secret
from vipagent.store.backend import StoreConfigError

DEFAULT_HOSTS = ("127.0.0.1:2379",)
DEFAULT_PORT = 2379


@dataclass(frozen=True, kw_only=True)
class EtcdOptions(TlsOptions):
    """Options of this backend, in addition to the TLS options."""

    user: Annotated[str, "The user of etcd's, where the servers demand one."] = ""
    password_file: Annotated[Path | None, "The file with the password; read again at each login."] = None
    password_env: Annotated[str | None, "The environment variable with the password, instead of a file."] = (
        None
    )

    def __post_init__(self) -> None:
        """Reject invalid combinations."""
        super().__post_init__()
        if self.password_file and self.password_env:
            raise ValueError("password_file and password_env are mutually exclusive")
        if bool(self.user) != bool(self.password_file or self.password_env):
            raise ValueError("user requires password_file or password_env, and they require user")
        if self.user:
            secret("password", self.password_file, self.password_env)

    @property
    def password(self) -> str:
        """The current password.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Parse the hosts; the default is the server on this machine.

    Raises:
        StoreConfigError: one of them is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Reject an invalid prefix.

    Raises:
        StoreConfigError: it is invalid.
    """
    if not prefix.startswith("/") or not prefix.isprintable() or "//" in prefix:
        raise StoreConfigError(f"prefix {prefix!r} is not an absolute path like /exabgp")
