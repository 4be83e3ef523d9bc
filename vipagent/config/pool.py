"""Whose VIPs are whose: the seats of the pool, from either form of `vip`."""

from vipagent.config import addresses
from vipagent.config.schema import ServiceSection

Seats = tuple[tuple[str, ...], ...]


def owned(service: ServiceSection, node: str) -> tuple[str, ...]:
    """Return the VIPs that the node owns."""
    if service.auth_ip or not isinstance(service.vip, dict):
        return service.auth_ip
    return service.vip.get(node, ())


def seats(service: ServiceSection) -> Seats:
    """Return the pool by owner, the same and in the same order on every node (A2).

    By node where the file says who owns what; else each VIP is a seat of its own.
    """
    if isinstance(service.vip, dict):
        return tuple(sorted(filter(None, service.vip.values()), key=lambda vips: addresses.order(vips[0])))
    return tuple((vip,) for vip in sorted({*service.vip, *service.auth_ip}, key=addresses.order))


def everything(service: ServiceSection) -> tuple[str, ...]:
    """Return every VIP that the service names."""
    return tuple(vip for seat in seats(service) for vip in seat)
