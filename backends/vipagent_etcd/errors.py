"""Errors of requests to one server, with texts for operators."""

from vipagent.net import errors
from vipagent.net.errors import Failure
from vipagent.store import driver
from vipagent.store.driver import Disconnected

UNKNOWN_LEASE = 5  # gRPC's NOT_FOUND
UNAVAILABLE = (
    4,
    14,
)  # gRPC's DEADLINE_EXCEEDED and UNAVAILABLE: retry later or with another server
UNAUTHENTICATED = 16

STALE_TOKEN_ERRORS = ("invalid auth token", "revision of auth store is old", "user name is empty")
"""Errors for a token from before a restart, from before a change of the users, and for a missing token."""
REFUSED_LOGIN = "authentication failed, invalid user ID or password"
EXPLANATIONS = {
    "etcdserver: no leader": "no quorum: this member has no leader",
    "etcdserver: user name is empty": "login required: set `user`, and `password_file` or `password_env`",
    REFUSED_LOGIN: "authentication failed: wrong user or password",
    "etcdserver: permission denied": "permission denied: the user's roles do not permit access to the prefix",
    "CommonName of client sending a request against gateway": "with authentication, a client "
    "certificate must not have a CommonName",
}
CLOSED_HINT = "the server closed the connection{hint}"
ETCD_TEXTS = errors.TEXTS | {
    Failure.TIMEOUT: "{timeout_message} within {within:.2g} s",
    Failure.NAME: "name resolution failed: {cause}",
    Failure.TLS: CLOSED_HINT,  # the exact error is random, so it is not shown
    Failure.CLOSED: CLOSED_HINT,
}
"""`timeout_message`: what did not happen in time; `hint`: possible cause of the closed connection."""


class Unreachable(Disconnected):
    """No valid response: the outcome of the request is unknown."""


class ResponseTimeout(Unreachable):
    """No response in time."""


class Unavailable(Unreachable):
    """The server is unavailable; retry later or with another server."""


class EtcdRefused(driver.Refused):
    """The server rejected the request.

    Args:
        message: the server's message.
        code: the gRPC status code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(explanation(message) or message)
        self.message = message
        self.code = code
        self.stale_identity = code == UNAUTHENTICATED or any(text in message for text in STALE_TOKEN_ERRORS)
        self.wrong_password = REFUSED_LOGIN in message


class Compacted(Exception):
    """The start revision of the watch is compacted: list again, and start from there."""


def refusal(message: str, code: int) -> EtcdRefused | Unavailable:
    """Return the exception for a server's error."""
    if code in UNAVAILABLE:
        return Unavailable(explanation(message) or message)
    return EtcdRefused(message, code)


def explanation(message: str) -> str:
    """Return the text for operators; empty if the server's message is used."""
    return next((words for text, words in EXPLANATIONS.items() if text in message), "")
