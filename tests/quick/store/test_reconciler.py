"""What the reconciler requests, and what it tells, one listing and one outcome at a time."""

import random
from collections.abc import Iterator
from itertools import count

import pytest

from vipagent.core.words import Claim
from vipagent.store.backend import Entry
from vipagent.store.driver import Found, Holder, Listing
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.reconciler import IMMEDIATE_RETRIES, REFUSED_DELAY, Reconciler
from vipagent.store.records import Registration as Record
from vipagent.store.registration import Delete, Get, Put, StoreRequest

MEMBERS = Directory(Kind.MEMBERS, "apex")
KEY = Key(MEMBERS, "10.0.0.1")
VALUE = Record("node1", "run1").dump()
EARLIER_RUN = Record("node1", "run0").dump()
SOMEBODY = Record("node2", "run7").dump()
NAMES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@pytest.fixture
def reconciler() -> Reconciler:
    """One that is connected, and of whose directory nothing is known."""
    reconciler = Reconciler("node1", "run1")
    reconciler.connected()
    return reconciler


def now(reconciler: Reconciler, at: float = 0.0) -> list[StoreRequest]:
    return list(reconciler.requests(at))


def only(reconciler: Reconciler, at: float = 0.0) -> StoreRequest:
    [request] = now(reconciler, at)
    return request


def registered(reconciler: Reconciler) -> Found:
    """Have the entry made; return it."""
    reconciler.register(KEY, VALUE)
    reconciler.listed(MEMBERS, {})
    found = Found(VALUE, 1, Holder.OURS)
    reconciler.done(only(reconciler), found)
    reconciler.listed(MEMBERS, {KEY.name: found})
    assert now(reconciler) == []
    return found


class TestRegistering:
    """G2 and G3."""

    def test_nothing_is_requested_before_the_directory_was_listed(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        assert now(reconciler) == []
        assert MEMBERS in reconciler.interests[0]
        assert reconciler.interests[1] == {MEMBERS}, "of the others nobody wants to know"
        reconciler.listed(MEMBERS, {})
        request = only(reconciler)
        assert isinstance(request, Put)
        assert (request.value, request.expected) == (VALUE, None)

    def test_nothing_is_requested_without_a_connection(self) -> None:
        reconciler = Reconciler("node1", "run1")
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        assert now(reconciler) == []

    def test_one_request_at_a_time_for_an_entry(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        request = only(reconciler)
        reconciler.register(KEY, b"another")
        reconciler.listed(MEMBERS, {})
        assert now(reconciler) == []
        reconciler.done(request, Found(VALUE, 1, Holder.OURS))
        assert isinstance(only(reconciler), Get), "the listing and the outcome do not agree"

    def test_an_update_compares_with_what_is_there(self, reconciler: Reconciler) -> None:
        found = registered(reconciler)
        reconciler.register(KEY, b"another")
        request = only(reconciler)
        assert isinstance(request, Put)
        assert request.expected == found

    @pytest.mark.parametrize(
        ("value", "holder", "replaced"),
        [
            (VALUE, Holder.OTHER, True),  # of an earlier session of this very run
            (b"", Holder.EARLIER, True),
            (EARLIER_RUN, Holder.OTHER, True),
            (SOMEBODY, Holder.OTHER, False),
            (b"", Holder.OTHER, False),  # ExaZK's
        ],
    )
    def test_whose_entry_is_replaced(
        self, reconciler: Reconciler, value: bytes, holder: Holder, replaced: bool
    ) -> None:
        there = Found(value, 7, holder)
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: there})
        assert [request.expected for request in now(reconciler) if isinstance(request, Put)] == (
            [there] if replaced else []
        )

    def test_a_duplicate_agent_s_entry_is_left_alone_once_ours_was_there(
        self, reconciler: Reconciler
    ) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 9)})
        assert now(reconciler) == []
        reconciler.listed(MEMBERS, {})
        assert isinstance(only(reconciler), Put), "as soon as it is gone"

    def test_deregistered_and_registered_again_it_may_replace(self, reconciler: Reconciler) -> None:
        found = registered(reconciler)
        reconciler.deregister(KEY)
        reconciler.done(only(reconciler), None)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 9)})
        assert now(reconciler) == []
        reconciler.register(KEY, VALUE)
        assert isinstance(only(reconciler), Put)
        assert found.version == 1

    def test_what_others_write_into_our_entry_stays(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(b"overwritten", 2, Holder.OURS)})
        assert now(reconciler) == []
        reconciler.register(KEY, VALUE)
        assert now(reconciler) == [], "nothing else is desired than before"

    def test_a_lost_entry_is_made_again(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {})
        assert isinstance(only(reconciler), Put)

    def test_deregistered_at_once(self, reconciler: Reconciler) -> None:
        found = registered(reconciler)
        reconciler.deregister(KEY)
        request = only(reconciler)
        assert isinstance(request, Delete)
        assert request.found == found

    def test_what_is_not_ours_is_not_removed(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: Found(SOMEBODY, 3)})
        reconciler.deregister(KEY)
        assert now(reconciler) == []
        assert reconciler.interests[0] == {}, "and it is forgotten"

    def test_what_a_frozen_server_did_too_late_is_undone(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.deregister(KEY)
        reconciler.done(only(reconciler), None)
        reconciler.listed(MEMBERS, {})
        assert now(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 5, Holder.OURS)})
        assert isinstance(only(reconciler), Delete)


class TestUnknown:
    """Requests without an outcome, and outcomes that nobody waits for any more."""

    def test_after_a_reconnection_all_waits_for_a_listing(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.register(KEY, b"another")
        lost = only(reconciler)
        reconciler.disconnected()
        reconciler.done(lost, Found(b"another", 2, Holder.OURS))
        assert now(reconciler) == []
        reconciler.connected()
        reconciler.register(KEY, b"a third one")
        assert now(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 1, Holder.EARLIER)})
        request = only(reconciler)
        assert isinstance(request, Put)
        assert request.value == b"a third one"

    def test_an_entry_whose_value_was_not_read_is_looked_at(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: None})
        assert isinstance(only(reconciler), Get)

    def test_overtaken_it_looks_again_soon_and_then_more_rarely(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        for _ in range(IMMEDIATE_RETRIES):
            reconciler.entry_changed(only(reconciler), 0.0)
        reconciler.entry_changed(only(reconciler), 0.0)
        assert now(reconciler) == []
        assert reconciler.due is not None
        assert 0 < reconciler.due < 1
        assert isinstance(only(reconciler, 1.0), Get)

    def test_a_refusal_delays_its_own_entry_alone(self, reconciler: Reconciler) -> None:
        other = Key(MEMBERS, "10.0.0.2")
        for key in (KEY, other):
            reconciler.register(key, VALUE)
        reconciler.listed(MEMBERS, {})
        first, second = now(reconciler)
        reconciler.refused(first, 0.0)
        reconciler.done(second, Found(VALUE, 1, Holder.OURS))
        reconciler.listed(MEMBERS, {other.name: Found(VALUE, 1, Holder.OURS)})
        assert now(reconciler) == []
        assert reconciler.due == pytest.approx(REFUSED_DELAY[0], rel=0.5)
        assert isinstance(only(reconciler, REFUSED_DELAY[0]), Get | Put)

    def test_a_desire_that_changes_is_tried_at_once(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        reconciler.refused(only(reconciler), 0.0)
        reconciler.register(KEY, b"another")
        assert isinstance(only(reconciler), Get)

    def test_an_answer_that_was_lost_is_found_in_the_listing(self, reconciler: Reconciler) -> None:
        """The entry is as desired: nothing is requested, and a duplicate agent's is known as one."""
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        only(reconciler)
        reconciler.connected()
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 1, Holder.OURS)})
        assert now(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(b"overwritten", 2, Holder.OURS)})
        assert now(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 3)})
        assert now(reconciler) == []

    def test_a_duplicate_agent_that_replaces_ours_at_once_is_left_alone(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        request = only(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 2)})
        reconciler.done(request, Found(VALUE, 1, Holder.OURS))
        look = only(reconciler)
        assert isinstance(look, Get)
        reconciler.done(look, Found(EARLIER_RUN, 2))
        assert now(reconciler) == []


class TestTelling:
    """Snapshots (L4)."""

    def test_each_connection_tells_all_anew(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        for _ in range(2):
            reconciler.connected()
            assert list(reconciler.snapshots()) == [], "what is unknown is not empty"
            reconciler.listed(MEMBERS, {})
            reconciler.listed(MEMBERS, {})
            assert list(reconciler.snapshots()) == [(MEMBERS, {})]
            assert list(reconciler.snapshots()) == []

    def test_what_has_not_changed_is_not_told_again(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        for told in (1, 0):
            reconciler.listed(MEMBERS, {KEY.name: Found(SOMEBODY, 1)})
            assert len(list(reconciler.snapshots())) == told

    def test_a_listing_that_comes_after_the_end_says_nothing(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        reconciler.disconnected()
        reconciler.listed(MEMBERS, {})
        assert list(reconciler.snapshots()) == []

    def test_values_that_nobody_needs_come_empty(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, frozenset({KEY.name}))
        found = Found(SOMEBODY, 1)
        reconciler.listed(MEMBERS, {KEY.name: found, "10.0.0.2": found, "10.0.0.3": None})
        [(_, snapshot)] = reconciler.snapshots()
        assert snapshot == {
            KEY.name: Entry(SOMEBODY, Claim.OTHER),
            "10.0.0.2": Entry(),
            "10.0.0.3": Entry(),
        }

    def test_a_value_that_is_needed_now_is_waited_for(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, frozenset())
        reconciler.listed(MEMBERS, {KEY.name: None})
        assert len(list(reconciler.snapshots())) == 1
        reconciler.watch(MEMBERS, None)
        assert list(reconciler.snapshots()) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(SOMEBODY, 1)})
        assert list(reconciler.snapshots()) == [(MEMBERS, {KEY.name: Entry(SOMEBODY, Claim.OTHER)})]

    def test_unwatched_it_falls_silent(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        reconciler.unwatch(MEMBERS)
        reconciler.listed(MEMBERS, {})
        assert list(reconciler.snapshots()) == []


class Store:
    """A store that does what is requested, late, never, or without an answer; foreign clients disturb it."""

    def __init__(self, rng: random.Random) -> None:
        self.entries: dict[str, Found] = {}
        self._rng = rng
        self._versions = count(1)

    def set(self, name: str, value: bytes, holder: Holder) -> Found:
        self.entries[name] = Found(value, next(self._versions), holder)
        return self.entries[name]

    def act(self, request: StoreRequest) -> Iterator[Found | None]:
        """Do it; yield what is there then, and nothing if it was overtaken."""
        found = self.entries.get(request.key.name)
        match request:
            case Get(_):
                yield found
            case Put(key, value, expected) if (expected and expected.version) == (found and found.version):
                yield self.set(key.name, value, Holder.OURS)
            case Delete(key, expected) if found is not None and expected.version == found.version:
                del self.entries[key.name]
                yield None
            case _:
                pass

    def disturb(self, name: str) -> None:
        """Do what a foreign client, a clean-up, a duplicate agent or a frozen server might."""
        if self._rng.random() < 0.5:
            self.entries.pop(name, None)
        else:
            self.set(
                name, self._rng.choice([SOMEBODY, b"", EARLIER_RUN, VALUE]), self._rng.choice(list(Holder))
            )

    def listing(self) -> Listing:
        return dict(self.entries)


class Run:
    """A reconciler and its store under late listings, lost answers, reconnections, and foreign clients."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store, self.reconciler = Store(self.rng), Reconciler("node1", "run1")
        self.desired: dict[str, bytes] = {}
        self.under_way: list[StoreRequest] = []
        self.late: list[Listing] = []
        self.reconciler.watch(MEMBERS, None)
        self.reconciler.connected()

    def step(self, at: float) -> None:
        """Let one thing happen."""
        kinds = [self.desire, self.disturb, self.reconnect, self.list, self.request, self.request]
        self.rng.choice(kinds)(at)
        if self.under_way and self.rng.random() < 0.6:
            self.answer(self.under_way.pop(self.rng.randrange(len(self.under_way))), at)
            self.late.append(self.store.listing())

    def desire(self, at: float) -> None:
        name = self.rng.choice(NAMES)
        if self.rng.random() < 0.5:
            self.desired[name] = self.rng.choice([VALUE, b"%d" % at])
            self.reconciler.register(Key(MEMBERS, name), self.desired[name])
        else:
            self.desired.pop(name, None)
            self.reconciler.deregister(Key(MEMBERS, name))

    def disturb(self, _at: float) -> None:
        self.store.disturb(self.rng.choice(NAMES))
        self.late.append(self.store.listing())

    def reconnect(self, _at: float) -> None:
        if self.rng.random() < 0.3:
            self.reconciler.disconnected()
            for request in self.under_way:
                if self.rng.random() < 0.5:
                    list(self.store.act(request))
            self.under_way.clear()
            self.reconciler.connected()
            self.late = [self.store.listing()]

    def list(self, _at: float) -> None:
        if self.late:
            self.reconciler.listed(MEMBERS, self.late.pop(0))

    def request(self, at: float) -> None:
        self.under_way += self.reconciler.requests(at)

    def answer(self, request: StoreRequest, at: float) -> None:
        outcome = [*self.store.act(request)]
        if outcome:
            self.reconciler.done(request, outcome[0])
        else:
            self.reconciler.entry_changed(request, at)

    def settle(self, at: float) -> None:
        """Let it become quiet: answer all, list, and go on until nothing is requested any more."""
        for turn in range(100):
            for request in self.under_way:
                self.answer(request, at + turn)
            self.reconciler.listed(MEMBERS, self.store.listing())
            self.under_way = [*self.reconciler.requests(at + turn)]
            if not self.under_way:
                return
        raise AssertionError("it never becomes quiet")


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_it_ends_as_desired(seed: int) -> None:
    run = Run(seed)
    for at in range(300):
        run.step(float(at))
    run.settle(1000.0)
    there = run.store.entries
    ours = {name for name, found in there.items() if run.reconciler.claim(found) is Claim.OURS}
    assert ours <= run.desired.keys(), "nothing of ours is left that nobody desires"
    for name in run.desired:
        is_ours = there[name].holder is Holder.OURS
        assert is_ours or run.reconciler.claim(there[name]) is not Claim.OURS, (
            "it is ours, or somebody else's"
        )
