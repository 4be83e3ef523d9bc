"""Routes that an earlier run has left: what is withdrawn, when, and what is recorded (E2)."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.quick.core.pools import service
from vipagent.config.settings import ServiceConfig
from vipagent.core.actions import Preference
from vipagent.engine.effects import Effect, Log, SaveRoutes
from vipagent.engine.leftovers import CONFIRM_DELAY, Leftovers, Recorded, configured, find
from vipagent.exabgp.commands import RESEND_DELAY_AFTER_UP, CommandQueue
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.prefixes import WITHDRAW_REPEAT_DELAY
from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.route import RouteSettings, announce, respelled, withdraw, withdraw_left
from vipagent.exabgp.table import RouteIdentity, TableRoute

A, B = "192.0.2.1", "192.0.2.2"
VIP, OTHER, REMOVED = "10.0.0.1", "10.0.0.2", "10.0.0.9"


def identity(vip: str, path_id: int | None = None, *neighbors: str) -> RouteIdentity:
    return RouteIdentity(f"{vip}/32", path_id, neighbors)


def line(vip: str, path_id: int | None = None, neighbor: str = A) -> TableRoute:
    return TableRoute(neighbor, f"{vip}/32", path_id, "next-hop self")


def withdrawn(
    table: Iterable[TableRoute],
    recorded: Iterable[RouteIdentity] | None,
    current: Iterable[RouteIdentity],
    announced: Mapping[str, bool] | None = None,
) -> list[str]:
    """Return the commands for the leftovers that are due; VIPs that are not in `announced` are undecided."""
    desired, decided = frozenset(current), announced or {}
    record = Recorded(desired | frozenset(recorded or ()), complete=recorded is not None)
    found = find(table, record, desired, lambda prefix: decided.get(prefix.removesuffix("/32")))
    return [withdraw_left(leftover.identity) for leftover in found if leftover.is_due]


def test_a_removed_vip_is_withdrawn_at_each_neighbour() -> None:
    table = [line(VIP), line(REMOVED), line(REMOVED, neighbor=B), line("10.99.0.1")]
    assert withdrawn(table, [identity(VIP), identity(REMOVED)], [identity(VIP)]) == [
        f"neighbor {A} withdraw route {REMOVED}/32",
        f"neighbor {B} withdraw route {REMOVED}/32",
    ]


def test_a_removed_vip_that_is_not_recorded_belongs_to_another_process() -> None:
    assert withdrawn([line(REMOVED)], [identity(VIP)], [identity(VIP)]) == []
    assert withdrawn([line(REMOVED)], None, [identity(VIP)]) == []


def test_another_path_of_a_recorded_vip_belongs_to_another_process() -> None:
    recorded = [identity(VIP), identity(REMOVED, 7)]
    table = [line(REMOVED, 8), line(VIP, 9)]
    assert withdrawn(table, recorded, [identity(VIP)], {VIP: True}) == []


def test_a_changed_path_identifier_is_withdrawn_once_its_vip_is_decided() -> None:
    table, recorded, current = [line(VIP, 7)], [identity(VIP, 7)], [identity(VIP, 8)]
    command = [f"neighbor {A} withdraw route {VIP}/32 path-information 7"]
    assert withdrawn(table, recorded, current) == []
    assert withdrawn(table, recorded, current, {OTHER: True}) == []
    assert withdrawn(table, recorded, current, {VIP: True}) == command
    assert withdrawn(table, recorded, current, {VIP: False}) == command


@pytest.mark.parametrize("recorded", [[identity(VIP)], None], ids=["record", "pool"])
def test_a_neighbour_that_has_left_the_configuration(recorded: list[RouteIdentity] | None) -> None:
    table = [line(VIP), line(VIP, neighbor=B)]
    command = f"neighbor {B} withdraw route {VIP}/32"
    commands = [command] if recorded else [command, f"{command} path-information 0"]
    assert withdrawn(table, recorded, [identity(VIP, None, A)], {VIP: True}) == commands
    assert withdrawn(table, recorded, [identity(VIP, None, A)]) == []


def test_recorded_neighbours_only() -> None:
    recorded = [identity(REMOVED, None, A), identity(REMOVED, 3, B)]
    table = [line(REMOVED, None, B), line(REMOVED, None, A), line(REMOVED, 3, B), line(REMOVED, 3, A)]
    assert withdrawn(table, recorded, [identity(VIP)]) == [
        f"neighbor {A} withdraw route {REMOVED}/32",
        f"neighbor {B} withdraw route {REMOVED}/32 path-information 3",
    ]


def test_overlapping_records_are_united() -> None:
    recorded = [identity(REMOVED, None, A), identity(REMOVED), identity(REMOVED, None, B)]
    assert len(withdrawn([line(REMOVED, None, "192.0.2.3")], recorded, [])) == 1
    recorded.remove(identity(REMOVED))
    assert len(withdrawn([line(REMOVED, None, A), line(REMOVED, None, B)], recorded, [])) == 2


def test_the_pool_stands_in_for_a_missing_record() -> None:
    table = [line(VIP, 7, B), line(OTHER), line("10.99.0.1")]
    command = [f"neighbor {B} withdraw route {VIP}/32 path-information 7"]
    assert withdrawn(table, None, [identity(VIP), identity(OTHER)], {VIP: True, OTHER: True}) == command


def test_path_identifier_zero_is_another_route_that_looks_the_same() -> None:
    recorded, current = [identity(VIP, 0)], [identity(VIP)]
    command = [f"neighbor {A} withdraw route {VIP}/32 path-information 0"]
    assert withdrawn([line(VIP), line(VIP)], recorded, current, {VIP: True}) == command
    assert withdrawn([line(VIP)], recorded, current, {VIP: True}) == [], "that is the current route"
    assert withdrawn([line(VIP)], recorded, current, {VIP: False}) == command
    assert withdrawn([line(VIP), line(VIP)], recorded, current) == []
    assert withdrawn([line(VIP)], [identity(VIP)], [identity(VIP, 0)], {VIP: False}) == [
        f"neighbor {A} withdraw route {VIP}/32"
    ]
    assert withdrawn([line(REMOVED)], [identity(REMOVED, 0)], current) == [
        f"neighbor {A} withdraw route {REMOVED}/32 path-information 0"
    ]


PREFIXES = st.sampled_from([VIP, OTHER, REMOVED, "10.99.0.1"])
PATHS = st.sampled_from([None, 0, 1, 2])
NEIGHBORS = st.sampled_from([A, B])
IDENTITIES = st.frozensets(
    st.builds(
        lambda vip, path_id, neighbors: identity(vip, path_id, *sorted(neighbors)),
        PREFIXES,
        PATHS,
        st.frozensets(NEIGHBORS),
    )
)
TABLES = st.lists(
    st.builds(lambda vip, path_id, neighbor: line(vip, path_id or None, neighbor), PREFIXES, PATHS, NEIGHBORS)
)


def matches(identities: Iterable[RouteIdentity], single: RouteIdentity) -> bool:
    return any(
        (each.prefix, each.path_id) == (single.prefix, single.path_id)
        and (not each.neighbors or set(single.neighbors) <= set(each.neighbors))
        for each in identities
    )


@given(TABLES, IDENTITIES, IDENTITIES, st.dictionaries(PREFIXES, st.booleans()), st.booleans())
def test_no_desired_and_no_foreign_route_is_withdrawn(
    table: list[TableRoute],
    recorded: frozenset[RouteIdentity],
    current: frozenset[RouteIdentity],
    announced: dict[str, bool],
    complete: bool,
) -> None:
    record = Recorded(recorded if complete else current, complete)
    found = find(table, record, current, lambda prefix: announced.get(prefix.removesuffix("/32")))
    pool = {each.prefix for each in current}
    shown = {(route.neighbor, route.prefix, route.path_id) for route in table}
    for leftover in found:
        single = leftover.identity
        assert not matches(current, single)
        assert matches(recorded, single) if complete else single.prefix in pool
        assert (*single.neighbors, single.prefix, single.path_id or None) in shown
        if leftover.is_due and single.prefix in pool:
            assert single.prefix.removesuffix("/32") in announced


class Box:
    """The leftovers of one agent, and an ExaBGP with its table.

    Args:
        earlier: the recorded identities.
        routes: the routes in ExaBGP's table at the start: neighbour, VIP and path identifier.
        settings: the routes of the configuration, for the pool of one service.
    """

    def __init__(
        self,
        earlier: Iterable[RouteIdentity] | None,
        routes: Iterable[tuple[str, str, int | None]],
        *settings: ServiceConfig,
    ) -> None:
        self.now = 0.0
        self.queue = CommandQueue(poll_interval=float("inf"))
        self.leftovers = Leftovers(self.queue, None if earlier is None else frozenset(earlier))
        self.routes = set(routes)
        self.announced: dict[str, bool] = {}
        self.saved: Set[RouteIdentity] = frozenset(earlier or ())
        self.written: list[str] = []
        self._exchange(self.queue.next_lines(self.now))
        self.configure(*settings)

    def configure(self, *settings: ServiceConfig) -> None:
        self.settings = settings
        self._execute(self.leftovers.configure(settings))

    def read_table(self) -> list[str]:
        """Let the agent read the table; return the commands that follow immediately."""
        self.written.clear()
        table = [line(vip, path_id or None, neighbor) for neighbor, vip, path_id in self.routes]
        self._execute(self.leftovers.on_table(table, self.announced.get, self.now))
        self.run()
        return self.written

    def confirm(self) -> list[str]:
        """Let the agent read the table a second time; return the commands that follow immediately."""
        self.wait(CONFIRM_DELAY)
        return self.read_table()

    def run(self) -> None:
        while lines := self.queue.next_lines(self.now):
            self._exchange(lines)

    def wait(self, seconds: float) -> list[str]:
        """Advance the time; return the commands written in it."""
        self.written.clear()
        end = self.now + seconds
        while (at := self.queue.deadline()) is not None and at <= end:
            self.now = at
            self.queue.handle_timeouts(self.now)
            self.run()
        self.now = end
        return self.written

    def _execute(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SaveRoutes):
                self.saved = effect.identities
            else:
                assert isinstance(effect, Log)

    def _exchange(self, lines: list[str]) -> None:
        for text in lines:
            if text == SHOW_NEIGHBORS:
                self.queue.poller.answer_started(self.now)
            else:
                self.written.append(text)
                self._obey(text.split())
            if isinstance(result := self.queue.reply_received("", self.now), CommandResult):
                self.leftovers.on_result(result, self.now)

    def _obey(self, words: list[str]) -> None:
        neighbors = [word.rstrip(",") for word in words if word.rstrip(",") in {A, B}] or [A, B]
        at = words.index("route") + 1
        path_id = int(words[at + 2]) if words[at + 1 : at + 2] == ["path-information"] else None
        change = self.routes.add if "announce" in words else self.routes.discard
        for neighbor in neighbors:
            change((neighbor, words[at].removesuffix("/32"), path_id))


def pool(*vips: str, name: str = "apex", **routes: object) -> ServiceConfig:
    core = service(name=name, owned=vips[:1], owners=tuple((vip,) for vip in vips))
    return ServiceConfig(core, replace(RouteSettings(), **routes))  # type: ignore[arg-type]


def test_a_withdrawal_is_repeated_once_and_then_forgotten() -> None:
    box = Box([identity(REMOVED)], [(A, REMOVED, None)], pool(VIP))
    assert box.saved == {identity(VIP), identity(REMOVED)}
    command = f"neighbor {A} withdraw route {REMOVED}/32"
    assert box.read_table() == [command]
    assert box.wait(WITHDRAW_REPEAT_DELAY) == [command]
    assert box.leftovers.pending
    assert box.read_table() == []
    assert box.confirm() == []
    assert box.saved == {identity(VIP)}
    assert not box.leftovers.pending
    box.queue.neighbor_up(box.now)
    assert box.wait(1000) == [], "another process may announce it from now on"


@pytest.mark.parametrize("announced", [{}, {VIP: True}], ids=["undecided", "decided"])
def test_a_table_that_does_not_show_a_leftover_must_be_confirmed(announced: dict[str, bool]) -> None:
    """Without acknowledgements, a pause of ExaBGP counts as the end of the table."""
    box = Box([identity(VIP, 7)], [(A, VIP, 7)], pool(VIP))
    box.read_table()
    complete, box.routes = box.routes, set()
    box.announced = announced
    assert box.leftovers.confirm_at is None, "it is undecided"
    box.read_table()
    box.wait(1)
    assert box.read_table() == []
    assert box.saved == {identity(VIP), identity(VIP, 7)}
    assert box.leftovers.confirm_at == CONFIRM_DELAY
    box.routes, box.announced[VIP] = complete, True
    assert box.confirm()[:1] == [f"neighbor {A} withdraw route {VIP}/32 path-information 7"]
    assert box.leftovers.confirm_at is None
    box.read_table()
    box.confirm()
    assert box.leftovers.confirm_at is None
    assert box.saved == {identity(VIP)}


def test_what_a_table_still_shows_is_withdrawn_again() -> None:
    box = Box([identity(REMOVED)], [(A, REMOVED, None)], pool(VIP))
    box.read_table()
    box.routes.add((A, REMOVED, None))
    assert box.read_table() == [], "it is in progress"
    box.wait(WITHDRAW_REPEAT_DELAY)
    box.routes.add((A, REMOVED, None))
    assert len(box.read_table()) == 1


def test_a_changed_path_identifier_is_replaced_and_the_new_route_sent_again() -> None:
    """Without ADD-PATH, the withdrawal of one removes both."""
    box = Box([identity(VIP, 7)], [(A, VIP, 7), (B, VIP, 7)], pool(VIP, path_id=8))
    assert box.read_table() == []
    [line] = announce(RouteSettings(path_id=8), VIP, Preference(0))
    box.queue.announce(VIP, (line,))
    box.run()
    box.announced[VIP] = True
    old = [f"neighbor {neighbor} withdraw route {VIP}/32 path-information 7" for neighbor in (A, B)]
    assert box.read_table() == [*old, respelled(line)]
    assert box.wait(RESEND_DELAY_AFTER_UP) == [line], "and the withdrawals are not repeated"
    assert box.routes == {(A, VIP, 8), (B, VIP, 8)}
    assert box.read_table() + box.confirm() == []
    assert box.saved == {identity(VIP, 8)}


def test_the_record_keeps_what_waits_for_a_decision() -> None:
    box = Box(None, [(A, VIP, 7), (A, "10.99.0.1", None)], pool(VIP))
    assert box.saved == {identity(VIP)}
    box.read_table()
    assert box.saved == {identity(VIP), identity(VIP, 7, A)}, "the pool may be another one in the next run"
    box.announced[VIP] = False
    assert box.read_table()[:1] == [f"neighbor {A} withdraw route {VIP}/32 path-information 7"]
    box.read_table()
    box.confirm()
    assert box.saved == {identity(VIP)}
    assert box.routes == {(A, "10.99.0.1", None)}


@pytest.mark.parametrize(
    ("earlier", "logged"),
    [(None, ["10.0.0.9/32", "10.99.0.1/32"]), ([identity(VIP)], None)],
    ids=["none", "record"],
)
def test_without_a_record_the_routes_that_may_be_left_are_logged_once(
    earlier: list[RouteIdentity] | None, logged: list[str] | None
) -> None:
    leftovers = Leftovers(CommandQueue(), None if earlier is None else frozenset(earlier))
    leftovers.configure([pool(VIP)])
    table = [line(VIP), line(REMOVED), line(REMOVED, neighbor=B), line("10.99.0.1")]
    effects = [effect for now in (0, 1) for effect in leftovers.on_table(table, lambda _: True, now)]
    found = [effect.fields["prefixes"] for effect in effects if isinstance(effect, Log)]
    assert found == ([logged] if logged else [])


def test_a_reload_records_both_configurations_until_a_newer_table() -> None:
    box = Box([], [], pool(VIP))
    box.read_table()
    box.configure(pool(VIP, path_id=7))
    both = {identity(VIP), identity(VIP, 7)}
    assert box.saved == both
    box.read_table()
    assert box.saved == both, "this table may be older than the reload"
    box.read_table()
    box.confirm()
    assert box.saved == {identity(VIP, 7)}


def test_a_reload_that_names_a_leftover_again_keeps_it() -> None:
    box = Box([identity(REMOVED)], [(A, REMOVED, None)], pool(VIP))
    box.read_table()
    box.configure(pool(VIP, REMOVED))
    box.routes.add((A, REMOVED, None))
    assert box.wait(WITHDRAW_REPEAT_DELAY) == []
    box.read_table()
    assert box.routes == {(A, REMOVED, None)}


def test_a_withdrawal_in_flight_at_the_reload_is_followed_by_the_announcement() -> None:
    box = Box([identity(REMOVED)], [(A, REMOVED, None)], pool(VIP))
    box.leftovers.on_table([line(REMOVED)], box.announced.get, box.now)
    sent = box.queue.next_lines(box.now)
    box.configure(pool(VIP, REMOVED))
    [text] = announce(RouteSettings(), REMOVED, Preference(1))
    box.queue.announce(REMOVED, (text,))
    box.run()
    box.written.clear()
    box._exchange(sent)
    box.run()
    assert (A, REMOVED, None) in box.routes or respelled(text) in box.wait(RESEND_DELAY_AFTER_UP)


def test_a_refused_withdrawal_waits_for_the_next_table() -> None:
    """ExaBGP refuses commands for a neighbour that has left its configuration."""
    box = Box([identity(REMOVED)], [(A, REMOVED, None)], pool(VIP))
    box.leftovers.on_table([line(REMOVED)], box.announced.get, box.now)
    box.queue.next_lines(box.now)
    result = box.queue.reply_received("rejected by ExaBGP", box.now)
    assert isinstance(result, CommandResult)
    box.leftovers.on_result(result, box.now)
    assert box.wait(100) == []
    assert len(box.read_table()) == 1


def test_vips_in_the_table_by_service_and_current_identity() -> None:
    box = Box(
        [],
        [],
        pool(VIP, OTHER, path_id=0),
        pool("10.0.1.1", "10.0.1.2", name="two", path_id=3, neighbor=(B,)),
    )
    table = [line(VIP), line(OTHER, 5), line("10.0.1.1", 3, A), line("10.0.1.2", 3, B), line("10.99.0.1")]
    assert box.leftovers.announced(table) == {"apex": {VIP}, "two": {"10.0.1.2"}}


SETTINGS = st.builds(
    lambda vips, path_id, neighbor: [pool(*sorted(vips), path_id=path_id, neighbor=neighbor)] if vips else [],
    st.frozensets(st.sampled_from([VIP, OTHER, REMOVED])),
    PATHS,
    st.sampled_from([(), (A,), (B,), (A, B)]),
)


def expected(settings: Iterable[ServiceConfig], vips: Iterable[str]) -> set[tuple[str, str, int | None]]:
    """Return the routes of these VIPs."""
    return {
        (neighbor, vip, config.routes.path_id)
        for config in settings
        for vip in vips
        for neighbor in config.routes.neighbor or (A, B)
    }


@given(SETTINGS, SETTINGS, st.data())
def test_in_the_end_only_the_desired_routes_are_left(
    before: list[ServiceConfig], after: list[ServiceConfig], data: st.DataObject
) -> None:
    """From any table of the earlier configuration, and with decisions at any time."""
    vips = [vip for config in before for vip in config.core.pool]
    others = {(A, "10.99.0.1", None), (B, VIP, 9)}
    box = Box(configured(before), expected(before, vips) | others, *after)
    undecided = [vip for config in after for vip in config.core.pool]
    served = {vip for _, vip, path_id in box.routes if path_id != 9}
    chosen: set[str] = set()
    for vip in data.draw(st.permutations(undecided)):
        for _ in range(data.draw(st.integers(0, 2))):
            box.read_table()
            assert {vip for _, vip, path_id in box.routes if path_id != 9} >= served.intersection(undecided)
        (config,) = after
        if data.draw(st.booleans()):
            box.queue.announce(vip, announce(config.routes, vip, Preference(0)))
            chosen.add(vip)
        else:
            box.queue.withdraw(vip, withdraw(config.routes, vip))
        box.run()
        box.announced[vip] = vip in chosen
        undecided.remove(vip)
    for _ in range(3):
        box.read_table()
        box.wait(WITHDRAW_REPEAT_DELAY)
    box.confirm()
    assert box.routes == expected(after, chosen) | others
    assert box.saved == configured(after)
    assert not box.leftovers.pending


def test_two_sessions_with_one_neighbour_are_not_two_paths() -> None:
    table = [replace(line(VIP), session=f"local-ip 192.0.2.{number}") for number in (8, 9)]
    assert withdrawn(table, None, [identity(VIP)], {VIP: True}) == []
    both = [*table, table[0]]
    command = f"neighbor {A} withdraw route {VIP}/32 path-information 0"
    assert withdrawn(both, None, [identity(VIP)], {VIP: True}) == [command]
