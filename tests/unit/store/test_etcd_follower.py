"""Listings and watches of the etcd follower, with a fake gateway."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.driver import Found, Holder, Interests, Listing
from vipagent.store.layout import Directory, Kind
from vipagent_etcd import follower as followers
from vipagent_etcd.follower import EtcdFollower
from vipagent_etcd.gateway import Gateway
from vipagent_etcd.keyvalues import Change, KeyValue, Message
from vipagent_etcd.listing import DirectoryState

MEMBERS = Directory(Kind.MEMBERS, "apex")
PATH = "/exabgp/service/apex"
EMPTY = {"header": {"revision": "5"}, "responses": [{}]}


def _found(known: KeyValue) -> Found:
    return Found(known.value, known.revision, Holder.OTHER)


class SlowGateway:
    """A gateway with slow listings, and with watches that report nothing."""

    timeout = 5.0

    def __init__(self) -> None:
        self.seconds = 0.0
        self.listings = 0

    async def ask(self, path: str, request: Message) -> Message:
        self.listings += 1
        await asyncio.sleep(self.seconds)
        return EMPTY

    async def follow(self, path: str, *requests: Message) -> AsyncGenerator[Message, None]:
        for _ in requests:
            yield {"created": True}
        await asyncio.Event().wait()


def _follower(gateway: SlowGateway, listings: list[Listing | None]) -> EtcdFollower:
    interests = Interests()
    interests.replace({MEMBERS: None}, frozenset())
    fake = cast("Gateway", gateway)
    return EtcdFollower(fake, lambda _: PATH, _found, interests, lambda _, listing: listings.append(listing))


@async_test
async def test_keep_alives_do_not_restart_a_slow_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing takes longer than the interval of keep-alives."""
    monkeypatch.setattr(followers, "WATCH_RENEWAL", 0.0)
    gateway, listings = SlowGateway(), list[Listing | None]()
    follower = _follower(gateway, listings)
    running = asyncio.ensure_future(follower.run())
    await asyncio.sleep(0.05)
    assert listings == [{}]
    gateway.seconds = 0.2
    for _ in range(10):
        follower.on_revision(6)
        await asyncio.sleep(0.05)
    assert gateway.listings <= 1 + 3
    assert len(listings) >= 2
    running.cancel()


def test_all_keys_of_an_expired_lease_are_deleted_by_one_event() -> None:
    """Separate watches report the same revision separately, so one watch covers all names."""
    following = DirectoryState(MEMBERS, PATH, frozenset({"a", "b"}), _found, only_named=True)
    keys = [f"{PATH}/{name}" for name in "ab"]
    following.list([KeyValue(key, b"", 1, 5) for key in keys], 5)
    assert all(following.span.covers(key) for key in keys)
    following.change([Change(KeyValue(key, b"", 0, 6), deleted=True) for key in keys])
    assert not following.entries


def test_a_watch_of_one_key_covers_no_other_keys() -> None:
    following = DirectoryState(MEMBERS, PATH, frozenset({"a"}), _found, only_named=True)
    assert following.span.covers(f"{PATH}/a")
    assert not following.span.covers(f"{PATH}/b")
