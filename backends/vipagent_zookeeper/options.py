"""What `settings.options` and `settings.hosts` may say: hosts, credentials, ACLs, TLS (S3)."""

import importlib.util
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from kazoo.security import ACL, ANYONE_ID_UNSAFE, AUTH_IDS, Permissions
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from vipagent.store.backend import StoreConfigError

DEFAULT_HOSTS = ("127.0.0.1:2181",)
DEFAULT_PORT = 2181


class Options(BaseModel):
    """Options of this backend alone. Secrets are named, never given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    auth: Literal["digest", "sasl"] | None = None
    """`digest`: ZooKeeper's own user and password; `sasl`: SASL's DIGEST-MD5, which needs `pure-sasl`."""
    user: str = ""
    password_file: Path | None = None
    password_env: str | None = None
    acl: Literal["open", "creator"] | None = None
    """Who may change what we create: anybody, or whoever has our identity (the default with `auth`)."""
    world_read: bool = True
    """With `acl: creator`: anybody may read."""
    tls: bool = False
    ca: Path | None = None
    """The authorities to trust; without it, the system's."""
    certfile: Path | None = None
    keyfile: Path | None = None
    key_password_file: Path | None = None
    key_password_env: str | None = None
    verify: bool = True
    """Whether the server's certificate and its host name are checked."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse what can never work."""
        _one_secret("password", self.password_file, self.password_env, self.auth is not None)
        _one_secret("key_password", self.key_password_file, self.key_password_env, wanted=None)
        if bool(self.user) != (self.auth is not None):
            raise ValueError("auth and user belong together")
        if ":" in self.user:
            raise ValueError(f"user {self.user!r}: a colon is no part of a name")
        if self.auth == "sasl" and importlib.util.find_spec("puresasl") is None:
            raise ValueError("auth: sasl needs the Python package pure-sasl")
        if not self.tls and (self.ca or self.certfile or self.keyfile):
            raise ValueError("ca, certfile and keyfile need tls: true")
        if self.keyfile and not self.certfile:
            raise ValueError("keyfile needs certfile")
        for file in (self.ca, self.certfile, self.keyfile, self.password_file, self.key_password_file):
            if file is not None:
                _readable(file)
        return self

    def digest_logins(self) -> set[tuple[str, str]]:
        """Return schemes and logins for kazoo, with the password as it is now.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        if self.auth != "digest":
            return set()
        return {("digest", f"{self.user}:{_secret(self.password_file, self.password_env)}")}

    def sasl_login(self) -> dict[str, str] | None:
        """Return kazoo's options for SASL, with the password as it is now.

        Raises:
            StoreConfigError: its file or variable is missing or empty.
        """
        if self.auth != "sasl":
            return None
        password = _secret(self.password_file, self.password_env)
        return {"mechanism": "DIGEST-MD5", "username": self.user, "password": password}

    def acls(self) -> list[ACL] | None:
        """Return the ACL of all that we create; None: open to anybody."""
        if (self.acl or ("creator" if self.auth else "open")) == "open":
            return None
        mine = ACL(Permissions.ALL, AUTH_IDS)
        return [mine, ACL(Permissions.READ, ANYONE_ID_UNSAFE)] if self.world_read else [mine]

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a context made from the files as they are now; None without TLS.

        Raises:
            OSError: a file is unreadable, or not what it should be.
        """
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certfile:
            has_password = self.key_password_file or self.key_password_env
            password = _secret(self.key_password_file, self.key_password_env) if has_password else None
            context.load_cert_chain(self.certfile, self.keyfile, password)
        return context


def parse_options(options: Mapping[str, object]) -> Options:
    """Validate the options.

    Raises:
        StoreConfigError: with every problem, and the options that there are.
    """
    try:
        return Options.model_validate(dict(options))
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors()))
        known = ", ".join(Options.model_fields)
        raise StoreConfigError(f"zookeeper: {problems}. Its options are: {known}") from None


def parse_hosts(hosts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Split each `HOST:PORT` (the port is 2181 if it is not said; IPv6 in brackets).

    Raises:
        StoreConfigError: one of them is something else.
    """
    return tuple(_host(host.strip()) for host in hosts or DEFAULT_HOSTS)


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
        raise StoreConfigError(f"zookeeper: prefix {prefix!r} is no absolute path like /exabgp")


def _problem(found: ErrorDetails) -> str:
    option = ".".join(map(str, found["loc"]))
    text = "there is no such option" if found["type"] == "extra_forbidden" else found["msg"]
    return f"{option}: {text}" if option else text.removeprefix("Value error, ")


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise StoreConfigError(f"zookeeper: host {text!r}: {error}") from None
    if not name or parts.netloc != text or "@" in text or port == 0:
        raise StoreConfigError(f"zookeeper: host {text!r} is not HOST:PORT (a path belongs into prefix)")
    return name, port or DEFAULT_PORT


def _one_secret(name: str, file: Path | None, variable: str | None, wanted: bool | None) -> None:
    given = (file is not None) + (variable is not None)
    if given > 1 or (wanted is not None and given != wanted):
        need = "none" if wanted is False else "one" if wanted else "at most one"
        raise ValueError(f"{need} of {name}_file and {name}_env is needed here")
    if given:
        _secret(file, variable)


def _secret(file: Path | None, variable: str | None) -> str:
    if file is not None:
        _readable(file)
        secret, source = file.read_text().strip("\r\n"), str(file)
    else:
        secret, source = os.environ.get(variable or "", ""), f"the environment variable {variable}"
    if not secret:
        raise StoreConfigError(f"{source} holds no secret")
    return secret


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise StoreConfigError(f"{file}: {error.strerror}") from None
