"""Options of the etcd backend: credentials, TLS (S3)."""

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
    """Options of the etcd backend, in addition to those of TLS."""

    user: Annotated[str, "etcd user, if authentication is enabled."] = ""
    password_file: Annotated[Path | None, "Path of a file with the password, read at each login."] = None
    password_env: Annotated[str | None, "Environment variable with the password, in place of a file."] = None

    def __post_init__(self) -> None:
        """Validate the combination of options."""
        super().__post_init__()
        if self.password_file and self.password_env:
            raise ValueError("password_file and password_env are mutually exclusive")
        if bool(self.user) != bool(self.password_file or self.password_env):
            raise ValueError("user requires password_file or password_env, and vice versa")
        if self.user:
            secret("password", self.password_file, self.password_env)

    @property
    def password(self) -> str:
        """The current password.

        Raises:
            StoreConfigError: the file or variable is missing or empty.
        """
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Parse the addresses of the servers; the default is the one on this machine.

    Raises:
        StoreConfigError: an address is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Validate the prefix of the keys.

    Raises:
        StoreConfigError: the prefix is not a valid path.
    """
    if not prefix.startswith("/") or not prefix.isprintable() or "//" in prefix:
        raise StoreConfigError(f"prefix {prefix!r} is not a valid absolute path (such as /exabgp)")
