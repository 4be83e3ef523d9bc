"""Hosts, secrets and TLS: the options that every store with a server has, read alike (S3).

Secrets are named, never given: a file or an environment variable has them, and is read anew each time, so
that a new password or certificate needs no restart.
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
    """Options of a store that is reached by TLS."""

    tls: Annotated[bool, "Whether the servers are reached by TLS."] = False
    ca: Annotated[Path | None, "The authorities to trust; without it, the system's."] = None
    certfile: Annotated[Path | None, "Our own certificate, where the server demands one."] = None
    keyfile: Annotated[Path | None, "Its key; without it, the key is in `certfile`."] = None
    key_password_file: Annotated[
        Path | None, "The file with the key's password, if the key is encrypted."
    ] = None
    key_password_env: Annotated[
        str | None, "The environment variable with the key's password, instead of a file."
    ] = None
    verify: Annotated[
        Verify,
        "Verification of the server's certificate. `true`: its authority, its dates and the host's "
        "name; `false`: none; `strict`: as `true`, and all that RFC 5280 demands, such as the "
        "authority's key usage.",
    ] = Verify.YES

    def __post_init__(self) -> None:
        """Refuse what can never work."""
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
            raise ValueError("key_password_file and key_password_env: one of them is enough")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a context made from the files as they are now; None without TLS.

        Raises:
            OSError: a file is unreadable, or not what it should be.
            StoreConfigError: the key's password is missing.
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
    """Return a secret as its file or its environment variable has it now, without the line's end.

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
    """See whether a file can be read.

    Raises:
        StoreConfigError: it cannot; the option's name is in the message.
    """
    try:
        file.open("rb").close()
    except OSError as error:
        raise StoreConfigError(f"{name}: {file}: {error.strerror}") from None


def parse_options(kind: type[Options], options: Mapping[str, object]) -> Options:
    """Validate a backend's options: the fields of a dataclass, usually of one that extends `TlsOptions`.

    Raises:
        StoreConfigError: with every problem, and the options that there are.
    """
    if not options:
        return kind()
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - 6 MB that most agents do without

    try:
        return TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        problems = "; ".join(_in_words(problem) for problem in error.errors())
        known = ", ".join(field.name for field in fields(kind))
        raise StoreConfigError(f"{problems}. The options are: {known}") from None


def parse_hosts(hosts: tuple[str, ...], default_port: int) -> tuple[Endpoint, ...]:
    """Parse each `HOST:PORT`; the port may be left out, and an IPv6 address is in brackets.

    Raises:
        StoreConfigError: one of them is something else.
    """
    try:
        return tuple(Endpoint.parse(text.strip(), default_port) for text in hosts)
    except ValueError as error:
        raise StoreConfigError(str(error)) from None


def _in_words(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with an option; what an unknown one holds is not repeated: it may be a secret."""
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{where}: there is no such option"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    return f"{where}: {problem['msg']}, not {problem['input']!r}"
