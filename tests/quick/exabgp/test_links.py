"""Neighbours whose interface has lost its carrier (N3)."""

from vipagent.exabgp.details import NeighborDetails
from vipagent.exabgp.links import Links

PEER, OTHER = "192.0.2.1", "192.0.2.2"
DOWN = {PEER: "eth0"}


def received(links: Links, number: int | None, peer: str = PEER) -> None:
    links.details_read({peer: NeighborDetails(peer, established=number is not None, received=number)})


def test_a_neighbour_without_carrier_does_not_count() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    assert links.excluded == {PEER}
    assert not links.needs_details, "no message can arrive"


def test_after_the_return_a_further_message_proves_the_session() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    received(links, 7)
    received(links, 8)
    assert links.excluded == {PEER}, "received before the interface went down"
    links.changed({}, DOWN)
    assert links.needs_details
    received(links, 9)
    received(links, 9)
    assert links.excluded == {PEER}, "received before the return, perhaps"
    received(links, 10)
    assert not links.excluded
    assert not links.needs_details


def test_a_new_session_has_received_fewer_messages() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    links.changed({}, DOWN)
    received(links, 100)
    received(links, 3)
    assert not links.excluded


def test_exabgps_report_of_a_session_proves_it() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    links.session_reported(PEER, from_summary=False)
    assert not links.excluded, "it is established by another way, or down anyway"
    links.changed({}, DOWN)
    links.changed(DOWN, DOWN)
    assert links.excluded == {PEER}, "it has gone down once more"


def test_a_summary_proves_a_session_only_while_the_interface_is_up() -> None:
    """Without events, it reports a session that came up and lost its carrier since the last summary."""
    links = Links()
    links.changed(DOWN, DOWN)
    links.session_reported(PEER, from_summary=True)
    assert links.excluded == {PEER}
    links.changed({}, DOWN)
    links.session_reported(PEER, from_summary=True)
    assert not links.excluded


def test_without_a_session_nothing_is_proven() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    links.changed({}, DOWN)
    received(links, None)
    received(links, 5, OTHER)
    assert links.excluded == {PEER}
    links.forget([PEER, OTHER])
    assert not links.excluded


def test_a_second_loss_before_the_proof_starts_again() -> None:
    links = Links()
    links.changed(DOWN, DOWN)
    links.changed({}, DOWN)
    received(links, 5)
    links.changed(DOWN, DOWN)
    links.changed({}, DOWN)
    received(links, 6)
    assert links.excluded == {PEER}, "this message may have arrived between the two losses"
    received(links, 7)
    assert not links.excluded
