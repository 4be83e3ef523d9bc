"""Where the server is, how to be let in, and what its faults mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from vipagent.config.values import Section
from vipagent.net.endpoint import Endpoint
from vipagent.store.access import secret
from vipagent.store.driver import Disconnected, Refused

PORT = 6379
CONNECT_TIMEOUT = 1.0
"""Seconds for opening a connection, and for closing it."""
NEEDED_EVENTS = "Eghx"
"""By event: generic ones, hashes, expired keys."""


@dataclass(frozen=True, kw_only=True)
class RedisOptions(Section):
    """The options of this store. For TLS, extend `vipagent.store.access.TlsOptions`."""

    db: Annotated[int, "Number of the database."] = 0
    username: Annotated[str | None, "User to log in as."] = None
    password_file: Annotated[Path | None, "File with the password."] = None
    password_env: Annotated[str | None, "Environment variable with the password."] = None

    @property
    def password(self) -> str | None:
        """The password as it is now.

        Raises:
            StoreConfigError: it cannot be read.
        """
        if self.password_file or self.password_env:
            return secret("password", self.password_file, self.password_env)
        return None


def client(server: str, options: RedisOptions) -> Redis:
    """Return a client that never tries again by itself: the layer has to notice each fault.

    Requests are limited by the layer. With a `socket_timeout`, the library would use `asyncio.wait_for`,
    which Python 3.11 can't always cancel.

    Raises:
        StoreConfigError: the password cannot be read.
    """
    host, port = Endpoint.parse(server, PORT)
    return Redis(
        host=host,
        port=port,
        db=options.db,
        username=options.username,
        password=options.password,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


async def check_events(redis: Redis) -> None:
    """See whether the server tells of changes: by default it does not.

    Raises:
        Refused: it does not.
    """
    flags = (await redis.config_get("notify-keyspace-events"))["notify-keyspace-events"] or ""
    if not set(NEEDED_EVENTS) <= set(flags.replace("A", "ghx")):
        raise Refused(f"the server is to have notify-keyspace-events {NEEDED_EVENTS}, not {flags!r}")


@contextmanager
def faults_translated() -> Iterator[None]:
    """Raise a driver's errors instead of the client library's, and the first one of a task group's."""
    try:
        yield
    except ExceptionGroup as group:
        with faults_translated():
            raise group.exceptions[0] from None
    except (AuthenticationError, ResponseError) as error:
        raise Refused(str(error)) from error
    except (RedisError, OSError) as error:
        raise Disconnected(str(error) or type(error).__name__) from error
