"""What can go wrong between us and one server, in words for operators."""

from vipagent.net import errors
from vipagent.net.errors import Failure
from vipagent.store import driver
from vipagent.store.driver import Disconnected

UNKNOWN_LEASE = 5  # gRPC's NOT_FOUND
UNAVAILABLE = (
    4,
    14,
)  # gRPC's DEADLINE_EXCEEDED and UNAVAILABLE: another server, or a later moment, may do better
UNAUTHENTICATED = 16

STALE_IDENTITY = ("invalid auth token", "revision of auth store is old", "user name is empty")
"""What a server says to a token from before its restart, from before a change of its users, and to none."""
REFUSED_LOGIN = "authentication failed, invalid user ID or password"
EXPLAINED = {
    "etcdserver: no leader": "no quorum: this member knows no leader",
    "etcdserver: user name is empty": "it demands a user and a password: set `user`, and `password_file` or "
    "`password_env`",
    REFUSED_LOGIN: "authentication failed: wrong user or password",
    "etcdserver: permission denied": "permission denied: the user's roles do not cover our keys",
    "CommonName of client sending a request against gateway": "it takes no client certificate that has a "
    "CommonName while its authentication is on: use one without",
}
CLOSED = "it closed the connection{doubt}"
TEXTS = errors.TEXTS | {
    Failure.TIMEOUT: "{silence} within {within:.2g} s",
    Failure.NAME: "the name does not resolve: {cause}",
    Failure.TLS: CLOSED,  # how exactly a connection ended is left to chance, so it is not told
    Failure.CLOSED: CLOSED,
}
"""With `silence`, what is missing, and `doubt`, what the server may mean by closing the connection."""


class Unreachable(Disconnected):
    """No answer, or none that etcd would give: the request's fate is unknown."""


class Silent(Unreachable):
    """No answer in time."""


class Unavailable(Unreachable):
    """The server cannot serve now; another one, or a later moment, may do better."""


class Refused(driver.Refused):
    """The server's own refusal.

    Args:
        message: the server's.
        code: gRPC's.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(explanation(message) or message)
        self.message = message
        self.code = code
        self.stale_identity = code == UNAUTHENTICATED or any(said in message for said in STALE_IDENTITY)
        self.wrong_password = REFUSED_LOGIN in message


class Compacted(Exception):
    """The watch would have to begin at a revision that is compacted away: list, and begin from there."""


def refusal(message: str, code: int) -> Refused | Unavailable:
    """Return what a server's error means."""
    if code in UNAVAILABLE:
        return Unavailable(explanation(message) or message)
    return Refused(message, code)


def explanation(message: str) -> str:
    """Return an operator's words for what a server said; the empty string if there are no better ones."""
    return next((words for said, words in EXPLAINED.items() if said in message), "")
