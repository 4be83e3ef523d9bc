"""Connection to the server, options and errors."""

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
"""Timeout in seconds for opening and closing a connection."""
NEEDED_EVENTS = "Eghx"
"""Keyspace events: generic commands, hashes, expired keys."""


@dataclass(frozen=True, kw_only=True)
class RedisOptions(Section):
    """The options of this store. For TLS, extend `vipagent.store.access.TlsOptions`."""

    db: Annotated[int, "Number of the database."] = 0
    username: Annotated[str | None, "User to log in as."] = None
    password_file: Annotated[Path | None, "File with the password."] = None
    password_env: Annotated[str | None, "Environment variable with the password."] = None

    @property
    def password(self) -> str | None:
        """The current password.

        Raises:
            StoreConfigError: it cannot be read.
        """
        if self.password_file or self.password_env:
            return secret("password", self.password_file, self.password_env)
        return None


def client(server: str, options: RedisOptions) -> Redis:
    """Return a client without retries, because the layer must know about each error.

    The layer sets timeouts of requests. With a `socket_timeout`, the library would use `asyncio.wait_for`,
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
    """Check that keyspace events are enabled, which is not the default.

    Raises:
        Refused: they are disabled.
    """
    flags = (await redis.config_get("notify-keyspace-events"))["notify-keyspace-events"] or ""
    if not set(NEEDED_EVENTS) <= set(flags.replace("A", "ghx")):
        raise Refused(f"the server needs notify-keyspace-events {NEEDED_EVENTS}, not {flags!r}")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate the client library's errors to driver errors; of a task group, raise the first one."""
    try:
        yield
    except ExceptionGroup as group:
        with translated_errors():
            raise group.exceptions[0] from None
    except (AuthenticationError, ResponseError) as error:
        raise Refused(str(error)) from error
    except (RedisError, OSError) as error:
        raise Disconnected(str(error) or type(error).__name__) from error
