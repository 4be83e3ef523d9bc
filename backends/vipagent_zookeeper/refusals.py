"""What a server's refusals mean, in an operator's words."""

import ssl

from vipagent.net import errors
from vipagent.net.errors import Failure

MEANINGS = {
    "NoAuthError": "not allowed: user, password and the znode's ACL do not fit together",
    "InvalidACLError": "the server knows no identity of ours: set auth, or acl: open",
    "AuthFailedError": "authentication failed: wrong user or password",
    "SessionClosedRequireSaslError": "authentication failed: no login that the server accepts",
    "Invalid error code": "authentication failed, or another refusal that this kazoo does not know",
    "NotEmptyError": "there are znodes below it; remove them first",
    "NoChildrenForEphemeralsError": "a znode above it is ephemeral, and cannot have any below it",
}


TEXTS = errors.TEXTS | {
    Failure.TIMEOUT: "no answer to a connection",
    Failure.REFUSED: "{cause}",
    Failure.CERTIFICATE: "TLS: certificate verify failed: {cause}",
    Failure.TLS: "TLS: {cause}",
    Failure.CLOSED: "{cause}",
}


def explain(error: BaseException | None) -> str:
    """Say what a refusal means; what is not known is said as kazoo does."""
    if isinstance(error, ssl.SSLError):
        return explain_connection(error)
    name, text = type(error).__name__, str(error)
    return MEANINGS.get(name) or MEANINGS.get(text) or text or name


def explain_connection(error: OSError) -> str:
    """Say why a connection fails; with TLS 1.3 a server refuses a client's certificate after the start."""
    if isinstance(error, ssl.SSLEOFError):
        return (
            "TLS: it closed the connection: does it speak TLS, and does it want a certificate of ours "
            "(certfile, keyfile), or another one?"
        )
    return errors.explain(error, TEXTS)
