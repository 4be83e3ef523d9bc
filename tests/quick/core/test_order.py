"""Where a node ends up follows from what is the case, not from the order in which it was told (A6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import examples
from tests.quick.core.nodes import Told, ToldNode
from tests.quick.core.pools import OWNERS, members, service
from tests.simulation.exabgp import ExaBGP
from vipagent.core import events
from vipagent.core.actions import Preference
from vipagent.core.settings import ServiceSettings
from vipagent.types import CheckResult, OnStoreLoss, Standby, StoreState, Takeover

LONG = 70.0
VIPS = tuple(vip for (vip,) in OWNERS)
News = tuple[Told | events.NeighborsChanged, ...]
"""Events that only make sense in this order."""

services = st.builds(
    service,
    takeover=st.sampled_from(Takeover),
    standby=st.sampled_from(Standby),
    on_store_loss=st.sampled_from(OnStoreLoss),
    require_bgp=st.sampled_from([0, 1]),
)


@st.composite
def facts(draw: st.DrawFn) -> list[News]:
    """Draw what is the case: the check, the maintenance, the members, the neighbours."""
    maintained = st.sampled_from([(False, False)] * 3 + [(True, False), (False, True)])
    of_service, of_node = draw(maintained)
    store: News = (
        events.StoreChanged(StoreState.CONNECTED),
        events.MembersSeen(members(*draw(st.sets(st.sampled_from(VIPS))))),
    )
    lost = (events.StoreChanged(StoreState.LOST),) if draw(st.booleans()) else ()
    return [
        (events.Checked(draw(st.sampled_from([CheckResult.GOOD] * 3 + [CheckResult.BAD]))),),
        (events.MaintenanceSeen(service=of_service, node=of_node),),
        (events.NeighborsChanged(draw(st.sampled_from([0, 1]))),),
        store + lost,
    ]


def tell(node: ToldNode, event: Told | events.NeighborsChanged) -> None:
    """Tell the node; of its neighbours its ExaBGP does, which is asked about them all the time."""
    if isinstance(event, events.NeighborsChanged):
        node.bgp(established=bool(event.established))
    else:
        node.tell(event)


def end(node: ToldNode) -> tuple[dict[str, Preference], set[str]]:
    """Return what the node announces and registers."""
    return {vip: wish for vip, wish in node.requested.items() if wish}, node.registered


@pytest.mark.slow
@given(settings=services, told=facts(), data=st.data())
@examples(300)
def test_the_end_does_not_depend_on_the_order(
    settings: ServiceSettings, told: list[News], data: st.DataObject
) -> None:
    ends = []
    for order in (told, data.draw(st.permutations(told))):
        node = ToldNode(settings, ExaBGP(established=False))
        for news in order:
            for event in news:
                tell(node, event)
            node.wait(data.draw(st.sampled_from([0.0, 0.5, 3.0])))
        node.wait(LONG)
        ends.append(end(node))
    assert ends[0] == ends[1]
