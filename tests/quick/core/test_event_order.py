"""The final state of a node does not depend on the order of events (A6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import examples
from tests.quick.core.event_node import EventNode, SendableEvent
from tests.quick.core.pools import OWNERS, members, service
from tests.simulation.exabgp import ExaBGP
from vipagent.core import events
from vipagent.core.actions import Preference
from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult, OnStoreLoss, Standby, StoreState, Takeover

CONVERGED = 70.0
VIPS = tuple(vip for (vip,) in OWNERS)
EventSequence = tuple[SendableEvent | events.NeighborsChanged, ...]
"""Events whose order is fixed."""

services = st.builds(
    service,
    takeover=st.sampled_from(Takeover),
    standby=st.sampled_from(Standby),
    on_store_loss=st.sampled_from(OnStoreLoss),
    require_bgp=st.sampled_from([0, 1]),
)


@st.composite
def sequences(draw: st.DrawFn) -> list[EventSequence]:
    """Draw events for the check, the maintenance, the members and the neighbours."""
    maintained = st.sampled_from([(False, False)] * 3 + [(True, False), (False, True)])
    of_service, of_node = draw(maintained)
    store: EventSequence = (
        events.StoreChanged(StoreState.CONNECTED),
        events.MembersSeen(members(*draw(st.sets(st.sampled_from(VIPS))))),
    )
    lost = (events.StoreChanged(StoreState.LOST),) if draw(st.booleans()) else ()
    return [
        (events.CheckFinished(draw(st.sampled_from([CheckResult.GOOD] * 3 + [CheckResult.BAD]))),),
        (events.MaintenanceSeen(service=of_service, node=of_node),),
        (events.NeighborsChanged(draw(st.sampled_from([0, 1]))),),
        store + lost,
    ]


def send(node: EventNode, event: SendableEvent | events.NeighborsChanged) -> None:
    """Send an event; changes of neighbours go through the modelled ExaBGP, which is polled for them."""
    if isinstance(event, events.NeighborsChanged):
        node.set_bgp_session(established=bool(event.established))
    else:
        node.send(event)


def result(node: EventNode) -> tuple[dict[str, Preference], set[str]]:
    """Return the announced routes and the registrations."""
    return {vip: preference for vip, preference in node.requested.items() if preference}, node.registered


@pytest.mark.slow
@given(settings=services, drawn=sequences(), data=st.data())
@examples(300)
def test_the_result_does_not_depend_on_the_order(
    settings: ServiceSettings, drawn: list[EventSequence], data: st.DataObject
) -> None:
    results = []
    for order in (drawn, data.draw(st.permutations(drawn))):
        node = EventNode(settings, ExaBGP(established=False))
        for sequence in order:
            for event in sequence:
                send(node, event)
            node.wait(data.draw(st.sampled_from([0.0, 0.5, 3.0])))
        node.wait(CONVERGED)
        results.append(result(node))
    assert results[0] == results[1]
