"""What etcd's driver asks for, of a gateway in the test."""

import pytest

from tests.unit.store.looped import looped
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import SessionEnded
from vipagent.store.layout import Directory, Key, Kind
from vipagent_etcd.driver import EtcdDriver
from vipagent_etcd.keyvalues import Message

MEMBERS = Directory(Kind.MEMBERS, "apex")


class Answering:
    """A gateway that notes the requests, and answers all of them alike."""

    patience = 1.0

    def __init__(self, answer: Message) -> None:
        self.asked: list[tuple[str, Message]] = []
        self._answer = answer

    async def ask(self, path: str, request: Message, any_token: bool = False) -> Message:
        self.asked.append((path, request))
        return self._answer


@looped
async def test_without_a_lease_nothing_ephemeral_is_put() -> None:
    """The lease may have run out a moment ago; a key without one would stay for ever."""
    driver = EtcdDriver(StoreSettings("node1", "run1"))
    gateway = driver._gateway = Answering({"header": {"revision": "5"}, "succeeded": True})  # type: ignore[assignment]
    with pytest.raises(SessionEnded):
        await driver.put(Key(MEMBERS, "10.0.0.1"), b"x", None, ephemeral=True)
    assert gateway.asked == []
