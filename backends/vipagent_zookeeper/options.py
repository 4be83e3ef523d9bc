"""Options of the ZooKeeper backend: authentication, ACLs, TLS (S3)."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from kazoo.security import ACL, ANYONE_ID_UNSAFE, AUTH_IDS, Permissions

from vipagent.net.endpoint import Endpoint
from vipagent.store.access import TlsOptions, parse_hosts, secret
from vipagent.store.backend import StoreConfigError

DEFAULT_HOSTS = ("127.0.0.1:2181",)
DEFAULT_PORT = 2181

Hosts = tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True)
class ZooKeeperOptions(TlsOptions):
    """Options of the ZooKeeper backend, in addition to those of TLS."""

    auth: Annotated[
        Literal["digest", "sasl"] | None,
        "Authentication. `digest`: ZooKeeper's user and password; `sasl`: SASL with DIGEST-MD5, which "
        "requires `pure-sasl`.",
    ] = None
    user: Annotated[str, "User name for `auth`."] = ""
    password_file: Annotated[Path | None, "Path of a file with the password, read at each login."] = None
    password_env: Annotated[str | None, "Environment variable with the password, in place of a file."] = None
    acl: Annotated[
        Literal["open", "creator"] | None,
        "ACL of the created znodes. `open`: all clients may change them; `creator`: only clients with the "
        "agent's identity (the default with `auth`).",
    ] = None
    world_read: Annotated[bool, "Read access for all clients, with `acl: creator`."] = True

    def __post_init__(self) -> None:
        """Validate the combination of options."""
        super().__post_init__()
        if bool(self.user) != (self.auth is not None):
            raise ValueError("auth requires user, and vice versa")
        if ":" in self.user:
            raise ValueError(f"user {self.user!r} contains a colon")
        if (self.password_file is not None) + (self.password_env is not None) != (self.auth is not None):
            raise ValueError("auth requires exactly one of password_file and password_env, and vice versa")
        if self.auth is not None:
            self._password()
        if self.auth == "sasl" and importlib.util.find_spec("puresasl") is None:
            raise ValueError("auth: sasl requires the Python package pure-sasl")

    def digest_logins(self) -> set[tuple[str, str]]:
        """Return kazoo's authentication data, with the current password.

        Raises:
            StoreConfigError: the file or variable is missing or empty.
        """
        return {("digest", f"{self.user}:{self._password()}")} if self.auth == "digest" else set()

    def sasl_login(self) -> dict[str, str] | None:
        """Return kazoo's SASL options, with the current password.

        Raises:
            StoreConfigError: the file or variable is missing or empty.
        """
        if self.auth != "sasl":
            return None
        return {"mechanism": "DIGEST-MD5", "username": self.user, "password": self._password()}

    def acls(self) -> list[ACL] | None:
        """Return the ACL of created znodes, or None if they are open to all clients."""
        if (self.acl or ("creator" if self.auth else "open")) == "open":
            return None
        creator = ACL(Permissions.ALL, AUTH_IDS)
        return [creator, ACL(Permissions.READ, ANYONE_ID_UNSAFE)] if self.world_read else [creator]

    def _password(self) -> str:
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> Hosts:
    """Parse the addresses of the servers; the default is the one on this machine.

    Raises:
        StoreConfigError: an address is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Validate the root znode's path.

    Raises:
        StoreConfigError: the prefix is not a valid path.
    """
    parts = prefix.strip("/").split("/")
    if (
        not prefix.startswith("/")
        or any(part in {"", ".", ".."} for part in parts)
        or not prefix.isprintable()
    ):
        raise StoreConfigError(f"prefix {prefix!r} is not a valid absolute path (such as /exabgp)")
