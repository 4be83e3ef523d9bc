"""Where things lie in a store: ExaZK's tree, the same in every store (S2).

<prefix>/service/<service>/<vip>         ephemeral: the VIP's owner lives
<prefix>/maintenance/<service>/<node>    persistent: the node is in maintenance
<prefix>/maintenance/<service>/all       persistent: the service is in maintenance
<prefix>/state/<service>/<node>          ephemeral: what the node does, and why
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_PREFIX = "/exabgp"
WHOLE_SERVICE = "all"
"""The maintenance key of a whole service; no node may have this name."""


class Kind(StrEnum):
    """The three directories that a service has in a store."""

    MEMBERS = "service"
    MAINTENANCE = "maintenance"
    STATES = "state"


@dataclass(frozen=True, slots=True)
class Directory:
    """The entries of one kind of one service."""

    kind: Kind
    service: str

    def path(self, prefix: str) -> str:
        """Return the absolute path below `prefix`, without a slash at its end."""
        return f"{prefix.rstrip('/')}/{self.kind}/{self.service}"


@dataclass(frozen=True, slots=True)
class Key:
    """One entry: its directory, and its name there (never with a slash in it)."""

    directory: Directory
    name: str

    def path(self, prefix: str) -> str:
        """Return the absolute path below `prefix`."""
        return f"{self.directory.path(prefix)}/{self.name}"


def member_name(vip: str) -> str:
    """Return a VIP's name as a key: `10.0.0.1`, and `10.0.0.0_24` for a prefix."""
    return vip.replace("/", "_")


def vips_by_name(vips: Iterable[str]) -> dict[str, str]:
    """Return VIPs by their names as keys."""
    return {member_name(vip): vip for vip in vips}


def member_vip(name: str) -> str:
    """Return the VIP of a member's key, the reverse of `member_name`; nothing is checked."""
    return name.replace("_", "/")
