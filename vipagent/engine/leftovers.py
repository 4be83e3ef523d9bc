"""Routes that an earlier run or an earlier configuration of this agent has left in ExaBGP (E2).

ExaBGP keeps the routes of a dead process. The services withdraw those of the configuration; the others are
the leftovers: their VIP, path identifier or neighbour has left the configuration since. They are told from
the routes of other processes by the recorded identities, and without a record by the pool.

A leftover of a VIP that is still in the pool may be its only route. It is withdrawn only once ExaBGP has
accepted the new route, or the service has decided not to announce one. Without ADD-PATH, two path identifiers
are one route for the neighbour, which the withdrawal removes: the new route is sent again then.

Every table is compared again, so what a table still shows is withdrawn again. A table can be incomplete: if
acknowledgements are disabled, a pause counts as its end. So what was recorded is forgotten only after two
tables without a leftover, `CONFIRM_DELAY` apart.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vipagent.config.settings import ServiceConfig
from vipagent.engine.effects import Effect, Log, SaveRoutes
from vipagent.exabgp import route
from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.table import RouteIdentity, Routes, TableRoute

Decision = Callable[[str], bool | None]
"""Returns whether a VIP of the pool is announced; None until that is decided, and accepted by ExaBGP."""
CONFIRM_DELAY = 10.0
"""Seconds between the first table without a leftover and the one that confirms it."""
MAX_LOGGED = 5
"""Maximum number of commands, or of prefixes, in a log entry."""


class Recorded(NamedTuple):
    """What this agent may have announced."""

    identities: frozenset[RouteIdentity] = frozenset()
    complete: bool = True
    """Whether no other route is ours; otherwise every route with one of these prefixes is (no record)."""


class Leftover(NamedTuple):
    """A route of one neighbour that is not in the configuration."""

    identity: RouteIdentity
    announced: bool | None
    """Whether the VIP is announced with its current identity; None if undecided; False outside the pool."""
    shared: bool = False
    """Whether the neighbour receives the VIP's current route as well, if it is announced."""

    @property
    def is_due(self) -> bool:
        """Whether to withdraw it now."""
        return self.announced is not None


def find(
    table: Iterable[TableRoute],
    recorded: Recorded,
    current: frozenset[RouteIdentity],
    announced: Callable[[str], bool | None],
) -> list[Leftover]:
    """Return the leftovers in a table, in a fixed order.

    Args:
        table: the routes that ExaBGP announces.
        recorded: what this agent may have announced.
        current: the identities of the configuration.
        announced: returns, by prefix of the pool, whether the route of the configuration is announced; None
            if that is undecided.
    """
    ours, desired = Routes(recorded.identities), Routes(current)
    found: set[Leftover] = set()
    for (neighbor, prefix, path_id), lines in _most_in_one_session(table).items():
        # the table does not tell the path identifier 0 from none, but for ExaBGP 5 these are two routes
        for possible in (None, 0) if path_id is None else (path_id,):
            is_ours = ours.has(prefix, possible, neighbor) if recorded.complete else ours.has_prefix(prefix)
            if not is_ours or desired.has(prefix, possible, neighbor):
                continue
            state = announced(prefix) if desired.has_prefix(prefix) else False
            if state and lines == 1 and path_id is None and _has_twin(desired, prefix, possible, neighbor):
                continue  # the only line is the announced route
            identity = RouteIdentity(prefix, possible, (neighbor,))
            found.add(Leftover(identity, state, desired.reaches(prefix, neighbor)))
    return sorted(found, key=lambda leftover: route.withdraw_left(leftover.identity))


def _most_in_one_session(table: Iterable[TableRoute]) -> Mapping[tuple[str, str, int | None], int]:
    """Return how many lines a session has, at most, with the same neighbour, prefix and path identifier."""
    most: dict[tuple[str, str, int | None], int] = {}
    lines = Counter(((line.neighbor, line.prefix, line.path_id), line.session) for line in table)
    for (key, _), number in lines.items():
        most[key] = max(number, most.get(key, 0))
    return most


def _has_twin(routes: Routes, prefix: str, path_id: int | None, neighbor: str) -> bool:
    return routes.has(prefix, 0 if path_id is None else None, neighbor)


@dataclass(slots=True)
class _Withdrawal:
    leftover: Leftover
    acknowledged: bool = False


class Leftovers:
    """Withdraws leftovers, and keeps account of the identities to record.

    Args:
        commands: receives the withdrawals, with the command itself as the key.
        earlier: the identities recorded by earlier runs; None without a record.
    """

    def __init__(self, commands: CommandQueue, earlier: frozenset[RouteIdentity] | None) -> None:
        self._commands = commands
        self._recorded = Recorded(earlier or frozenset(), complete=earlier is not None)
        self._saved = earlier
        self._current: frozenset[RouteIdentity] = frozenset()
        self._vips: dict[str, dict[str, str]] = {}
        """VIPs of each service by prefix."""
        self._settings: dict[str, route.RouteSettings] = {}
        self._sent: dict[str, _Withdrawal] = {}
        """Withdrawals that are not acknowledged, or will be repeated, by command."""
        self._table_is_old = False
        """Whether the next table may be older than the last change of the configuration."""
        self._none_since: float | None = None
        """Time of the first of the last tables without a leftover; None if the last one had any."""

    @property
    def pending(self) -> bool:
        """Whether another table is needed to know that nothing is left."""
        return bool(self._sent) or self._recorded != Recorded(self._current)

    @property
    def confirm_at(self) -> float | None:
        """When to read another table, which shows whether nothing is left; None: not needed."""
        if self._none_since is None or self._recorded == Recorded(self._current):
            return None
        return self._none_since + CONFIRM_DELAY

    def configure(self, services: Iterable[ServiceConfig]) -> list[SaveRoutes]:
        """Replace the configuration; return the effect that saves its identities with the earlier ones."""
        self._table_is_old = bool(self._settings)
        configs = list(services)
        self._settings = {config.name: config.routes for config in configs}
        self._vips = {config.name: _by_prefix(config.core.pool) for config in configs}
        self._current = configured(configs)
        self._recorded = Recorded(self._recorded.identities | self._current, self._recorded.complete)
        self._keep_desired()
        return self._save()

    def on_table(self, table: Collection[TableRoute], decision: Decision, now: float) -> list[Effect]:
        """Withdraw the leftovers in a table; return the effects that log them and save the identities."""
        vips = {prefix: vip for pool in self._vips.values() for prefix, vip in pool.items()}
        unknown = [] if self._recorded.complete else self._log_unknown(table)
        found = find(table, self._recorded, self._current, lambda prefix: decision(vips[prefix]))
        logs = self._withdraw([leftover for leftover in found if leftover.is_due])
        if not self._recorded.complete:
            left = frozenset(leftover.identity for leftover in found)
            self._recorded = Recorded(self._recorded.identities | left)
        if found or self._table_is_old:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = now
        elif now >= self._none_since + CONFIRM_DELAY:
            self._recorded = Recorded(self._current)
        self._table_is_old = False
        return [*unknown, *logs, *self._save()]

    def on_result(self, result: CommandResult, now: float) -> None:
        """Process the result of any command: a leftover is withdrawn twice, or again after the next table."""
        withdrawal = self._sent.get(result.vip)
        if withdrawal is None:
            return
        shared = withdrawal.leftover.shared
        if not (result.error or shared or withdrawal.acknowledged):
            withdrawal.acknowledged = True
            return
        self._commands.forget(result.vip)
        del self._sent[result.vip]
        if shared:
            self._send_current(withdrawal.leftover.identity.prefix, now)

    def announced(self, table: Iterable[TableRoute]) -> dict[str, frozenset[str]]:
        """Return the VIPs of each service that a table shows, with the identities of the configuration."""
        found: dict[tuple[str, int | None], set[str]] = {}
        for line in table:
            found.setdefault((line.prefix, line.path_id), set()).add(line.neighbor)

        def shows(settings: route.RouteSettings, prefix: str) -> bool:
            neighbors = found.get((prefix, settings.path_id or None), set())
            return bool(neighbors.intersection(settings.neighbor) if settings.neighbor else neighbors)

        return {
            name: frozenset(vip for prefix, vip in self._vips[name].items() if shows(settings, prefix))
            for name, settings in self._settings.items()
        }

    def _withdraw(self, leftovers: Iterable[Leftover]) -> list[Log]:
        new = [
            (line, leftover)
            for leftover in leftovers
            if (line := route.withdraw_left(leftover.identity)) not in self._sent
        ]
        for line, leftover in new:
            self._sent[line] = _Withdrawal(leftover)
            self._commands.withdraw(line, line)
        commands = [line for line, _ in new[:MAX_LOGGED]]
        entry = Log.warning(
            "withdrawing routes that an earlier configuration has left in ExaBGP",
            rule="E2",
            count=len(new),
            commands=commands,
        )
        return [entry] if new else []

    def _log_unknown(self, table: Iterable[TableRoute]) -> list[Log]:
        """Log the routes that an earlier run may have left, and that another process may have announced."""
        prefixes = sorted({line.prefix for line in table} - {identity.prefix for identity in self._current})
        entry = Log.info(
            "no record of earlier routes, keeping those that are not in the configuration",
            rule="E2",
            count=len(prefixes),
            prefixes=prefixes[:MAX_LOGGED],
        )
        return [entry] if prefixes else []

    def _keep_desired(self) -> None:
        """Stop withdrawing what the configuration names again."""
        desired = Routes(self._current)
        for line, withdrawal in list(self._sent.items()):
            identity = withdrawal.leftover.identity
            if not desired.has(identity.prefix, identity.path_id, *identity.neighbors):
                continue
            if self._commands.forget(line):
                del self._sent[line]
            else:  # it may reach ExaBGP after the announcement
                self._sent[line] = _Withdrawal(Leftover(identity, announced=True, shared=True))

    def _send_current(self, prefix: str, now: float) -> None:
        """Send the VIP's route again, and once more after ExaBGP has sent the withdrawal (A6)."""
        for pool in self._vips.values():
            if prefix in pool and self._commands.confirmed(pool[prefix]):
                self._commands.resend(pool[prefix])
        self._commands.neighbor_up(now)

    def _save(self) -> list[SaveRoutes]:
        if self._recorded.identities == self._saved:
            return []
        self._saved = self._recorded.identities
        return [SaveRoutes(self._saved)]


def configured(services: Iterable[ServiceConfig]) -> frozenset[RouteIdentity]:
    """Return the identities of all routes that services may announce."""
    routes = (route.identities(service.routes, service.core.pool) for service in services)
    return frozenset[RouteIdentity]().union(*routes)


def _by_prefix(vips: Iterable[str]) -> dict[str, str]:
    return {
        identity.prefix: vip for vip in vips for identity in route.identities(route.RouteSettings(), [vip])
    }
