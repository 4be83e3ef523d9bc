"""Every TLS context of the project, and the words for a certificate that one of them refuses (S3).

Each flag is set here, for Python's defaults differ: `ssl.create_default_context` is strict since 3.13, which
refuses the authority that a plain `openssl req -x509` makes.
"""

import ssl
from enum import StrEnum
from functools import cache
from pathlib import Path

FLAGS = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
"""An authority that is trusted need not be a root: whoever names an intermediate one means it."""
STRICT_ALONE = frozenset({78, *range(80, 94)})
"""OpenSSL's codes (X509_V_ERR_*) of what nothing but strict verification looks for."""
REMEDIES = {
    85: "make the certificate with authorityKeyIdentifier=keyid",
    86: "make the certificate with subjectKeyIdentifier=hash",
    89: "make the authority's certificate with basicConstraints=critical,CA:TRUE",
    92: "make the authority's certificate with keyUsage=critical,keyCertSign,cRLSign",
}
"""By OpenSSL's code, as extensions of an openssl.cnf."""


class Verify(StrEnum):
    """How a server's certificate is verified."""

    YES = "true"
    """Its authority, its dates and the host's name."""
    NO = "false"
    """Not at all."""
    STRICT = "strict"
    """As YES, and each certificate has what RFC 5280 demands."""

    @classmethod
    def _missing_(cls, value: object) -> "Verify | None":
        """Accept YAML's true and false, and capitals; anything else is refused."""
        said = str(value).lower() if isinstance(value, bool | str) else ""
        return next((choice for choice in cls if choice.value == said), None)


def client_context(verify: Verify = Verify.YES, ca: Path | None = None) -> ssl.SSLContext:
    """Return a new context for connections to servers.

    Args:
        verify: how their certificates are verified.
        ca: a file with the authorities to trust; without it, the system's.

    Raises:
        OSError: the file cannot be read, or has no certificate in it.
    """
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags = FLAGS
    if verify is Verify.STRICT:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    if verify is Verify.NO:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@cache
def system_context(verify: Verify) -> ssl.SSLContext:
    """Return the one context of its kind that trusts the system's authorities: each takes 0.8 MB."""
    return client_context(verify)


def refusal(error: ssl.SSLCertVerificationError, option: str = "verify") -> str:
    """Return why a certificate is refused; where strict verification is the reason, what to do as well.

    Args:
        error: what OpenSSL found.
        option: the name of the option that says how to verify.
    """
    said = error.verify_message or str(error)
    if error.verify_code not in STRICT_ALONE:
        return said
    remedy = REMEDIES.get(error.verify_code, "make the certificate as RFC 5280 demands")
    return f"{said}, so `{option}: strict` refuses it: {remedy}, or leave out `{option}: strict`"
