"""Validation and canonical form of IP addresses and prefixes."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def vip(text: str) -> str:
    """Return the canonical form of a VIP: a host address without its length, a prefix with it.

    Raises:
        ValueError: the text is invalid, has host bits set, or is not a unicast address.
    """
    try:
        network = ip_network(text, strict=False)
        written = _canonical(text.partition("/")[0])
    except ValueError:
        raise ValueError(
            "is not a valid IP address or prefix (such as 192.0.2.1, 2001:db8::1, 192.0.2.0/24)"
        ) from None
    if written != str(network.network_address):
        raise ValueError(f"has host bits set: use {network}, or the address without a length")
    if network.is_multicast or (network.prefixlen == network.max_prefixlen and network.is_unspecified):
        raise ValueError("is not a unicast address")
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def host(text: str) -> str:
    """Return the canonical form of an IP address.

    Raises:
        ValueError: the text is not a valid address.
    """
    try:
        return _canonical(text)
    except ValueError:
        raise ValueError("is not a valid IP address (such as 192.0.2.1 or 2001:db8::1)") from None


def version(text: str) -> int:
    """Return 4 or 6 for a valid address or prefix."""
    return ip_network(text).version


def order(text: str) -> tuple[int, int, int]:
    """Return the sort key of a valid VIP: address family, address, prefix length."""
    network: Network = ip_network(text)
    return network.version, int(network.network_address), network.prefixlen


def _canonical(text: str) -> str:
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError("scoped address")
    return str(address)
