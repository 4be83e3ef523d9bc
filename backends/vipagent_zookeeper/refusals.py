"""What a server's refusals mean, in an operator's words."""

import ssl

from vipagent.net.tls import refusal

MEANINGS = {
    "NoAuthError": "not allowed: user, password and the znode's ACL do not fit together",
    "InvalidACLError": "the server knows no identity of ours: set auth, or acl: open",
    "AuthFailedError": "authentication failed: wrong user or password",
    "SessionClosedRequireSaslError": "authentication failed: no login that the server accepts",
    "Invalid error code": "authentication failed, or another refusal that this kazoo does not know",
    "NotEmptyError": "there are znodes below it; remove them first",
    "NoChildrenForEphemeralsError": "a znode above it is ephemeral, and cannot have any below it",
}


def explain(error: BaseException | None) -> str:
    """Say what a refusal means; what is not known is said as kazoo does."""
    if isinstance(error, ssl.SSLError):
        return explain_tls(error)
    name, text = type(error).__name__, str(error)
    return MEANINGS.get(name) or MEANINGS.get(text) or text or name


def explain_tls(error: ssl.SSLError) -> str:
    """Say why TLS has failed; with TLS 1.3 a server refuses a client's certificate after the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: certificate verify failed: {refusal(error)}"
    if isinstance(error, ssl.SSLEOFError):
        return (
            "TLS: it closed the connection: does it speak TLS, and does it want a certificate of ours "
            "(certfile, keyfile), or another one?"
        )
    return f"TLS: {error.reason or error.strerror or error}"
