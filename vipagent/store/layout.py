"""Layout of the keys in a store: the tree of ExaZK, the same in every store (S2).

<prefix>/service/<service>/<vip>         ephemeral: registered by the VIP's owner
<prefix>/maintenance/<service>/<node>    persistent: the node is in maintenance
<prefix>/maintenance/<service>/all       persistent: the service is in maintenance
<prefix>/state/<service>/<node>          ephemeral: the node's routes and their reasons
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_PREFIX = "/exabgp"
WHOLE_SERVICE = "all"
"""Name of the maintenance key of a whole service. Not allowed as a node's name."""


class Kind(StrEnum):
    """The three directories of a service in a store."""

    MEMBERS = "service"
    MAINTENANCE = "maintenance"
    STATES = "state"


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory of one kind of entries of one service."""

    kind: Kind
    service: str

    def path(self, prefix: str) -> str:
        """Return the absolute path below `prefix`, without a trailing slash."""
        return f"{prefix.rstrip('/')}/{self.kind}/{self.service}"


@dataclass(frozen=True, slots=True)
class Key:
    """Directory and name of an entry. The name contains no slash."""

    directory: Directory
    name: str

    def path(self, prefix: str) -> str:
        """Return the absolute path below `prefix`."""
        return f"{self.directory.path(prefix)}/{self.name}"


def member_name(vip: str) -> str:
    """Return the name of a VIP's key: `10.0.0.1`, or `10.0.0.0_24` for a prefix."""
    return vip.replace("/", "_")


def vips_by_name(vips: Iterable[str]) -> dict[str, str]:
    """Map the names of VIPs' keys to the VIPs."""
    return {member_name(vip): vip for vip in vips}


def member_vip(name: str) -> str:
    """Return the VIP of a member's key, unvalidated: the inverse of `member_name`."""
    return name.replace("_", "/")
