"""One session with ZooKeeper: a kazoo client that is discarded with its session."""

import asyncio
import contextlib
import logging
import ssl
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionClosedError, ConnectionLoss, SessionExpiredError
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import Callback, EventType, KazooState, KeeperState, WatchedEvent
from kazoo.retry import KazooRetry

from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connecting import ConnectionFactory
from vipagent_zookeeper.errors import explain, explain_connection
from vipagent_zookeeper.options import Hosts, ZooKeeperOptions

if TYPE_CHECKING:
    from vipagent_zookeeper.connection import ZooKeeperConnection

log = logging.getLogger(__name__)

SESSION_LOST_ERRORS = (ConnectionLoss, ConnectionClosedError, SessionExpiredError, AuthFailedError)
EXPIRED = "the session has expired"
NEGOTIATED_TEXT = "negotiated session timeout"
CONNECTION_CLOSED = "the server closed the connection"
OnWatchEvent = Callable[[str], None]


class KazooSession:
    """One session, from the first connection attempt to its end. Create it on the loop."""

    def __init__(
        self,
        hosts: Hosts,
        timeout: float,
        options: ZooKeeperOptions,
        owner: "ZooKeeperConnection",
        on_watch_event: OnWatchEvent,
    ) -> None:
        """Initialize.

        Args:
            hosts: names and ports.
            timeout: requested session timeout in seconds.
            options: credentials, ACLs, TLS.
            owner: receives the events.
            on_watch_event: called with the path of a changed znode.

        Raises:
            StoreConfigError: a secret's file or variable is missing.
        """
        self.timeout = timeout
        self._options, self._owner, self._on_watch_event = options, owner, on_watch_event
        self._loop = asyncio.get_running_loop()
        self._reason, self._abandoned = "", False
        self._awaited: set[asyncio.Future[Any]] = set()
        self._prefetched: dict[str, IAsyncResult] = {}  # listings requested by their watch, by directory
        self._connections = ConnectionFactory((name for name, _ in hosts), options, self._on_connect)
        self.client = KazooClient(
            hosts=",".join(map(str, hosts)),
            timeout=timeout,
            handler=_handler(self._connections),
            connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=0.6),  # 40 % jitter: up to 0.84 s
            default_acl=options.acls(),
            logger=KazooLog(self._on_error, self._negotiated),
            auth_data=options.digest_logins(),
            sasl_options=options.sasl_login(),
        )
        self.client.add_listener(self._changed)

    @property
    def peer(self) -> str:
        """`HOST:PORT` of the current or last attempt."""
        return self._connections.peer

    def start(self) -> None:
        """Connect, with retries."""
        self.client.start_async()

    async def answer(self, request: Callable[..., IAsyncResult], *args: object, **options: object) -> Any:
        """Send an asynchronous request of `client`, and wait for the response.

        Raises:
            Disconnected: there is no response.
            KazooException: the server rejected the request.
        """
        if self._abandoned:
            raise Disconnected("the session was abandoned")
        future = self._loop.create_future()
        self._awaited.add(future)
        request(*args, **options).rawlink(lambda result: self._post(_settle, future, result))
        try:
            return await future
        except SESSION_LOST_ERRORS as error:
            raise Disconnected(type(error).__name__) from error
        finally:
            self._awaited.discard(future)

    async def children(self, directory: str) -> list[str]:
        """Return the names in a directory, and watch it; the last event may have requested them already.

        Raises:
            Disconnected: there is no response.
            KazooException: the server rejected the request.
        """
        prefetched = self._prefetched.pop(directory, None)
        if prefetched is not None and prefetched.successful():
            return list(prefetched.value)
        return list(await self.answer(self._request_children, directory))

    def watch(self, event: WatchedEvent) -> None:
        """Forward a watch event on kazoo's thread; for a directory, after its new listing has arrived."""
        path = event.path
        if not path:  # it concerns the connection, which `_changed` reports
            return
        # A pending listing is older than this event, or the directory is not followed any more.
        outdated = self._prefetched.pop(path, None)
        if event.type == EventType.CHILD and outdated is None:
            self._prefetched[path] = prefetched = self._request_children(path)
            prefetched.rawlink(lambda _: self._notify(self._on_watch_event, path))
        else:
            self._notify(self._on_watch_event, path)

    def _request_children(self, directory: str) -> IAsyncResult:
        return self.client.get_children_async(directory, watch=self.watch)

    def renew_login(self) -> None:
        """Log in again if the password has changed: a server accepts any digest, and rejects requests later.

        Raises:
            StoreConfigError: the password's file or variable is missing.
        """
        for scheme, login in self._options.digest_logins() - self.client.auth_data:
            self.client.add_auth_async(scheme, login)

    def reset_connection(self, reason: str) -> None:
        """Close the connection; kazoo reconnects, to another host if there is one."""
        self._reason = reason
        self._connections.reset_connection()

    def abort(self) -> None:
        """Close the connection and prevent new ones, so that `stop` does not wait for the server."""
        self._connections.close()

    def stop(self) -> None:
        """End the session and all threads. Blocks: milliseconds if the server responds, or after `abort`."""
        self.client.stop()
        self.client.close()

    def abandon(self, *, abort: bool = True) -> threading.Thread:
        """Close everything in the background; the owner receives no more events.

        Args:
            abort: whether to skip closing the session on the server, which may be slow.

        Returns:
            The closing thread; with `abort` it takes a fraction of a second.
        """
        self._abandoned = True
        for future in self._awaited:  # kazoo may drop pending requests while it stops
            if not future.done():
                future.set_exception(ConnectionClosedError())
        if abort:
            self.abort()
        closer = threading.Thread(target=self.stop, name="vipagent-zookeeper-end", daemon=True)
        closer.start()
        return closer

    def _changed(self, state: KazooState) -> None:
        """Handle a state change, on kazoo's thread."""
        if state == KazooState.CONNECTED:
            number, _ = self.client.client_id
            self._notify(self._owner.on_session, number)
        elif state == KazooState.SUSPENDED:
            self._prefetched.clear()  # kazoo drops all watches with the connection
            self._notify(self._owner.on_disconnect)
        else:
            expired = self.client.client_state == KeeperState.EXPIRED_SESSION
            self._notify(self._owner.on_session_end, EXPIRED if expired else "")

    def _on_connect(self) -> None:
        self._reason = ""
        self._notify(self._owner.on_connect)

    def _on_error(self, peer: str, cause: str) -> None:
        reason, self._reason = self._reason, ""
        self._notify(self._owner.on_error, peer or self.peer, reason or cause)

    def _negotiated(self, timeout: float) -> None:
        self.timeout = timeout

    def _notify(self, event: Callable[..., None], *args: object) -> None:
        self._post(self._deliver, event, args)

    def _post(self, call: Callable[..., None], *args: object) -> None:
        """Call a function on the loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *args)

    def _deliver(self, event: Callable[..., None], args: tuple[object, ...]) -> None:
        if not self._abandoned:
            event(*args)


def _settle(future: "asyncio.Future[Any]", result: IAsyncResult) -> None:
    """Copy the result of a request to the future that awaits it, if it is still pending."""
    if future.done():
        return
    if result.exception is not None:
        future.set_exception(result.exception)
    else:
        future.set_result(result.value)


def _handler(connections: ConnectionFactory) -> SequentialThreadingHandler:
    """Return a handler that runs kazoo's callbacks directly on the connection's thread.

    Callbacks only send requests or post to the loop, so they do not block this thread.
    """
    handler = SequentialThreadingHandler()
    handler.start = handler.stop = lambda: None
    handler.dispatch_callback = _call
    handler.create_connection = connections.connect
    handler.spawn = _spawn
    return handler


def _call(callback: Callback) -> None:
    callback.func(*callback.args)


def _spawn(function: Callable[..., None]) -> threading.Thread:
    """Start a thread for kazoo. An exception ends the session, and is not printed to standard error."""

    def run() -> None:
        try:
            function()
        except Exception:
            log.debug("kazoo thread failed", exc_info=True)

    thread = threading.Thread(target=run, name="vipagent-zookeeper-kazoo", daemon=True)
    thread.start()
    return thread


class KazooLog(logging.LoggerAdapter[logging.Logger]):
    """Logger for kazoo that extracts connection errors and the negotiated session timeout.

    While a store is unreachable, kazoo warns every second; these lines go to the debug log only.
    """

    def __init__(self, on_error: Callable[[str, str], None], negotiated: Callable[[float], None]) -> None:
        """Initialize.

        Args:
            on_error: called with a host that cannot be resolved (empty: the current peer), and the cause.
            negotiated: called with the session timeout in seconds.
        """
        super().__init__(logging.getLogger(__name__), {})
        self._on_error = on_error
        self._negotiated = negotiated

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Extract errors from a log line, and log warnings as debug messages."""
        text = str(msg)
        if level < logging.WARNING:
            if NEGOTIATED_TEXT in text:
                self._negotiated(args[2] / 1000.0)
            return
        self.logger.debug(text, *args, exc_info=kwargs.get("exc_info"))
        if text.startswith("Cannot resolve"):
            self._on_error(str(args[0]), getattr(args[1], "strerror", None) or str(args[1]))
        elif kwargs.get("exc_info"):
            self._on_error("", explain(sys.exception()))
        elif text.startswith("AUTH_FAILED") and isinstance(args[0], Exception):
            self._on_error("", explain(args[0]))
        elif args:
            self._on_error("", _describe(args[0]))


def _describe(logged: object) -> str:
    below = logged.__context__ if isinstance(logged, BaseException) else None
    if isinstance(below, ssl.SSLError):  # kazoo keeps only OpenSSL's text
        return explain_connection(below)
    cause = str(logged)
    if cause == "socket connection broken":
        return CONNECTION_CLOSED
    return cause.removeprefix("socket connection error: ")
