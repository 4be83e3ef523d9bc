"""Options, hosts and prefix for ZooKeeper (S3)."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kazoo.security import ACL, ANYONE_ID_UNSAFE, AUTH_IDS, Permissions

from vipagent.net.endpoint import Endpoint
from vipagent.store.access import TlsOptions, parse_hosts, secret
from vipagent.store.backend import StoreConfigError

DEFAULT_HOSTS = ("127.0.0.1:2181",)
DEFAULT_PORT = 2181

Hosts = tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True)
class ZooKeeperOptions(TlsOptions):
    """Options of this backend, in addition to the TLS options."""

    auth: Literal["digest", "sasl"] | None = None
    """Authentication: `digest` (ZooKeeper user and password) or `sasl` (DIGEST-MD5, needs `pure-sasl`)."""
    user: str = ""
    """User name for `auth`."""
    password_file: Path | None = None
    """File with the password; read at each login."""
    password_env: str | None = None
    """Environment variable with the password, instead of a file."""
    acl: Literal["open", "creator"] | None = None
    """ACL of created znodes: `open` (writable by everyone), or `creator` (default with `auth`)."""
    world_read: bool = True
    """With `acl: creator`: allow everyone to read."""

    def __post_init__(self) -> None:
        """Reject invalid combinations."""
        super().__post_init__()
        if bool(self.user) != (self.auth is not None):
            raise ValueError("auth and user must be set together")
        if ":" in self.user:
            raise ValueError(f"user {self.user!r}: a user name must not contain a colon")
        if (self.password_file is not None) + (self.password_env is not None) != (self.auth is not None):
            raise ValueError(
                "auth requires exactly one of password_file and password_env, and they require auth"
            )
        if self.auth is not None:
            self._password()
        if self.auth == "sasl" and importlib.util.find_spec("puresasl") is None:
            raise ValueError("auth: sasl requires the Python package pure-sasl")

    def digest_logins(self) -> set[tuple[str, str]]:
        """Return schemes and credentials for kazoo, with the current password.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        return {("digest", f"{self.user}:{self._password()}")} if self.auth == "digest" else set()

    def sasl_login(self) -> dict[str, str] | None:
        """Return kazoo's SASL options, with the current password.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        if self.auth != "sasl":
            return None
        return {"mechanism": "DIGEST-MD5", "username": self.user, "password": self._password()}

    def acls(self) -> list[ACL] | None:
        """Return the ACL of created znodes; None: open."""
        if (self.acl or ("creator" if self.auth else "open")) == "open":
            return None
        mine = ACL(Permissions.ALL, AUTH_IDS)
        return [mine, ACL(Permissions.READ, ANYONE_ID_UNSAFE)] if self.world_read else [mine]

    def _password(self) -> str:
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> Hosts:
    """Parse the hosts; the default is the server on this machine.

    Raises:
        StoreConfigError: one of them is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Reject a prefix that is not a valid znode path.

    Raises:
        StoreConfigError: it is not valid.
    """
    parts = prefix.strip("/").split("/")
    if (
        not prefix.startswith("/")
        or any(part in {"", ".", ".."} for part in parts)
        or not prefix.isprintable()
    ):
        raise StoreConfigError(f"prefix {prefix!r} is not an absolute path like /exabgp")
