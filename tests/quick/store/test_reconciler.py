"""Requests and snapshots of the reconciler, for one listing and one result at a time."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from vipagent.store.backend import Entry, Identity
from vipagent.store.driver import Found, Holder, Listing
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.reconciler import IMMEDIATE_RETRIES, REFUSED_DELAY, Reconciler
from vipagent.store.records import Registration
from vipagent.store.registration import Delete, Get, Put, StoreRequest
from vipagent.types import Claim

IDENTITY = Identity("node1", "run1")
MEMBERS = Directory(Kind.MEMBERS, "apex")
KEY = Key(MEMBERS, "10.0.0.1")
VALUE = Registration("node1", "run1").dump()
EARLIER_RUN = Registration("node1", "run0").dump()
OTHER_NODE = Registration("node2", "run7").dump()
NAMES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@pytest.fixture
def reconciler() -> Reconciler:
    """A connected reconciler without a listing."""
    reconciler = Reconciler(IDENTITY)
    reconciler.connected()
    return reconciler


def requests(reconciler: Reconciler, at: float = 0.0) -> list[StoreRequest]:
    return list(reconciler.requests(at))


def next_request(reconciler: Reconciler, at: float = 0.0) -> StoreRequest:
    [request] = requests(reconciler, at)
    return request


def registered(reconciler: Reconciler) -> Found:
    """Register the key and return the entry."""
    reconciler.register(KEY, VALUE)
    reconciler.listed(MEMBERS, {})
    found = Found(VALUE, 1, Holder.OURS)
    reconciler.done(next_request(reconciler), found)
    reconciler.listed(MEMBERS, {KEY.name: found})
    assert requests(reconciler) == []
    return found


class TestRegistering:
    """Registrations (G2, G3)."""

    def test_no_request_before_the_first_listing(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        assert requests(reconciler) == []
        assert MEMBERS in reconciler.interests[0]
        assert reconciler.interests[1] == {MEMBERS}, "other entries are not needed"
        reconciler.listed(MEMBERS, {})
        request = next_request(reconciler)
        assert isinstance(request, Put)
        assert (request.value, request.expected) == (VALUE, None)

    def test_no_request_without_a_connection(self) -> None:
        reconciler = Reconciler(IDENTITY)
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        assert requests(reconciler) == []

    def test_one_pending_request_per_key(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        request = next_request(reconciler)
        reconciler.register(KEY, b"another")
        reconciler.listed(MEMBERS, {})
        assert requests(reconciler) == []
        reconciler.done(request, Found(VALUE, 1, Holder.OURS))
        assert isinstance(next_request(reconciler), Get), "the listing contradicts the result"

    def test_an_update_is_compared_with_the_current_entry(self, reconciler: Reconciler) -> None:
        found = registered(reconciler)
        reconciler.register(KEY, b"another")
        request = next_request(reconciler)
        assert isinstance(request, Put)
        assert request.expected == found

    @pytest.mark.parametrize(
        ("value", "holder", "replaced"),
        [
            (VALUE, Holder.OTHER, True),  # an earlier session of this instance
            (b"", Holder.EARLIER, True),
            (EARLIER_RUN, Holder.OTHER, True),
            (OTHER_NODE, Holder.OTHER, False),
            (b"", Holder.OTHER, False),  # registered by ExaZK
        ],
    )
    def test_entry_is_replaced_depending_on_its_owner(
        self, reconciler: Reconciler, value: bytes, holder: Holder, replaced: bool
    ) -> None:
        current = Found(value, 7, holder)
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: current})
        assert [request.expected for request in requests(reconciler) if isinstance(request, Put)] == (
            [current] if replaced else []
        )

    def test_entry_of_a_duplicate_agent_is_not_replaced_after_registration(
        self, reconciler: Reconciler
    ) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 9)})
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {})
        assert isinstance(next_request(reconciler), Put), "registered after the other entry is deleted"

    def test_entry_of_a_known_earlier_run_is_replaced_after_registration(self) -> None:
        reconciler = Reconciler(replace(IDENTITY, earlier=("run0",)))
        reconciler.connected()
        registered(reconciler)
        stale = Found(EARLIER_RUN, 9)
        assert reconciler.claim(stale) is Claim.EARLIER_RUN
        reconciler.listed(MEMBERS, {KEY.name: stale})
        request = next_request(reconciler)
        assert isinstance(request, Put)
        assert request.expected == stale

    def test_entry_of_an_earlier_run_is_replaced_after_a_second_register(
        self, reconciler: Reconciler
    ) -> None:
        found = registered(reconciler)
        reconciler.deregister(KEY)
        reconciler.done(next_request(reconciler), None)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 9)})
        assert requests(reconciler) == []
        reconciler.register(KEY, VALUE)
        assert isinstance(next_request(reconciler), Put)
        assert found.version == 1

    def test_value_written_by_another_client_is_not_overwritten(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(b"overwritten", 2, Holder.OURS)})
        assert requests(reconciler) == []
        reconciler.register(KEY, VALUE)
        assert requests(reconciler) == [], "the desired value has not changed"

    def test_a_deleted_entry_is_created_again(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.listed(MEMBERS, {})
        assert isinstance(next_request(reconciler), Put)

    def test_deregister_deletes_the_entry(self, reconciler: Reconciler) -> None:
        found = registered(reconciler)
        reconciler.deregister(KEY)
        request = next_request(reconciler)
        assert isinstance(request, Delete)
        assert request.found == found

    def test_deregister_does_not_delete_another_node_s_entry(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: Found(OTHER_NODE, 3)})
        reconciler.deregister(KEY)
        assert requests(reconciler) == []
        assert reconciler.interests[0] == {}, "the key is not followed any more"

    def test_entry_created_late_by_a_hung_server_is_deleted(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.deregister(KEY)
        reconciler.done(next_request(reconciler), None)
        reconciler.listed(MEMBERS, {})
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 5, Holder.OURS)})
        assert isinstance(next_request(reconciler), Delete)

    def test_entry_created_late_is_read_if_its_value_is_missing(self, reconciler: Reconciler) -> None:
        """The deleted entry exists again, and a listing without its value does not say whose it is."""
        found = registered(reconciler)
        reconciler.deregister(KEY)
        reconciler.done(next_request(reconciler), None)
        reconciler.listed(MEMBERS, {})
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: None})
        request = next_request(reconciler)
        assert isinstance(request, Get)
        reconciler.done(request, found)
        assert isinstance(next_request(reconciler), Delete)


class TestUnknown:
    """Requests without a result, and results of requests that are not pending any more."""

    def test_no_request_after_a_reconnection_before_a_listing(self, reconciler: Reconciler) -> None:
        registered(reconciler)
        reconciler.register(KEY, b"another")
        lost = next_request(reconciler)
        reconciler.disconnected()
        reconciler.done(lost, Found(b"another", 2, Holder.OURS))
        assert requests(reconciler) == []
        reconciler.connected()
        reconciler.register(KEY, b"a third one")
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 1, Holder.EARLIER)})
        request = next_request(reconciler)
        assert isinstance(request, Put)
        assert request.value == b"a third one"

    def test_an_unread_entry_is_read(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {KEY.name: None})
        assert isinstance(next_request(reconciler), Get)

    def test_retries_after_a_changed_entry_are_immediate_and_then_delayed(
        self, reconciler: Reconciler
    ) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        for _ in range(IMMEDIATE_RETRIES):
            reconciler.entry_changed(next_request(reconciler), 0.0)
        reconciler.entry_changed(next_request(reconciler), 0.0)
        assert requests(reconciler) == []
        assert reconciler.due is not None
        assert 0 < reconciler.due < 1
        assert isinstance(next_request(reconciler, 1.0), Get)

    def test_a_refused_request_delays_its_own_key_only(self, reconciler: Reconciler) -> None:
        other = Key(MEMBERS, "10.0.0.2")
        for key in (KEY, other):
            reconciler.register(key, VALUE)
        reconciler.listed(MEMBERS, {})
        first, second = requests(reconciler)
        reconciler.refused(first, 0.0)
        reconciler.done(second, Found(VALUE, 1, Holder.OURS))
        reconciler.listed(MEMBERS, {other.name: Found(VALUE, 1, Holder.OURS)})
        assert requests(reconciler) == []
        assert reconciler.due == pytest.approx(REFUSED_DELAY[0], rel=0.5)
        assert isinstance(next_request(reconciler, REFUSED_DELAY[0]), Get | Put)

    def test_a_new_value_is_requested_without_delay(self, reconciler: Reconciler) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        reconciler.refused(next_request(reconciler), 0.0)
        reconciler.register(KEY, b"another")
        assert isinstance(next_request(reconciler), Get)

    def test_a_lost_response_is_recovered_from_the_listing(self, reconciler: Reconciler) -> None:
        """The entry counts as registered, so a later entry of another run belongs to a duplicate agent."""
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        next_request(reconciler)
        reconciler.connected()
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 1, Holder.OURS)})
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(b"overwritten", 2, Holder.OURS)})
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 3)})
        assert requests(reconciler) == []

    def test_entry_of_a_duplicate_agent_during_the_request_is_not_replaced(
        self, reconciler: Reconciler
    ) -> None:
        reconciler.register(KEY, VALUE)
        reconciler.listed(MEMBERS, {})
        request = next_request(reconciler)
        reconciler.listed(MEMBERS, {KEY.name: Found(EARLIER_RUN, 2)})
        reconciler.done(request, Found(VALUE, 1, Holder.OURS))
        get = next_request(reconciler)
        assert isinstance(get, Get)
        reconciler.done(get, Found(EARLIER_RUN, 2))
        assert requests(reconciler) == []


class TestSnapshots:
    """Snapshots (L4)."""

    def test_a_new_connection_starts_over_without_a_reported_disconnection(
        self, reconciler: Reconciler
    ) -> None:
        registered(reconciler)
        reconciler.connected()
        reconciler.deregister(KEY)
        assert requests(reconciler) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(VALUE, 1, Holder.OURS)})
        assert isinstance(next_request(reconciler), Delete)

    def test_the_first_refusal_after_a_success_has_the_first_delay(self) -> None:
        reconciler = Reconciler(IDENTITY, uniform=lambda _least, most: most)
        reconciler.connected()
        registered(reconciler)
        reconciler.listed(MEMBERS, {})
        reconciler.refused(next_request(reconciler), 7.0)
        assert reconciler.due == 7.0 + REFUSED_DELAY[0]

    def test_every_directory_is_reported_after_each_connection(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        for _ in range(2):
            reconciler.connected()
            assert list(reconciler.snapshots()) == [], "no snapshot before the listing"
            reconciler.listed(MEMBERS, {})
            reconciler.listed(MEMBERS, {})
            assert list(reconciler.snapshots()) == [(MEMBERS, {})]
            assert list(reconciler.snapshots()) == []

    def test_an_unchanged_snapshot_is_not_repeated(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        for reported in (1, 0):
            reconciler.listed(MEMBERS, {KEY.name: Found(OTHER_NODE, 1)})
            assert len(list(reconciler.snapshots())) == reported

    def test_a_listing_after_the_disconnection_is_ignored(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        reconciler.disconnected()
        reconciler.listed(MEMBERS, {})
        assert list(reconciler.snapshots()) == []

    def test_values_that_are_not_needed_are_empty(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, frozenset({KEY.name}))
        found = Found(OTHER_NODE, 1)
        reconciler.listed(MEMBERS, {KEY.name: found, "10.0.0.2": found, "10.0.0.3": None})
        [(_, snapshot)] = reconciler.snapshots()
        assert snapshot == {
            KEY.name: Entry(OTHER_NODE, Claim.OTHER),
            "10.0.0.2": Entry(),
            "10.0.0.3": Entry(),
        }

    def test_no_snapshot_before_a_needed_value_is_read(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, frozenset())
        reconciler.listed(MEMBERS, {KEY.name: None})
        assert len(list(reconciler.snapshots())) == 1
        reconciler.watch(MEMBERS, None)
        assert list(reconciler.snapshots()) == []
        reconciler.listed(MEMBERS, {KEY.name: Found(OTHER_NODE, 1)})
        assert list(reconciler.snapshots()) == [(MEMBERS, {KEY.name: Entry(OTHER_NODE, Claim.OTHER)})]

    def test_no_snapshot_after_unwatch(self, reconciler: Reconciler) -> None:
        reconciler.watch(MEMBERS, None)
        reconciler.unwatch(MEMBERS)
        reconciler.listed(MEMBERS, {})
        assert list(reconciler.snapshots()) == []


class Store:
    """A store that executes requests late, never, or without a response, and has other clients."""

    def __init__(self, rng: random.Random) -> None:
        self.entries: dict[str, Found] = {}
        self._rng = rng
        self._versions = count(1)

    def set(self, name: str, value: bytes, holder: Holder) -> Found:
        self.entries[name] = Found(value, next(self._versions), holder)
        return self.entries[name]

    def execute(self, request: StoreRequest) -> Iterator[Found | None]:
        """Execute a request; yield the resulting entry, or nothing if the compare failed."""
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

    def change(self, name: str) -> None:
        """Change an entry like another client, an expiry, a duplicate agent or a hung server."""
        if self._rng.random() < 0.5:
            self.entries.pop(name, None)
        else:
            self.set(
                name, self._rng.choice([OTHER_NODE, b"", EARLIER_RUN, VALUE]), self._rng.choice(list(Holder))
            )

    def listing(self) -> Listing:
        return dict(self.entries)


class Run:
    """A reconciler and a store, with late listings, lost responses, reconnections and other clients."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store, self.reconciler = Store(self.rng), Reconciler(IDENTITY)
        self.desired: dict[str, bytes] = {}
        self.pending: list[StoreRequest] = []
        self.late: list[Listing] = []
        self.reconciler.watch(MEMBERS, None)
        self.reconciler.connected()

    def step(self, at: float) -> None:
        """Execute one random event."""
        events = [self.desire, self.change, self.reconnect, self.list, self.request, self.request]
        self.rng.choice(events)(at)
        if self.pending and self.rng.random() < 0.6:
            self.answer(self.pending.pop(self.rng.randrange(len(self.pending))), at)
            self.late.append(self.store.listing())

    def desire(self, at: float) -> None:
        name = self.rng.choice(NAMES)
        if self.rng.random() < 0.5:
            self.desired[name] = self.rng.choice([VALUE, b"%d" % at])
            self.reconciler.register(Key(MEMBERS, name), self.desired[name])
        else:
            self.desired.pop(name, None)
            self.reconciler.deregister(Key(MEMBERS, name))

    def change(self, _at: float) -> None:
        self.store.change(self.rng.choice(NAMES))
        self.late.append(self.store.listing())

    def reconnect(self, _at: float) -> None:
        if self.rng.random() < 0.3:
            self.reconciler.disconnected()
            for request in self.pending:
                if self.rng.random() < 0.5:
                    list(self.store.execute(request))
            self.pending.clear()
            self.reconciler.connected()
            self.late = [self.store.listing()]

    def list(self, _at: float) -> None:
        if self.late:
            self.reconciler.listed(MEMBERS, self.late.pop(0))

    def request(self, at: float) -> None:
        self.pending += self.reconciler.requests(at)

    def answer(self, request: StoreRequest, at: float) -> None:
        result = [*self.store.execute(request)]
        if result:
            self.reconciler.done(request, result[0])
        else:
            self.reconciler.entry_changed(request, at)

    def converge(self, at: float) -> None:
        """Answer all requests and list until there are no more requests."""
        for turn in range(100):
            for request in self.pending:
                self.answer(request, at + turn)
            self.reconciler.listed(MEMBERS, self.store.listing())
            self.pending = [*self.reconciler.requests(at + turn)]
            if not self.pending:
                return
        raise AssertionError("it does not converge")


@pytest.mark.parametrize("seed", range(200))
def test_random_histories_converge_to_the_desired_state(seed: int) -> None:
    run = Run(seed)
    for at in range(300):
        run.step(float(at))
    run.converge(1000.0)
    entries = run.store.entries
    ours = {name for name, found in entries.items() if run.reconciler.claim(found) is Claim.OURS}
    assert ours <= run.desired.keys(), "no entry of ours is left that is not desired"
    for name in run.desired:
        is_held = entries[name].holder is Holder.OURS
        assert is_held or run.reconciler.claim(entries[name]) is not Claim.OURS, (
            "the entry is ours, or belongs to another node"
        )
