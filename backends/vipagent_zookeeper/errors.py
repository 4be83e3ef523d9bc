"""Error messages for operators."""

import ssl

from vipagent.net import errors
from vipagent.net.errors import Failure

MEANINGS = {
    "NoAuthError": "permission denied: the znode's ACL does not permit this user and password",
    "InvalidACLError": "not authenticated: set auth, or acl: open",
    "AuthFailedError": "authentication failed: wrong user or password",
    "SessionClosedRequireSaslError": "authentication failed: the server requires a login",
    "Invalid error code": "authentication failed, or another error that this version of kazoo does not know",
    "NotEmptyError": "the znode has children; delete them first",
    "NoChildrenForEphemeralsError": "a parent znode is ephemeral, and cannot have children",
}


ZOOKEEPER_TEXTS = errors.TEXTS | {
    Failure.TIMEOUT: "connection timed out",
    Failure.REFUSED: "{cause}",
    Failure.CERTIFICATE: "TLS: certificate verify failed: {cause}",
    Failure.TLS: "TLS: {cause}",
    Failure.CLOSED: "{cause}",
}


def explain(error: BaseException | None) -> str:
    """Return the message for an error; for unknown errors, kazoo's text."""
    if isinstance(error, ssl.SSLError):
        return explain_connection(error)
    name, text = type(error).__name__, str(error)
    return MEANINGS.get(name) or MEANINGS.get(text) or text or name


def explain_connection(error: OSError) -> str:
    """Return the cause of a failed connection; TLS 1.3 rejects client certificates after the handshake."""
    if isinstance(error, ssl.SSLEOFError):
        return (
            "TLS: the server closed the connection: does it support TLS, and require a client certificate "
            "(certfile, keyfile), or a different one?"
        )
    return errors.explain(error, ZOOKEEPER_TEXTS)
