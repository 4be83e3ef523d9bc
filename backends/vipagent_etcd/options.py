"""What `settings.options` and `settings.hosts` may say for etcd (S3)."""

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
    """Options of this backend alone, besides those of TLS."""

    user: Annotated[str, "The user of etcd's, where the servers demand one."] = ""
    password_file: Annotated[Path | None, "The file with the password; read again at each login."] = None
    password_env: Annotated[str | None, "The environment variable with the password, instead of a file."] = (
        None
    )

    def __post_init__(self) -> None:
        """Refuse what can never work."""
        super().__post_init__()
        if self.password_file and self.password_env:
            raise ValueError("password_file and password_env: one of them is enough")
        if bool(self.user) != bool(self.password_file or self.password_env):
            raise ValueError("user goes with password_file or password_env, and they with it")
        if self.user:
            secret("password", self.password_file, self.password_env)

    @property
    def password(self) -> str:
        """The password as it is now.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Return the servers that the hosts name; by default the one on this machine.

    Raises:
        StoreConfigError: one of them is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Refuse a prefix under which nothing could be found again.

    Raises:
        StoreConfigError: it is none.
    """
    if not prefix.startswith("/") or not prefix.isprintable() or "//" in prefix:
        raise StoreConfigError(f"prefix {prefix!r} is no absolute path like /exabgp")
