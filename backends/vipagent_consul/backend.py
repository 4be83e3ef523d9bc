"""The backend: its parts, put together."""

import time

from vipagent.store.access import parse_options
from vipagent.store.backend import Backend, Entry, Listener, Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent_consul import commands
from vipagent_consul.hosts import Hosts
from vipagent_consul.keeper import Keeper
from vipagent_consul.options import ConsulOptions, check_prefix, parse_endpoints
from vipagent_consul.registrations import Registrations
from vipagent_consul.session import SessionKind
from vipagent_consul.state import SessionState
from vipagent_consul.watches import Watches


class ConsulBackend(Backend):
    """One session with Consul: a thread for it, one for its clock, one for each directory that is read."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        """Validate hosts, prefix and options.

        Raises:
            StoreConfigError: one of them can never work.
        """
        super().__init__(settings, listener)
        check_prefix(settings.prefix)
        options = parse_options(ConsulOptions, settings.options)
        endpoints = parse_endpoints(settings.hosts)
        kind = SessionKind(settings, options)
        self._commanded = Hosts(endpoints, options)
        self._registrations = Registrations(settings, self._poke)
        self._state = SessionState(listener, kind.life, self._cut)
        self._watches = Watches(settings.prefix, self._state, self._registrations, self._verify)
        self._keeper = Keeper(
            kind, Hosts(endpoints, options, kind.life / 6), self._state, self._registrations
        )

    def open(self) -> None:
        """See `Backend.open`."""
        self._state.start()
        self._keeper.start()

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._registrations.register(key, value)
        self._watches.need(key.directory)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._registrations.deregister(key)
        self._watches.prune(key.directory)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._watches.want(directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._watches.unwant(directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        path = self._path(directory)
        found = commands.carry_out(self._commanded, timeout, lambda client: commands.read(client, path))
        return {name: Entry(held.value, self._registrations.claim(held)) for name, held in found.items()}

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        path = self._path(key)
        commands.carry_out(self._commanded, timeout, lambda client: client.put(path, value))

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        path = self._path(key)
        return commands.carry_out(self._commanded, timeout, lambda client: commands.erase(client, path))

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        deadline = time.monotonic() + timeout
        self._state.close()
        watches = self._watches.stop()
        self._keeper.close(deadline)
        for watch in watches:
            watch.join(max(0.0, deadline - time.monotonic()))

    def _path(self, place: Directory | Key) -> str:
        return place.path(self.settings.prefix).strip("/")

    def _poke(self) -> None:
        self._keeper.poke()

    def _verify(self) -> None:
        self._keeper.verify()

    def _cut(self) -> None:
        self._watches.cut()
