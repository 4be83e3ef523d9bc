"""Hosts, secrets and TLS: options shared by all stores with a server (S3).

Options name the file or environment variable of a secret, never the secret itself. It is read again for each
connection, so that a new password or certificate does not require a restart.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from vipagent.config.values import Section
from vipagent.net.endpoint import Endpoint
from vipagent.net.tls import Verify, client_context
from vipagent.store.backend import StoreConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class TlsOptions(Section):
    """TLS options of a store."""

    tls: Annotated[bool, "Connect to the servers with TLS."] = False
    ca: Annotated[Path | None, "File of trusted CA certificates (default: those of the system)."] = None
    certfile: Annotated[Path | None, "Client certificate, if the server requires one."] = None
    keyfile: Annotated[Path | None, "Its private key (default: the one in `certfile`)."] = None
    key_password_file: Annotated[Path | None, "File with the password of an encrypted private key."] = None
    key_password_env: Annotated[str | None, "Environment variable with that password, instead of a file."] = (
        None
    )
    verify: Annotated[
        Verify,
        "Verification of the server's certificate. `true`: the CA, the validity period and the host "
        "name; `false`: none; `strict`: as `true`, plus all requirements of RFC 5280, such as the key "
        "usage of the CA.",
    ] = Verify.YES

    def __post_init__(self) -> None:
        """Validate combinations of options, and check that files are readable."""
        for name in ("ca", "certfile", "keyfile", "key_password_file"):
            file = getattr(self, name)
            if file is not None and not self.tls:
                raise ValueError(f"{name} needs tls: true")
            if file is not None:
                check_readable(name, file)
        if self.verify is Verify.STRICT and not self.tls:
            raise ValueError("verify: strict needs tls: true")
        if self.keyfile and not self.certfile:
            raise ValueError("keyfile needs certfile")
        if self.key_password_file and self.key_password_env:
            raise ValueError("key_password_file and key_password_env are mutually exclusive")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a context from the current files; None without TLS.

        Raises:
            OSError: a file is unreadable or invalid.
            StoreConfigError: the password of the private key is missing.
        """
        if not self.tls:
            return None
        context = client_context(self.verify, self.ca)
        if self.certfile:
            context.load_cert_chain(self.certfile, self.keyfile, self._key_password)
        return context

    def _key_password(self) -> str:
        return secret("key_password", self.key_password_file, self.key_password_env)


def secret(name: str, file: Path | None, variable: str | None) -> str:
    """Return the current secret from its file or environment variable, without the trailing newline.

    Raises:
        StoreConfigError: it is missing or empty.
    """
    if file is not None:
        check_readable(f"{name}_file", file)
        found, source = file.read_text(errors="replace").strip("\r\n"), f"{name}_file: {file}"
    elif variable is not None:
        found, source = os.environ.get(variable, ""), f"{name}_env: the environment variable {variable}"
    else:
        raise StoreConfigError(f"{name}_file or {name}_env is needed")
    if not found:
        raise StoreConfigError(f"{source} is empty or not set")
    return found


def check_readable(name: str, file: Path) -> None:
    """Check that a file is readable.

    Raises:
        StoreConfigError: it is not. The message names the option.
    """
    try:
        file.open("rb").close()
    except OSError as error:
        raise StoreConfigError(f"{name}: {file}: {error.strerror}") from None


def parse_options(kind: type[Options], options: Mapping[str, object]) -> Options:
    """Parse a backend's options into a dataclass, usually one that extends `TlsOptions`.

    Raises:
        StoreConfigError: at least one is invalid. The message lists all problems and all valid options.
    """
    if not options:
        return kind()
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - 6 MB, only needed with options

    try:
        return TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        known = ", ".join(field.name for field in fields(kind))
        raise StoreConfigError(f"{problems}. Valid options: {known}") from None


def parse_hosts(hosts: tuple[str, ...], default_port: int) -> tuple[Endpoint, ...]:
    """Parse each `HOST:PORT`. The port is optional, and an IPv6 address needs brackets.

    Raises:
        StoreConfigError: at least one is invalid.
    """
    try:
        return tuple(Endpoint.parse(text.strip(), default_port) for text in hosts)
    except ValueError as error:
        raise StoreConfigError(str(error)) from None


def _describe(problem: Mapping[str, Any]) -> str:
    """Return a message about an invalid option, without the value of an unknown one: it may be a secret."""
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{where}: unknown option"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    return f"{where}: {problem['msg']}, not {problem['input']!r}"
