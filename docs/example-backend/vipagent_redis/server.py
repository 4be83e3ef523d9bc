"""Where the server is, and how to be let in."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from vipagent.store.access import parse_hosts, secret
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings

NEEDED_EVENTS = "Eghx"
"""By event: generic ones, hashes, expired keys."""


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """The options of this backend. For TLS, extend `vipagent.store.access.TlsOptions`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    db: int = 0
    username: str | None = None
    password_file: Path | None = None
    password_env: str | None = None


class Server:
    """One Redis server.

    Raises:
        StoreConfigError: the settings name none, or several.
    """

    def __init__(self, settings: StoreSettings, options: RedisOptions) -> None:
        servers = parse_hosts(settings.hosts or ("localhost",), 6379)
        if len(servers) > 1:
            raise StoreConfigError(f"hosts: Redis is one server, not {len(servers)}")
        self._host, self._port = servers[0]
        self._options = options
        self.address = f"redis {self._host}:{self._port}"
        self.db = options.db

    def client(self, timeout: float) -> Redis:
        """Return a new client that never tries again by itself: whoever uses it must notice each fault.

        Requests are limited by whoever makes them. With a `socket_timeout`, the library would use
        `asyncio.wait_for`, which Python 3.11 can't always cancel.

        Args:
            timeout: seconds for connecting.

        Raises:
            StoreConfigError: the password cannot be read.
        """
        options = self._options
        named = options.password_file or options.password_env
        return Redis(
            host=self._host,
            port=self._port,
            db=options.db,
            username=options.username,
            password=secret("password", options.password_file, options.password_env) if named else None,
            socket_timeout=None,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )

    def in_words(self, error: BaseException) -> str:
        """Say what went wrong, and where."""
        return f"{self.address}: {str(error) or type(error).__name__}"


async def check_events(redis: Redis) -> None:
    """See whether the server tells of changes: by default it does not.

    Raises:
        StoreError: it does not.
    """
    flags = (await redis.config_get("notify-keyspace-events"))["notify-keyspace-events"] or ""
    if not set(NEEDED_EVENTS) <= set(flags.replace("A", "ghx")):
        raise StoreError(f"the server is to have notify-keyspace-events {NEEDED_EVENTS}, not {flags!r}")
