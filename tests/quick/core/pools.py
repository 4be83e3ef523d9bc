"""The pools that the tests of the core speak of: VIPs 10.0.0.N, short names for what is long to write."""

from collections.abc import Callable, Collection
from typing import Any

from vipagent.core.events import Member
from vipagent.core.settings import ServiceSettings
from vipagent.types import Claim, OnStoreLoss, Standby, Takeover

OWNERS = (("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",))
"""Three nodes, each the owner of one VIP."""
WORDS: dict[str, Callable[[Any], object]] = {
    "takeover": Takeover,
    "standby": Standby,
    "on_store_loss": OnStoreLoss,
}
OWN, SECOND, THIRD = (vip for (vip,) in OWNERS)


def service(**changes: object) -> ServiceSettings:
    """Return a service on the first of three nodes, whose check needs one result only; words may be texts."""
    fields: dict[str, object] = {
        "name": "apex",
        "node": "node1",
        "owned": (OWN,),
        "owners": OWNERS,
        "settle": 6.0,
        "rise": 1,
        "fall": 1,
    }
    words = {name: kind(changes[name]) for name, kind in WORDS.items() if name in changes}
    return ServiceSettings(**(fields | changes | words))  # type: ignore[arg-type]


def members(*vips: str, ours: Collection[str] = (OWN,)) -> dict[str, Member]:
    """Return a set of members as the node that owns `ours` sees it."""
    return {vip: Member(Claim.OURS if vip in ours else Claim.OTHER, f"of {vip}") for vip in vips}
