"""What `settings.options`, `hosts` and `prefix` may say for ZooKeeper (S3)."""

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
    """Options of this backend alone, besides those of TLS."""

    auth: Annotated[
        Literal["digest", "sasl"] | None,
        "`digest`: ZooKeeper's own user and password; `sasl`: SASL's DIGEST-MD5, which needs `pure-sasl`.",
    ] = None
    user: Annotated[str, "The name to log in with, by `auth`."] = ""
    password_file: Annotated[Path | None, "The file with the password; read again at each login."] = None
    password_env: Annotated[str | None, "The environment variable with the password, instead of a file."] = (
        None
    )
    acl: Annotated[
        Literal["open", "creator"] | None,
        "Who may change what we create: anybody, or whoever has our identity (the default with `auth`).",
    ] = None
    world_read: Annotated[bool, "With `acl: creator`: anybody may read."] = True

    def __post_init__(self) -> None:
        """Refuse what can never work."""
        super().__post_init__()
        if bool(self.user) != (self.auth is not None):
            raise ValueError("auth and user go together")
        if ":" in self.user:
            raise ValueError(f"user {self.user!r}: a colon is no part of a name")
        if (self.password_file is not None) + (self.password_env is not None) != (self.auth is not None):
            raise ValueError("one of password_file and password_env goes with auth, and auth with it")
        if self.auth is not None:
            self._password()
        if self.auth == "sasl" and importlib.util.find_spec("puresasl") is None:
            raise ValueError("auth: sasl needs the Python package pure-sasl")

    def digest_logins(self) -> set[tuple[str, str]]:
        """Return schemes and logins for kazoo, with the password as it is now.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        return {("digest", f"{self.user}:{self._password()}")} if self.auth == "digest" else set()

    def sasl_login(self) -> dict[str, str] | None:
        """Return kazoo's options for SASL, with the password as it is now.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        if self.auth != "sasl":
            return None
        return {"mechanism": "DIGEST-MD5", "username": self.user, "password": self._password()}

    def acls(self) -> list[ACL] | None:
        """Return the ACL of all that we create; None: open to anybody."""
        if (self.acl or ("creator" if self.auth else "open")) == "open":
            return None
        mine = ACL(Permissions.ALL, AUTH_IDS)
        return [mine, ACL(Permissions.READ, ANYONE_ID_UNSAFE)] if self.world_read else [mine]

    def _password(self) -> str:
        return secret("password", self.password_file, self.password_env)


def parse_servers(hosts: tuple[str, ...]) -> Hosts:
    """Return the names and ports that the hosts say; by default the server on this machine.

    Raises:
        StoreConfigError: one of them is not `HOST:PORT`.
    """
    return parse_hosts(hosts or DEFAULT_HOSTS, DEFAULT_PORT)


def check_prefix(prefix: str) -> None:
    """Refuse what can be no path of a znode.

    Raises:
        StoreConfigError: it is none.
    """
    parts = prefix.strip("/").split("/")
    if (
        not prefix.startswith("/")
        or any(part in {"", ".", ".."} for part in parts)
        or not prefix.isprintable()
    ):
        raise StoreConfigError(f"prefix {prefix!r} is no absolute path like /exabgp")
