"""What `settings.options`, `hosts` and `prefix` may say: sessions, the ACL token, TLS (S3)."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vipagent.store.backend import StoreConfigError, StoreError

DEFAULT_HOSTS = ("127.0.0.1:8500",)
DEFAULT_PORT = 8500


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one Consul agent listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Options(BaseModel):
    """Options of this backend alone. Secrets are named, never given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: Literal["check", "ttl"] = "check"
    """What ends a dead agent's session: a health check of the agent's own service in Consul, which fails
    after `session_timeout`; or the session's own time to live alone, which Consul may count double."""
    serf_health: bool = True
    """End the session, too, when Consul's gossip gives up the Consul agent that is asked: 5 to 6 s after the
    death of its machine. Without it, such a death is noticed by `ttl` alone."""
    ttl: Annotated[int, Field(ge=10, le=86400)] = 10
    """Seconds of the session's own time to live. Consul ends it after one to two times as long."""
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,63}$")] = "vipagent"
    """Name of the agent's own service in Consul's catalog (with `session: check`)."""
    token_file: Path | None = None
    token_env: str | None = None
    tls: bool = False
    ca: Path | None = None
    """The authorities to trust; without it, the system's."""
    certfile: Path | None = None
    keyfile: Path | None = None
    verify: bool = True
    """Whether the server's certificate and its host name are checked."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse what can never work."""
        if self.token_file and self.token_env:
            raise ValueError("token_file and token_env: give one of them")
        if not self.tls and (self.ca or self.certfile or self.keyfile):
            raise ValueError("ca, certfile and keyfile need tls: true")
        if self.keyfile and not self.certfile:
            raise ValueError("keyfile needs certfile")
        for file in (self.ca, self.certfile, self.keyfile, self.token_file):
            if file is not None:
                _readable(file)
        if self.token_env and not os.environ.get(self.token_env):
            raise ValueError(f"token_env: the environment has no variable {self.token_env}, or an empty one")
        return self

    def token(self) -> str:
        """Return the ACL token as it is now (its file may change while the agent runs); empty: none.

        Raises:
            StoreError: its file is unreadable or empty.
        """
        if self.token_file is None:
            return os.environ.get(self.token_env, "") if self.token_env else ""
        try:
            token = self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"consul: token_file {self.token_file}: {error}") from None
        if not token or not token.isascii() or not token.isprintable():
            raise StoreError(
                f"consul: token_file {self.token_file} holds no token: one line of ASCII is needed"
            )
        return token

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a context made from the files as they are now; None without TLS.

        Raises:
            StoreError: a file is unreadable, or not what it should be.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certfile:
                # an encrypted key is an error: without a password OpenSSL would ask the terminal for one
                context.load_cert_chain(self.certfile, self.keyfile, password="")
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(str(file) for file in (self.ca, self.certfile, self.keyfile) if file)
            raise StoreError(f"consul: TLS files {files}: {error}") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def parse_options(options: Mapping[str, object]) -> Options:
    """Validate the options.

    Raises:
        StoreConfigError: with every problem: the option, its value, what is allowed.
    """
    try:
        return Options.model_validate(dict(options))
    except ValidationError as error:
        problems = "; ".join(
            _problem(".".join(map(str, problem["loc"])), problem["type"], problem["input"], problem["msg"])
            for problem in error.errors()
        )
    raise StoreConfigError(f"consul: {problems}")


def parse_hosts(hosts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """Split each `HOST:PORT` (the port is 8500 if it is not said; IPv6 in brackets).

    Raises:
        StoreConfigError: one of them is something else.
    """
    return tuple(_endpoint(host.strip()) for host in hosts or DEFAULT_HOSTS)


def check_prefix(prefix: str) -> None:
    """Refuse what cannot be the path of keys.

    Raises:
        StoreConfigError: it cannot.
    """
    parts = prefix.strip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or not prefix.isprintable():
        raise StoreConfigError(f"consul: prefix: {prefix!r} is no path like /exabgp")


def _problem(option: str, kind: str, value: object, message: str) -> str:
    if kind == "extra_forbidden":  # never its value: it may well be a secret
        return f"{option}: there is no such option; there are {', '.join(Options.model_fields)}"
    return f"{option}: {value!r}: {message}" if option else message


def _endpoint(text: str) -> Endpoint:
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise StoreConfigError(f"consul: hosts: {text!r}: {error}; HOST:PORT is needed") from None
    if not name or parts.netloc != text or "@" in text or port == 0:
        raise StoreConfigError(f"consul: hosts: {text!r}: not HOST:PORT (https is the option tls)")
    return Endpoint(name, port or DEFAULT_PORT)


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
