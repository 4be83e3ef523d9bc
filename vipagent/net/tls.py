"""All TLS contexts of the project, and the messages for rejected certificates (S3).

All flags are set here, because Python's defaults differ: `ssl.create_default_context` is strict since 3.13,
and rejects authorities that were created by `openssl req -x509`.
"""

import ssl
from enum import StrEnum
from functools import cache
from pathlib import Path

FLAGS = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
"""A trusted authority can be an intermediate one."""
STRICT_ALONE = frozenset({78, *range(80, 94)})
"""OpenSSL's error codes (X509_V_ERR_*) that occur only in strict verification."""
VERIFY_REMEDIES = {
    85: "create the certificate with authorityKeyIdentifier=keyid",
    86: "create the certificate with subjectKeyIdentifier=hash",
    89: "create the authority's certificate with basicConstraints=critical,CA:TRUE",
    92: "create the authority's certificate with keyUsage=critical,keyCertSign,cRLSign",
}
"""Remedies by OpenSSL's error code, in the syntax of openssl.cnf."""


class Verify(StrEnum):
    """Verification of a server's certificate."""

    YES = "true"
    """Verify the authority, the validity period and the host name."""
    NO = "false"
    """No verification."""
    STRICT = "strict"
    """Like YES, and enforce RFC 5280."""

    @classmethod
    def _missing_(cls, value: object) -> "Verify | None":
        """Accept YAML's true and false, and upper case; reject other values."""
        text = str(value).lower() if isinstance(value, bool | str) else ""
        return next((choice for choice in cls if choice.value == text), None)


def client_context(verify: Verify = Verify.YES, ca: Path | None = None) -> ssl.SSLContext:
    """Create a context for connections to servers.

    Args:
        verify: verification of certificates.
        ca: file with the trusted authorities; default: the system's.

    Raises:
        OSError: the file cannot be read, or contains no certificate.
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
    """Return the shared context with the system's authorities (one context needs 0.8 MB)."""
    return client_context(verify)


def refusal(error: ssl.SSLCertVerificationError, option: str = "verify") -> str:
    """Return why a certificate was rejected, and the remedy if strict verification is the reason.

    Args:
        error: OpenSSL's error.
        option: the name of the option that configures the verification.
    """
    text = error.verify_message or str(error)
    if error.verify_code not in STRICT_ALONE:
        return text
    remedy = VERIFY_REMEDIES.get(error.verify_code, "create a certificate that complies with RFC 5280")
    return f"{text}, rejected by `{option}: strict`: {remedy}, or remove `{option}: strict`"
