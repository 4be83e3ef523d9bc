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
LIFE = "negotiated session timeout"
CLOSED = "it closed the connection"
REQUESTS = 64
"""Maximum number of concurrent requests. kazoo's thread is woken through a socket that buffers a few hundred
wake-ups. The thread sends requests itself, so it must never block on this socket."""
Touched = Callable[[str], None]
"""Called on the loop with the path of a changed znode."""


class KazooSession:
    """One session, from the first attempt to connect until it is over. To be made on the loop."""

    def __init__(
        self,
        hosts: Hosts,
        life: float,
        options: ZooKeeperOptions,
        owner: "ZooKeeperConnection",
        on_watch_event: Touched,
    ) -> None:
        """Initialize.

        Args:
            hosts: names and ports.
            life: requested session timeout in seconds.
            options: credentials, ACLs, TLS.
            owner: told what happens.
            on_watch_event: called with the path of a changed znode.

        Raises:
            StoreConfigError: a secret's file or variable is missing now.
        """
        self.life = life
        self._options = options
        self._owner = owner
        self._on_watch_event = on_watch_event
        self._loop = asyncio.get_running_loop()
        self._reason = ""
        self._abandoned = False
        self._requests = asyncio.Semaphore(REQUESTS)
        self._awaited: set[asyncio.Future[Any]] = set()
        self._begun: dict[str, IAsyncResult] = {}  # listings requested when their watch fired, by directory
        self._connections = ConnectionFactory((name for name, _ in hosts), options, self._on_connect)
        self.client = KazooClient(
            hosts=",".join(map(str, hosts)),
            timeout=life,
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
        """`HOST:PORT` of the present or last attempt."""
        return self._connections.peer

    def start(self) -> None:
        """Connect, and go on trying."""
        self.client.start_async()

    async def answer(self, request: Callable[..., IAsyncResult], *args: object, **options: object) -> Any:
        """Make one of `client`'s asynchronous requests, and wait for its answer.

        Raises:
            Disconnected: there will be none.
            KazooException: the server refuses.
        """
        future = self._loop.create_future()
        async with self._requests:
            if self._abandoned:
                raise Disconnected("the session is given up")
            self._awaited.add(future)
            request(*args, **options).rawlink(lambda result: self._post(_settle, future, result))
            try:
                return await future
            except SESSION_LOST_ERRORS as error:
                raise Disconnected(type(error).__name__) from error
            finally:
                self._awaited.discard(future)

    async def children(self, directory: str) -> list[str]:
        """Return the names in a directory, and watch it; its last watch may have asked for them already.

        Raises:
            Disconnected: there is no answer.
            KazooException: the server refuses.
        """
        begun = self._begun.pop(directory, None)
        if begun is not None and begun.successful():
            return list(begun.value)
        return list(await self.answer(self._begin, directory))

    def watch(self, event: WatchedEvent) -> None:
        """Pass a watch's event on, on kazoo's thread; a directory's once its new listing is there."""
        path = event.path
        if not path:  # it tells of the connection, which we see by ourselves
            return
        # One that nobody has wanted yet is older than this event, or nobody follows the directory any more.
        if event.type == EventType.CHILD and self._begun.pop(path, None) is None:
            self._begun[path] = begun = self._begin(path)
            begun.rawlink(lambda _: self._tell(self._on_watch_event, path))
        else:
            self._tell(self._on_watch_event, path)

    def _begin(self, directory: str) -> IAsyncResult:
        return self.client.get_children_async(directory, watch=self.watch)

    def renew_login(self) -> None:
        """Log in again if the password has changed: a server takes any digest, and refuses requests instead.

        Raises:
            StoreConfigError: the password's file or variable is missing now.
        """
        for scheme, login in self._options.digest_logins() - self.client.auth_data:
            self.client.add_auth_async(scheme, login)

    def reset_connection(self, reason: str) -> None:
        """End the connection; kazoo makes another, on another host if there is one."""
        self._reason = reason
        self._connections.reset_connection()

    def abort(self) -> None:
        """End the connection and make no other: whoever waits in `stop` need not wait for the server."""
        self._connections.close()

    def stop(self) -> None:
        """End the session and all threads: milliseconds if the server answers or after `abort`. Blocks."""
        self.client.stop()
        self.client.close()

    def abandon(self, *, abort: bool = True) -> threading.Thread:
        """End all without waiting; nothing more is told to the owner.

        Args:
            abort: whether to skip closing the session on the server, which may be slow.

        Returns:
            The thread that sees to it; after a `abort` it needs a fraction of a second.
        """
        self._abandoned = True
        for future in self._awaited:  # kazoo may drop what is under way while it stops
            if not future.done():
                future.set_exception(ConnectionClosedError())
        if abort:
            self.abort()
        undertaker = threading.Thread(target=self.stop, name="vipagent-zookeeper-end", daemon=True)
        undertaker.start()
        return undertaker

    def _changed(self, state: KazooState) -> None:
        """Take a change of state from kazoo, on its connection's thread."""
        if state == KazooState.CONNECTED:
            number, _ = self.client.client_id
            self._tell(self._owner.on_session, number)
        elif state == KazooState.SUSPENDED:
            self._tell(self._owner.on_disconnect)
        else:
            expired = self.client.client_state == KeeperState.EXPIRED_SESSION
            self._tell(self._owner.on_session_end, EXPIRED if expired else "")

    def _on_connect(self) -> None:
        self._reason = ""
        self._tell(self._owner.on_connect)

    def _on_error(self, peer: str, cause: str) -> None:
        reason, self._reason = self._reason, ""
        self._tell(self._owner.on_error, peer or self.peer, reason or cause)

    def _negotiated(self, life: float) -> None:
        self.life = life

    def _tell(self, event: Callable[..., None], *args: object) -> None:
        self._post(self._deliver, event, args)

    def _post(self, call: Callable[..., None], *args: object) -> None:
        """Have a function called on the loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(call, *args)

    def _deliver(self, event: Callable[..., None], args: tuple[object, ...]) -> None:
        if not self._abandoned:
            event(*args)


def _settle(future: "asyncio.Future[Any]", result: IAsyncResult) -> None:
    """Hand a result of kazoo's over to who awaits it, unless they gave up."""
    if future.done():
        return
    if result.exception is not None:
        future.set_exception(result.exception)
    else:
        future.set_result(result.value)


def _handler(connections: ConnectionFactory) -> SequentialThreadingHandler:
    """Return a handler for kazoo that calls back at once, on the connection's thread, and has no others.

    Nothing that is called does more than to ask or to post.
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
    """Start a thread of kazoo's. What ends it is told as the session's end, not to standard error."""

    def run() -> None:
        try:
            function()
        except Exception:
            log.debug("a thread of kazoo's has ended", exc_info=True)

    thread = threading.Thread(target=run, name="vipagent-zookeeper-kazoo", daemon=True)
    thread.start()
    return thread


class KazooLog(logging.LoggerAdapter[logging.Logger]):
    """Given to kazoo as its logger: takes out of it why a host failed, and the session's negotiated life.

    While a store is away, kazoo warns about it every second: that goes no further than our debug log.
    """

    def __init__(self, blame: Callable[[str, str], None], negotiated: Callable[[float], None]) -> None:
        """Prepare.

        Args:
            blame: told a host that could not be resolved (empty: the present peer), and the cause.
            negotiated: told the session's life in seconds.
        """
        super().__init__(logging.getLogger(__name__), {})
        self._on_error = blame
        self._negotiated = negotiated

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Take what concerns us from a line of the log, and pass warnings on as debug messages."""
        text = str(msg)
        if level < logging.WARNING:
            if LIFE in text:
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
            self._on_error("", _in_plain_words(args[0]))


def _in_plain_words(said: object) -> str:
    below = said.__context__ if isinstance(said, BaseException) else None
    if isinstance(below, ssl.SSLError):  # kazoo keeps no more of it than OpenSSL's text
        return explain_connection(below)
    cause = str(said)
    if cause == "socket connection broken":
        return CLOSED
    return cause.removeprefix("socket connection error: ")
