"""One session with ZooKeeper: a client of kazoo's, given up together with its session."""

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
from vipagent_zookeeper.kazoolog import KazooLog
from vipagent_zookeeper.options import Hosts, ZooKeeperOptions
from vipagent_zookeeper.wire import Wire

GONE = (ConnectionLoss, ConnectionClosedError, SessionExpiredError, AuthFailedError)
EXPIRED = "the session has expired"

Post = Callable[..., None]
"""Calls a function with arguments on the backend's loop, from any thread."""


class LinkEvents(Protocol):
    """What a link tells its owner, on the loop."""

    def dialled(self) -> None:
        """A connection stands; the server has said nothing yet."""

    def blamed(self, peer: str, cause: str) -> None:
        """An attempt or a connection failed."""

    def up(self, number: int) -> None:
        """The server has granted the session of this number, or taken it back after a disconnection."""

    def down(self) -> None:
        """The connection is gone; kazoo makes another."""

    def over(self, cause: str) -> None:
        """The session is over, or refused: nothing more will come of this link.

        `cause` is empty if it was blamed on a host before.
        """


class Link:
    """One session, from the first attempt to connect until it is over."""

    def __init__(
        self, hosts: Hosts, life: float, options: ZooKeeperOptions, owner: LinkEvents, post: Post
    ) -> None:
        """Prepare; nothing is connected.

        Args:
            hosts: names and ports.
            life: seconds of the session's life to ask for.
            options: credentials, ACLs, TLS.
            owner: told what happens.
            post: brings calls to the owner's loop.

        Raises:
            StoreConfigError: a secret's file or variable is missing now.
        """
        self.life = life
        self._options = options
        self._owner = owner
        self._post = post
        self._reason = ""
        self._abandoned = False
        self._awaited: set[asyncio.Future[Any]] = set()
        self._wire = Wire((name for name, _ in hosts), options, self._dialled)
        self.client = KazooClient(
            hosts=",".join(map(str, hosts)),
            timeout=life,
            handler=self._wire.handler(),
            connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=0.6),  # 40 % jitter: up to 0.84 s
            default_acl=options.acls(),
            logger=KazooLog(self._blame, self._negotiated),
            auth_data=options.digest_logins(),
            sasl_options=options.sasl_login(),
        )
        self.client.add_listener(self._changed)

    @property
    def peer(self) -> str:
        """`HOST:PORT` of the present or last attempt."""
        return self._wire.peer

    def start(self) -> None:
        """Connect, and go on trying."""
        self.client.start_async()

    async def answer(self, asked: IAsyncResult) -> Any:
        """Wait for the answer to one of `client`'s asynchronous requests.

        Raises:
            Disconnected: there will be none.
            KazooException: the server refuses.
        """
        future = asyncio.get_running_loop().create_future()
        self._awaited.add(future)
        asked.rawlink(lambda result: self._post(_settle, future, result))
        try:
            return await future
        except GONE as error:
            raise Disconnected(type(error).__name__) from error
        finally:
            self._awaited.discard(future)

    def renew_login(self) -> None:
        """Log in again if the password has changed: a server takes any digest, and refuses requests instead.

        Raises:
            StoreConfigError: the password's file or variable is missing now.
        """
        for scheme, login in self._options.digest_logins() - self.client.auth_data:
            self.client.add_auth_async(scheme, login)

    def hang_up(self, reason: str) -> None:
        """End the connection; kazoo makes another, on another host if there is one."""
        self._reason = reason
        self._wire.hang_up()

    def cut(self) -> None:
        """End the connection and make no other: whoever waits in `stop` need not wait for the server."""
        self._wire.close()

    def stop(self) -> None:
        """End the session and all threads: milliseconds if the server answers or after `cut`. Blocks."""
        self.client.stop()
        self.client.close()

    def abandon(self, *, cut: bool = True) -> threading.Thread:
        """End all without waiting; nothing more is told to the owner.

        Args:
            cut: without the server; else the session is ended there, for which the server may take its time.

        Returns:
            The thread that sees to it; after a `cut` it needs a fraction of a second.
        """
        self._abandoned = True
        for future in self._awaited:  # kazoo may drop what is under way while it stops
            if not future.done():
                future.set_exception(ConnectionClosedError())
        if cut:
            self.cut()
        undertaker = threading.Thread(target=self.stop, name="vipagent-zookeeper-end", daemon=True)
        undertaker.start()
        return undertaker

    def _changed(self, state: KazooState) -> None:
        """Take a change of state from kazoo, on its connection's thread."""
        if state == KazooState.CONNECTED:
            number, _ = self.client.client_id
            self._tell(self._owner.up, number)
        elif state == KazooState.SUSPENDED:
            self._tell(self._owner.down)
        else:
            expired = self.client.client_state == KeeperState.EXPIRED_SESSION
            self._tell(self._owner.over, EXPIRED if expired else "")

    def _dialled(self) -> None:
        self._reason = ""
        self._tell(self._owner.dialled)

    def _blame(self, peer: str, cause: str) -> None:
        reason, self._reason = self._reason, ""
        self._tell(self._owner.blamed, peer or self.peer, reason or cause)

    def _negotiated(self, life: float) -> None:
        self.life = life

    def _tell(self, event: Callable[..., None], *args: object) -> None:
        self._post(self._deliver, event, args)

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
