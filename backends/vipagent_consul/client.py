"""Typed wrappers of Consul's API calls: py-consul's API with our HTTP transport."""

import json
from collections.abc import Mapping
from typing import Any

from consul.base import Consul
from consul.callback import CB
from consul.exceptions import ClientError, NotFound

from vipagent.net.endpoint import Endpoint
from vipagent.store.driver import Disconnected, EntryChanged, Refused, SessionEnded
from vipagent_consul.http import ConsulTransport

Entry = Mapping[str, Any]
"""A key in Consul's format: `Key`, `Value`, `Session` if it is locked, `ModifyIndex`."""


class Library(Consul):  # type: ignore[misc]  # it has no types
    """py-consul's API with our HTTP transport."""

    def __init__(self, endpoint: Endpoint, channel: ConsulTransport) -> None:
        self._channel = channel
        # set everything that py-consul would read from the environment
        super().__init__(endpoint.host, endpoint.port, scheme="http", consistency="consistent", verify=True)
        self.token = None  # would be CONSUL_HTTP_TOKEN; the transport sends the token

    def http_connect(self, *_: object, **__: object) -> ConsulTransport:
        """Return the transport of all calls."""
        return self._channel


class ConsulClient:
    """One Consul agent. Paths have no leading or trailing slash; every call may raise a `DriverError`."""

    def __init__(self, endpoint: Endpoint, channel: ConsulTransport) -> None:
        self._library = Library(endpoint, channel)
        self._channel = channel

    def close(self) -> None:
        """Close all connections."""
        self._channel.close()

    async def entries(
        self, path: str, index: int = 0, wait: float = 0, within: float | None = None
    ) -> tuple[int, dict[str, Entry]]:
        """Return all entries below `path` by name, and the index for the next query.

        Args:
            path: the directory.
            index: wait for a change after this index; 0: reply immediately.
            wait: maximum wait in seconds (Consul adds up to a sixteenth).
            within: timeout in seconds; None: the default of all calls.
        """
        at, found = await self._library.kv.get(
            f"{path}/", index=index or None, wait=f"{wait}s", recurse=True, connections_timeout=within
        )
        return int(at), {entry["Key"][len(path) + 1 :]: entry for entry in found or ()}

    async def check_readable(self, path: str) -> None:
        """Check whether an empty directory is readable.

        A listing silently omits keys that the ACLs hide, but reading the directory's own key fails.

        Raises:
            Refused: it is not readable.
        """
        await self._library.kv.get(f"{path}/")

    async def entry(self, path: str) -> Entry | None:
        """Return one key."""
        _, entry = await self._library.kv.get(path)
        return entry  # type: ignore[no-any-return]

    async def transact(self, path: str, *steps: Mapping[str, object]) -> int:
        """Execute a transaction for a key; return its new index, or 0 if it is deleted.

        Raises:
            EntryChanged: one of the steps failed.
            SessionEnded: the session for the lock does not exist.
        """
        try:
            done = await self._library.txn.put([{"KV": {"Key": path, **step}} for step in steps])
        except ClientError as error:
            message = str(error)
            if "invalid session" in message:
                raise SessionEnded("Consul has ended the session") from None
            if "Permission denied" in message:
                raise Refused(f"permission denied: cannot write the key {path}") from None
            raise EntryChanged(f"the key {path} has changed: {message[:300]!r}") from None
        return int(done["Results"][-1]["KV"]["ModifyIndex"]) if done["Results"] else 0

    async def create_session(
        self, name: str, ttl: int, node_checks: list[str], service_checks: list[str]
    ) -> str:
        """Create a session whose keys are deleted with it, without lock delay.

        Consul's default lock delay is 15 s. py-consul's own call does not support service checks, and
        always adds the serfHealth check.
        """
        wanted = {
            "Name": name,
            "TTL": f"{ttl}s",
            "LockDelay": "0.001s",  # the minimum: 0 means the default of 15 s
            "Behavior": "delete",
            "NodeChecks": node_checks,
            "ServiceChecks": [{"ID": check} for check in service_checks],
        }
        create = self._channel.put(CB.json(is_id=True), "/v1/session/create", data=json.dumps(wanted))
        return str(await create)

    async def renew_session(self, session: str) -> bool:
        """Renew the session; return False if it does not exist."""
        try:
            await self._library.session.renew(session)
        except NotFound:
            return False
        return True

    async def destroy_session(self, session: str) -> None:
        """End the session and delete its keys, if it exists."""
        await self._library.session.destroy(session)

    async def register_service(self, name: str, ident: str, ttl: float) -> None:
        """Register, or replace, a service with a TTL check of `ttl` seconds."""
        check = {
            "CheckID": ident,
            "Name": f"vipagent heartbeat, TTL {ttl:g} s",
            "TTL": f"{ttl:g}s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m",  # the minimum: cleans up after a killed agent
        }
        await self._library.agent.service.register(name, service_id=ident, check=check)

    async def deregister_service(self, ident: str) -> None:
        """Deregister a service."""
        await self._library.agent.service.deregister(ident)

    async def pass_check(self, ident: str) -> bool:
        """Pass the check; return False if it does not exist."""
        try:
            return bool(await self._library.agent.check.ttl_pass(ident))
        except Disconnected as error:  # old versions reply 500, new ones 404
            if "does not have associated TTL" not in str(error):
                raise
            return False

    async def version(self) -> str:
        """Return the Consul agent's version, if the token permits it."""
        try:
            return str((await self._library.agent.self())["Config"]["Version"])
        except (Refused, KeyError, TypeError):
            return "of an unknown version"
