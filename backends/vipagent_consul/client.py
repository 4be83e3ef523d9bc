"""Consul's calls that this backend makes, typed: py-consul's API over our own HTTP layer."""

import json
from collections.abc import Mapping
from typing import Any

from consul.base import Consul
from consul.callback import CB
from consul.exceptions import ClientError, NotFound

from vipagent.net.endpoint import Endpoint
from vipagent.store.driver import Disconnected, EntryChanged, Refused, SessionEnded
from vipagent_consul.http import Channel

Entry = Mapping[str, Any]
"""A key as Consul tells it: `Key`, `Value`, `Session` if it is locked, `ModifyIndex`."""


class Library(Consul):  # type: ignore[misc]  # it has no types
    """py-consul's API over our own HTTP."""

    def __init__(self, endpoint: Endpoint, channel: Channel) -> None:
        self._channel = channel
        # all that py-consul would otherwise take from the environment is given, or replaced
        super().__init__(endpoint.host, endpoint.port, scheme="http", consistency="consistent", verify=True)
        self.token = None  # CONSUL_HTTP_TOKEN would be here; the channel sends ours

    def http_connect(self, *_: object, **__: object) -> Channel:
        """Return what carries all calls."""
        return self._channel


class Client:
    """One Consul agent. Paths are keys without a slash at either end; every call raises a `DriverError`."""

    def __init__(self, endpoint: Endpoint, channel: Channel) -> None:
        self._library = Library(endpoint, channel)
        self._channel = channel

    def close(self) -> None:
        """Close all connections."""
        self._channel.close()

    async def entries(
        self, path: str, index: int = 0, wait: float = 0, patience: float | None = None
    ) -> tuple[int, dict[str, Entry]]:
        """Return all below `path` by their names there, and the index to wait from.

        Args:
            path: the directory.
            index: wait until something has changed since; 0: answer at once.
            wait: seconds to wait at most (Consul adds up to a sixteenth).
            patience: seconds in which there must be an answer; None: as for all calls.
        """
        at, found = await self._library.kv.get(
            f"{path}/", index=index or None, wait=f"{wait}s", recurse=True, connections_timeout=patience
        )
        return int(at), {entry["Key"][len(path) + 1 :]: entry for entry in found or ()}

    async def check_readable(self, path: str) -> None:
        """Find out whether a directory that seems empty may be read.

        A list leaves out what the ACLs hide, without a word; reading the directory's own key says it.

        Raises:
            Refused: it may not.
        """
        await self._library.kv.get(f"{path}/")

    async def entry(self, path: str) -> Entry | None:
        """Return one key."""
        _, entry = await self._library.kv.get(path)
        return entry  # type: ignore[no-any-return]

    async def transact(self, path: str, *steps: Mapping[str, object]) -> int:
        """Change a key by all these steps, or by none; return its index then, 0 if it is deleted.

        Raises:
            EntryChanged: one of them is not possible.
            SessionEnded: there is no such session to lock it with.
        """
        try:
            done = await self._library.txn.put([{"KV": {"Key": path, **step}} for step in steps])
        except ClientError as error:
            said = str(error)
            if "invalid session" in said:
                raise SessionEnded("Consul has ended the session") from None
            if "Permission denied" in said:
                raise Refused(f"Consul denies writing the key {path}") from None
            raise EntryChanged(f"the key {path} is not as it was: {said[:300]!r}") from None
        return int(done["Results"][-1]["KV"]["ModifyIndex"]) if done["Results"] else 0

    async def create_session(
        self, name: str, ttl: int, node_checks: list[str], service_checks: list[str]
    ) -> str:
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
        create = self._channel.put(CB.json(is_id=True), "/v1/session/create", data=json.dumps(wanted))
        return str(await create)

    async def renew_session(self, session: str) -> bool:
        """Give the session its time to live anew; False: there is none."""
        try:
            await self._library.session.renew(session)
        except NotFound:
            return False
        return True

    async def destroy_session(self, session: str) -> None:
        """End the session and delete its keys; one that is gone is fine."""
        await self._library.session.destroy(session)

    async def register_service(self, name: str, ident: str, ttl: float) -> None:
        """Make, or make anew, a service with a check that fails `ttl` seconds after its last pass."""
        check = {
            "CheckID": ident,
            "Name": f"a vipagent's sign of life every {ttl:g} s",
            "TTL": f"{ttl:g}s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m",  # the least: tidies up after an agent that was killed
        }
        await self._library.agent.service.register(name, service_id=ident, check=check)

    async def deregister_service(self, ident: str) -> None:
        """Remove a service."""
        await self._library.agent.service.deregister(ident)

    async def pass_check(self, ident: str) -> bool:
        """Give the sign of life; False: there is no such check."""
        try:
            return bool(await self._library.agent.check.ttl_pass(ident))
        except Disconnected as error:  # old versions answer 500, new ones 404
            if "does not have associated TTL" not in str(error):
                raise
            return False

    async def version(self) -> str:
        """Return the Consul agent's version, as far as the token is let know it."""
        try:
            return str((await self._library.agent.self())["Config"]["Version"])
        except (Refused, KeyError, TypeError):
            return "of an unknown version"
