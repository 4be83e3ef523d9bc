"""One session with ZooKeeper: a kazoo client, which is discarded together with its session."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionClosedError, ConnectionLoss, SessionExpiredError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connecting import ConnectionFactory
from vipagent_zookeeper.kazoo_log import KazooLog
from vipagent_zookeeper.options import Hosts, ZooKeeperOptions

SESSION_LOST_ERRORS = (ConnectionLoss, ConnectionClosedError, SessionExpiredError, AuthFailedError)
EXPIRED = "the session has expired"

Post = Callable[..., None]
"""Calls a function with arguments on the backend's loop. Thread-safe."""


class SessionEvents(Protocol):
    """Callbacks of a session, on the loop."""

    def on_connect(self) -> None:
        """A connection is established; the server has not replied yet."""

    def on_error(self, peer: str, cause: str) -> None:
        """An attempt or a connection failed."""

    def on_session(self, number: int) -> None:
        """The server has created the session with this ID, or resumed it after a disconnection."""

    def on_disconnect(self) -> None:
        """The connection is lost; kazoo reconnects."""

    def on_session_end(self, cause: str) -> None:
        """The session has ended or was rejected; no more callbacks follow.

        `cause` is empty if `on_error` has reported it.
        """


class KazooSession:
    """One session, from the first connection attempt to its end."""

    def __init__(
        self, hosts: Hosts, life: float, options: ZooKeeperOptions, owner: SessionEvents, post: Post
    ) -> None:
        """Initialize, without connecting.

        Args:
            hosts: host names and ports.
            life: requested session timeout in seconds.
            options: credentials, ACLs, TLS.
            owner: receives the callbacks.
            post: schedules calls on the owner's loop.

        Raises:
            StoreConfigError: a secret's file or variable is missing.
        """
        self.life = life
        self._options = options
        self._owner = owner
        self._post = post
        self._reason = ""
        self._abandoned = False
        self._awaited: set[asyncio.Future[Any]] = set()
        self._connections = ConnectionFactory((name for name, _ in hosts), options, self._on_connect)
        self.client = KazooClient(
            hosts=",".join(map(str, hosts)),
            timeout=life,
            handler=self._connections.handler(),
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
        """Start to connect, with retries."""
        self.client.start_async()

    async def answer(self, asked: IAsyncResult) -> Any:
        """Wait for the reply to one of `client`'s asynchronous requests.

        Raises:
            Disconnected: the connection was lost.
            KazooException: the server rejected the request.
        """
        future = asyncio.get_running_loop().create_future()
        self._awaited.add(future)
        asked.rawlink(lambda result: self._post(_set_result, future, result))
        try:
            return await future
        except SESSION_LOST_ERRORS as error:
            raise Disconnected(type(error).__name__) from error
        finally:
            self._awaited.discard(future)

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
        """Close the connection permanently, so that `stop` does not wait for the server."""
        self._connections.close()

    def stop(self) -> None:
        """End the session and all threads; blocks for milliseconds if the server replies or after `abort`."""
        self.client.stop()
        self.client.close()

    def abandon(self, *, abort: bool = True) -> threading.Thread:
        """End the session without waiting; no more callbacks follow.

        Args:
            abort: do not contact the server; otherwise the session is closed there, which may take time.

        Returns:
            The closing thread; with `abort` it ends within a fraction of a second.
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
        """Handle a state change, on kazoo's connection thread."""
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

    def _deliver(self, event: Callable[..., None], args: tuple[object, ...]) -> None:
        if not self._abandoned:
            event(*args)


def _set_result(future: "asyncio.Future[Any]", result: IAsyncResult) -> None:
    """Set the result of a request, unless its future was cancelled."""
    if future.done():
        return
    if result.exception is not None:
        future.set_exception(result.exception)
    else:
        future.set_result(result.value)
