"""Connection errors, with texts for operators."""

import os
import ssl
from collections.abc import Mapping
from enum import Enum, auto
from socket import gaierror

from vipagent.net.tls import refusal

CLOSED = "the server closed the connection"


class ProtocolError(OSError):
    """The server's response is invalid or too large."""


class Failure(Enum):
    """Kinds of connection errors."""

    TIMEOUT = auto()
    REFUSED = auto()
    CERTIFICATE = auto()
    TLS = auto()
    NAME = auto()
    PROTOCOL = auto()
    CLOSED = auto()
    OTHER = auto()


KINDS: Mapping[type[OSError], Failure] = {
    TimeoutError: Failure.TIMEOUT,
    ConnectionRefusedError: Failure.REFUSED,
    ssl.SSLCertVerificationError: Failure.CERTIFICATE,
    ssl.SSLError: Failure.TLS,
    gaierror: Failure.NAME,
    ProtocolError: Failure.PROTOCOL,
    ConnectionError: Failure.CLOSED,
    OSError: Failure.OTHER,
}
"""The first match applies."""
TEXTS = {
    Failure.TIMEOUT: "no response within {within:.2g} s",
    Failure.REFUSED: "connection refused",
    Failure.CERTIFICATE: "certificate verification failed: {cause}",
    Failure.TLS: "TLS failed: {cause}",
    Failure.NAME: "name resolution failed: {cause}",
    Failure.PROTOCOL: "invalid HTTP response: {cause}",
    Failure.CLOSED: CLOSED,
    Failure.OTHER: "{cause}",
}


def failure(error: OSError) -> Failure:
    """Return the kind of an error."""
    return next(kind for base, kind in KINDS.items() if isinstance(error, base))


def explain(
    error: OSError, texts: Mapping[Failure, str] = TEXTS, option: str = "verify", **fields: object
) -> str:
    """Return the text of an error.

    Args:
        error: the exception.
        texts: text of each kind, with `{cause}` and the other fields as placeholders.
        option: name of the option that configures certificate verification.
        fields: values of the placeholders; `within` is in seconds.
    """
    return texts[failure(error)].format(cause=_cause(error, option), **fields)


def _cause(error: OSError, option: str) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return refusal(error, option)
        case ssl.SSLError():
            return str(getattr(error, "reason", None) or error)
        case gaierror():
            return str(error.strerror)
        case OSError(errno=int(number)):  # asyncio's texts contain the address in Python syntax
            return " ".join(filter(None, [os.strerror(number), error.filename]))
        case _:
            return str(error) or type(error).__name__
