"""What can go wrong between us and a server, in words for operators."""

import os
import ssl
from collections.abc import Mapping
from enum import Enum, auto
from socket import gaierror

from vipagent.net.tls import refusal

CLOSED = "it closed the connection"


class ProtocolError(OSError):
    """What the server sends is not what its protocol allows, or too much of it."""


class Failure(Enum):
    """The kinds of failure that are told apart."""

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
"""The first that fits counts."""
TEXTS = {
    Failure.TIMEOUT: "no answer within {within:.2g} s",
    Failure.REFUSED: "connection refused",
    Failure.CERTIFICATE: "its certificate is not accepted: {cause}",
    Failure.TLS: "TLS fails: {cause}",
    Failure.NAME: "its name does not resolve: {cause}",
    Failure.PROTOCOL: "no proper HTTP: {cause}",
    Failure.CLOSED: CLOSED,
    Failure.OTHER: "{cause}",
}


def failure(error: OSError) -> Failure:
    """Return of which kind an error is."""
    return next(kind for base, kind in KINDS.items() if isinstance(error, base))


def explain(
    error: OSError, texts: Mapping[Failure, str] = TEXTS, option: str = "verify", **fields: object
) -> str:
    """Return an error in words.

    Args:
        error: what was raised.
        texts: what to say of each kind, with `{cause}` and the other fields in braces.
        option: the name of the option that says how to verify certificates.
        fields: for the texts; `within` is in seconds.
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
        case OSError(errno=int(number)):  # asyncio's texts name the address as Python does
            return " ".join(filter(None, [os.strerror(number), error.filename]))
        case _:
            return str(error) or type(error).__name__
