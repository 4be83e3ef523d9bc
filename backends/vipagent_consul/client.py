"""Consul's calls that this backend makes, typed: py-consul's API over our own HTTP layer."""

import base64
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from consul.base import Consul
from consul.callback import CB
from consul.exceptions import ClientError, NotFound

from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent_consul.http import Channel, Denied, Limits, Refused


@dataclass(frozen=True, slots=True)
class Link:
    """Which Consul agent is asked, and what it takes to be let in. Read anew at each reconnection."""

    endpoint: Endpoint
    token: str
    tls: ssl.SSLContext | None

    def client(self, timeout: float, until: float = float("inf")) -> "Client":
        """Return a client; nothing is sent yet.

        Args:
            timeout: seconds that each call may take.
            until: monotonic seconds at which none may last.
        """
        return Client(Channel(self.endpoint, self.token, self.tls, Limits(timeout, until)))


@dataclass(frozen=True, slots=True)
class Held:
    """A key as it was found."""

    value: bytes
    """At most `MAX_VALUE` bytes of it."""
    session: str
    """The session that holds its lock; empty: none."""
    index: int
    """When it was written last, in Consul's own count."""


def entry_names(found: Iterable[str]) -> list[str]:
    """Return the names that can be entries, in their order: no path, and nothing but printable text (S1)."""
    return sorted(name for name in found if name and "/" not in name and name.isprintable())[:MAX_ENTRIES]


class Library(Consul):  # type: ignore[misc]  # it has no types
    """py-consul's API over our own HTTP."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        at = channel.endpoint
        # all that py-consul would otherwise take from the environment is given, or replaced
        super().__init__(at.host, at.port, scheme="http", consistency="consistent", verify=True)
        self.token = None  # CONSUL_HTTP_TOKEN would be here; the channel sends ours

    def http_connect(self, *_: object, **__: object) -> Channel:
        """Return what carries all calls."""
        return self._channel


class SessionGone(Exception):
    """Consul does not know the session any more: it has ended, and its keys with it."""


class Client:
    """A connection to one Consul agent, for one thread.

    Every call raises `NoAnswer`, `Refused` or `Denied`. Paths are keys without a slash at either end.
    """

    def __init__(self, channel: Channel) -> None:
        self._library = Library(channel)
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def cut(self) -> None:
        """End what is in flight, and all that would follow. For any thread."""
        self._channel.cut()

    def entries(self, path: str, index: int = 0, wait: int = 0) -> tuple[int, dict[str, Held]]:
        """Return all below `path` with their values, and the index to wait from.

        Args:
            path: the directory.
            index: wait until something has changed since; 0: answer at once.
            wait: seconds to wait at most (Consul adds up to a sixteenth).
        """
        index, found = self._list(path, index, wait, {"recurse": True})
        return index, {entry["Key"][len(path) + 1 :]: _held(entry) for entry in found}

    def names(self, path: str, index: int = 0, wait: int = 0) -> tuple[int, dict[str, None]]:
        """Return the names alone of all below `path`; else as `entries`."""
        index, found = self._list(path, index, wait, {"keys": True})
        return index, dict.fromkeys(key[len(path) + 1 :] for key in found)

    def get(self, path: str) -> Held | None:
        """Return one key."""
        _, entry = self._library.kv.get(path)
        return None if entry is None else _held(entry)

    def put(self, path: str, value: bytes) -> None:
        """Write a key that no session holds."""
        self._library.kv.put(path, value)

    def delete(self, path: str, index: int) -> bool:
        """Delete a key unless it was written since; return whether it was deleted."""
        return bool(self._library.kv.delete(path, cas=index))

    def create(self, path: str, value: bytes, session: str) -> bool:
        """Make a key that ends with the session; False: there is one."""
        return self._transact(_step("check-not-exists", path), _lock(path, value, session))

    def update(self, path: str, value: bytes, session: str) -> bool:
        """Write a key that the session holds; False: it doesn't."""
        return self._transact(_step("check-session", path, Session=session), _lock(path, value, session))

    def replace(self, path: str, value: bytes, session: str, index: int) -> bool:
        """Put ours in the place of what lies there, in one step; False: it was written since."""
        return self._transact(_step("delete-cas", path, Index=index), _lock(path, value, session))

    def release(self, path: str, session: str) -> bool:
        """Delete a key that the session holds; False: it doesn't."""
        return self._transact(_step("check-session", path, Session=session), _step("delete", path))

    def create_session(self, name: str, ttl: int, node_checks: list[str], service_checks: list[str]) -> str:
        """Return a new session, whose keys are deleted with it and free again at once.

        Consul's default is to keep a key locked for 15 s after its session. py-consul's own call knows no
        list of service checks, and always adds the gossip's check to those of the node.
        """
        wanted = {
            "Name": name,
            "TTL": f"{ttl}s",
            "LockDelay": "0.001s",  # the least: 0 stands for the default of 15 s
            "Behavior": "delete",
            "NodeChecks": node_checks,
            "ServiceChecks": [{"ID": check} for check in service_checks],
        }
        session: str = self._channel.put(CB.json(is_id=True), "/v1/session/create", data=json.dumps(wanted))
        return session

    def renew_session(self, session: str) -> None:
        """Give the session its time to live anew.

        Raises:
            SessionGone: there is none.
        """
        try:
            self._library.session.renew(session)
        except NotFound:
            raise SessionGone(f"{self._channel.endpoint}: Consul has ended the session") from None

    def destroy_session(self, session: str) -> None:
        """End the session and delete its keys; one that is gone is fine."""
        self._library.session.destroy(session)

    def register_service(self, name: str, ident: str, ttl: float) -> None:
        """Make, or make anew, a service with a check that fails `ttl` seconds after its last pass."""
        check = {
            "CheckID": ident,
            "Name": f"a vipagent's sign of life every {ttl:g} s",
            "TTL": f"{ttl:g}s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m",  # the least: tidies up after an agent that was killed
        }
        self._library.agent.service.register(name, service_id=ident, check=check)

    def deregister_service(self, ident: str) -> None:
        """Remove a service."""
        self._library.agent.service.deregister(ident)

    def pass_check(self, ident: str) -> bool:
        """Give the sign of life; False: there is no such check."""
        try:
            return bool(self._library.agent.check.ttl_pass(ident))
        except Refused as error:  # old versions answer 500, new ones 404
            if "does not have associated TTL" not in error.said:
                raise
            return False

    def version(self) -> str:
        """Return the Consul agent's version, as far as the token is let know it."""
        try:
            return str(self._library.agent.self()["Config"]["Version"])
        except (Refused, KeyError, TypeError):
            return "of an unknown version"

    def _list(self, path: str, index: int, wait: int, form: Mapping[str, bool]) -> tuple[int, list[Any]]:
        patience = self._channel.limits.timeout + (wait + wait / 16 if index else 0)
        at, found = self._library.kv.get(
            f"{path}/", index=index or None, wait=f"{wait}s", connections_timeout=patience, **form
        )
        if not found:
            # A list leaves out what the ACLs hide, without a word; reading the directory's own key says it
            self._library.kv.get(f"{path}/")
        return int(at), found or []

    def _transact(self, *steps: Mapping[str, Mapping[str, object]]) -> bool:
        try:
            self._library.txn.put(steps)
        except ClientError as error:
            said = str(error)
            if "invalid session" in said:
                raise SessionGone(f"{self._channel.endpoint}: Consul has ended the session") from None
            if "Permission denied" in said:
                key = steps[-1]["KV"]["Key"]
                raise Denied(f"{self._channel.endpoint}: Consul denies writing the key {key}") from None
            return False
        return True


def _held(entry: Mapping[str, Any]) -> Held:
    value = entry.get("Value") or b""
    return Held(value[:MAX_VALUE], entry.get("Session", ""), entry["ModifyIndex"])


def _step(verb: str, path: str, **more: object) -> dict[str, dict[str, object]]:
    return {"KV": {"Verb": verb, "Key": path, **more}}


def _lock(path: str, value: bytes, session: str) -> dict[str, dict[str, object]]:
    return _step("lock", path, Value=base64.b64encode(value).decode(), Session=session)
