"""Pools and settings for tests of the core, with VIPs 10.0.0.N."""

from collections.abc import Callable, Collection
from typing import Any

from vipagent.core.events import Member
from vipagent.core.settings import ServiceSettings
from vipagent.types import Claim, OnStoreLoss, Standby, Takeover

OWNERS = (("10.0.0.1",), ("10.0.0.2",), ("10.0.0.3",))
"""Three nodes that own one VIP each."""
ENUMS: dict[str, Callable[[Any], object]] = {
    "takeover": Takeover,
    "standby": Standby,
    "on_store_loss": OnStoreLoss,
}
OWN, SECOND, THIRD = (vip for (vip,) in OWNERS)


def service(**changes: object) -> ServiceSettings:
    """Return settings for the first of three nodes, with rise and fall 1; enums may be given as strings."""
    fields: dict[str, object] = {
        "name": "apex",
        "node": "node1",
        "owned": (OWN,),
        "owners": OWNERS,
        "settle": 6.0,
        "rise": 1,
        "fall": 1,
    }
    enums = {name: kind(changes[name]) for name, kind in ENUMS.items() if name in changes}
    return ServiceSettings(**(fields | changes | enums))  # type: ignore[arg-type]


def members(*vips: str, ours: Collection[str] = (OWN,)) -> dict[str, Member]:
    """Return members as seen by the node that owns `ours`."""
    return {vip: Member(Claim.OURS if vip in ours else Claim.OTHER, f"of {vip}") for vip in vips}
