"""Messages of rtnetlink: requests to the kernel, its replies and its notifications; sans-I/O.

Only what the agent needs is encoded and parsed (linux/netlink.h, linux/rtnetlink.h, linux/if_link.h). All
input is considered hostile: a message or attribute that is cut off, or has an impossible length, is skipped.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
"""Multicast groups of the notifications that `parse` knows."""

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR = 20, 21
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLM_F_DUMP_INTR = 0x10
"""Flag of a dump during which something has changed."""
RTM_F_FIB_MATCH = 0x2000
"""Flag of a request for the entry of the routing table, with all its hops; unknown to kernels before 4.13."""

IFLA_IFNAME, IFLA_OPERSTATE = 3, 16
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA = 1, 4, 5, 9, 18
ATTRIBUTE_TYPE = 0x3FFF
"""Mask of an attribute's type, without its flags."""

IFF_UP, IFF_LOOPBACK, IFF_LOWER_UP = 0x1, 0x8, 0x10000
OPERSTATES_DOWN = {1, 2, 3}
"""Operational states "not present", "down" and "lower layer down"; "unknown" (0) counts as up (RFC 2863)."""
RTN_LOCAL = 2

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_INTERFACE = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_HOP = struct.Struct("=HBBi")
_INT = struct.Struct("=i")
_BITS = {socket.AF_INET: 32, socket.AF_INET6: 128}
_FAMILIES = {bits // 8: family for family, bits in _BITS.items()}


class Message(NamedTuple):
    """One message, its body not yet parsed."""

    type: int
    flags: int
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that exists, or has changed."""

    index: int
    name: str
    flags: int
    operstate: int

    @property
    def has_carrier(self) -> bool:
        """Whether the interface is set up and has a carrier."""
        wanted = IFF_UP | IFF_LOWER_UP
        return self.flags & wanted == wanted and self.operstate not in OPERSTATES_DOWN

    @property
    def is_loopback(self) -> bool:
        """Whether it is the loopback interface."""
        return bool(self.flags & IFF_LOOPBACK)


@dataclass(frozen=True, slots=True)
class InterfaceDeleted:
    """An interface was deleted, or was moved to another network namespace."""

    index: int


class AddressChanged(NamedTuple):
    """An address was added to an interface, or removed."""

    interface: int
    address: str
    is_network: bool
    """Whether its prefix has other addresses, which are local as well on the loopback interface."""


class Route(NamedTuple):
    """The kernel's route to an address."""

    interfaces: frozenset[int]
    """Indexes of the interfaces of all its hops."""
    local: bool = False
    """Whether the address is one of this node."""
    on_link: bool = True
    """Whether no hop has a gateway."""


class Failed(NamedTuple):
    """The kernel has rejected a request."""

    errno: int
    """0 for an acknowledgement."""


@dataclass(frozen=True, slots=True)
class DumpEnded:
    """A dump is complete."""


Content = Interface | InterfaceDeleted | AddressChanged | Route | Failed | DumpEnded


def list_interfaces(sequence: int) -> bytes:
    """Return a request for all interfaces."""
    return _message(RTM_GETLINK, NLM_F_DUMP, sequence, _INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def find_route(address: bytes, sequence: int, *, with_all_hops: bool = True) -> bytes:
    """Return a request for the route to an address.

    Args:
        address: the address, 4 or 16 bytes.
        sequence: sequence number of the reply.
        with_all_hops: request all hops; otherwise the one that a packet would take.
    """
    family = _FAMILIES[len(address)]
    flags = RTM_F_FIB_MATCH if with_all_hops else 0
    route = _ROUTE.pack(family, _BITS[family], 0, 0, 0, 0, 0, 0, flags)
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address), RTA_DST) + address
    return _message(RTM_GETROUTE, 0, sequence, route + attribute)


def split(data: bytes) -> Iterator[Message]:
    """Yield the messages of one read, up to the first one that is cut off."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
        if length < _HEADER.size or start + length > len(data):
            return
        yield Message(kind, flags, sequence, data[start + _HEADER.size : start + length])
        start += _aligned(length)


def parse(message: Message) -> Content | None:
    """Parse a message; return None if it is of no interest, or malformed."""
    parser = _PARSERS.get(message.type)
    try:
        return parser(message) if parser else None
    except (struct.error, ValueError):
        return None


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, sequence, 0) + body


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _attributes(data: bytes, start: int) -> dict[int, bytes]:
    found = {}
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size or start + length > len(data):
            break
        found[kind & ATTRIBUTE_TYPE] = data[start + _ATTRIBUTE.size : start + length]
        start += _aligned(length)
    return found


def _interface(message: Message) -> Content | None:
    body = message.body
    family, _, index, flags, _ = _INTERFACE.unpack_from(body)
    if family != socket.AF_UNSPEC:  # a port of a bridge: the interface is the same before and after
        return None
    if message.type == RTM_DELLINK:
        return InterfaceDeleted(index)
    attributes = _attributes(body, _INTERFACE.size)
    name = attributes.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    operstate = attributes.get(IFLA_OPERSTATE, b"")
    return Interface(index, name, flags, operstate[0] if operstate else 0)


def _address(message: Message) -> Content | None:
    family, bits, _, _, index = _ADDRESS.unpack_from(message.body)
    attributes = _attributes(message.body, _ADDRESS.size)
    packed = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS) or b""
    if family not in _BITS or len(packed) * 8 != _BITS[family]:
        return None
    return AddressChanged(index, socket.inet_ntop(family, packed), bits < _BITS[family])


def _route(message: Message) -> Content | None:
    kind = _ROUTE.unpack_from(message.body)[7]
    attributes = _attributes(message.body, _ROUTE.size)
    hops = list(_hops(attributes.get(RTA_MULTIPATH, b"")))
    if RTA_OIF in attributes:
        hops.append((_INT.unpack(attributes[RTA_OIF])[0], _has_gateway(attributes)))
    interfaces = frozenset(index for index, _ in hops if index > 0)
    return Route(interfaces, kind == RTN_LOCAL, not any(gateway for _, gateway in hops))


def _hops(data: bytes) -> Iterator[tuple[int, bool]]:
    """Yield the interface of each hop, and whether it has a gateway."""
    start = 0
    while start + _HOP.size <= len(data):
        length, _, _, index = _HOP.unpack_from(data, start)
        if length < _HOP.size or start + length > len(data):
            return
        yield index, _has_gateway(_attributes(data[: start + length], start + _HOP.size))
        start += _aligned(length)


def _has_gateway(attributes: dict[int, bytes]) -> bool:
    return RTA_GATEWAY in attributes or RTA_VIA in attributes


def _error(message: Message) -> Content | None:
    return Failed(abs(_INT.unpack_from(message.body)[0]))


def _done(_message: Message) -> Content | None:
    return DumpEnded()


_PARSERS = {
    RTM_NEWLINK: _interface,
    RTM_DELLINK: _interface,
    RTM_NEWADDR: _address,
    RTM_DELADDR: _address,
    RTM_NEWROUTE: _route,
    NLMSG_ERROR: _error,
    NLMSG_DONE: _done,
}
