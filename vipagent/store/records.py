"""Encoding of the values in a store. Values are untrusted: any client can write them (S1)."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from vipagent.store.backend import MAX_VALUE
from vipagent.store.fields import Malformed, dump, load, number, sanitize, text, without_empty
from vipagent.types import Claim, Neighbor, Reason, SessionState

RECORD_VERSION = 3
"""Version of `NodeState`: 1 contained every VIP of the pool, 2 leaves out plain standbys, 3 has a rank only
for routes that ExaBGP has accepted. Readers ignore unknown fields, so older and newer agents can read each
other's records."""
MAX_EVENTS = 10
"""Maximum events in a node's record, the latest ones, when writing and when reading."""
MAX_FAMILIES = 16
"""Maximum families of a neighbour when reading."""
MAX_FAULTS = 16
"""Maximum faults of a node when reading."""
MAX_RECORDED_PEERS = 64
"""Maximum neighbours in a node's record, when writing and when reading."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Value of a member's key. Empty for members registered by ExaZK."""

    node: str = ""
    instance: str = ""
    host: str = ""

    def dump(self) -> bytes:
        """Encode the record."""
        return dump(_shallow(self))

    @classmethod
    def load(cls, value: bytes) -> "Registration":
        """Decode a member's value. An invalid value yields an anonymous registration."""
        if not value:  # registered by ExaZK, or not read because it is not needed
            return cls()
        try:
            fields = load(value)
        except Malformed:
            return cls()
        return cls(text(fields, "node"), text(fields, "instance"), text(fields, "host"))


def claim_of(value: bytes, node: str, instance: str, earlier: Collection[str] = ()) -> Claim:
    """Return the owner of a member, by its value alone.

    Args:
        value: the value of its entry.
        node: this node's name.
        instance: this run of the agent.
        earlier: its known earlier runs.
    """
    registration = Registration.load(value)
    if registration.node != node or not node:
        return Claim.OTHER
    if registration.instance == instance:
        return Claim.OURS
    return Claim.EARLIER_RUN if registration.instance in earlier else Claim.SAME_NODE


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Value of a maintenance key. Empty for maintenance set by ExaZK."""

    reason: str = ""
    by: str = ""
    since: str = ""
    """ISO 8601, UTC, for display only."""
    now: bool = False
    """Skip the drain (H2)."""

    def dump(self) -> bytes:
        """Encode the record."""
        return dump(_shallow(self))

    def describe(self) -> str:
        """Return a description for operators: who, since when, and why."""
        by = f" by {self.by}" if self.by else ""
        since = f" since {self.since}" if self.since else ""
        because = f": {self.reason}" if self.reason else ""
        return f"in maintenance{by}{since}{because}"

    @classmethod
    def load(cls, value: bytes) -> "Maintenance":
        """Decode a maintenance key's value. An invalid value still means maintenance, without details."""
        try:
            fields = load(value)
        except Malformed:
            return cls()
        return cls(
            reason=text(fields, "reason"),
            by=text(fields, "by"),
            since=text(fields, "since"),
            now=fields.get("now") is True,
        )


@dataclass(frozen=True, slots=True)
class VipState:
    """State of one VIP on one node."""

    reason: str
    rank: int | None = None
    """Rank of the announced route: accepted by ExaBGP and, if known, in its table; None if there is none."""
    owned: bool = False
    asked: int | None = None
    """Rank of a requested route that is not announced; None if there is none."""
    accepted: bool = False
    """Whether ExaBGP has accepted the route of rank `asked`, which its table lacks."""
    not_local: bool = False
    """Whether the VIP is known to be an address of no interface of the node."""

    @property
    def importance(self) -> tuple[bool, bool]:
        """Sort key: owned VIPs, then those with a route, then others."""
        return not self.owned, self.rank is None and self.asked is None


@dataclass(frozen=True, slots=True)
class Event:
    """A decision that changed one of a node's routes."""

    at: str
    """Time of the node's clock: ISO 8601, UTC, with milliseconds."""
    vip: str
    old: str
    """Previous state of the route, such as `rank 1 (releasing)`; empty if it is the first of this run."""
    new: str
    """New state of the route, such as `withdrawn (standby)`."""
    reason: str
    rule: str
    """Rule that gives the reason, such as `A2`."""
    cause: str
    """Trigger of the decision: `members`, `check`, `maintenance`, ..."""

    @classmethod
    def load(cls, fields: Mapping[str, object]) -> "Event":
        """Decode an event. Missing and invalid fields are empty."""
        return cls(**{field.name: text(fields, field.name) for field in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True)
class NodeState:
    """Record of one node: its state and the states of its VIPs. Ephemeral.

    VIPs for which the node is a plain standby, registered by another node, are left out, except those known
    to be an address of no interface of the node.
    """

    node: str
    check: str
    detail: str = ""
    """Details for operators: result of the last check, who set the maintenance and why, ..."""
    since: str = ""
    """Time of the last change of `check` or `detail`: ISO 8601, UTC."""
    neighbors: int | None = None
    """Number of established BGP neighbours; None if unknown."""
    vips: Mapping[str, VipState] = field(default_factory=dict)
    instance: str = ""
    events: tuple[Event, ...] = ()
    """The last decisions of this run, oldest first; at most `MAX_EVENTS`."""
    peers: tuple[Neighbor, ...] = ()
    """The BGP neighbours; at most `MAX_RECORDED_PEERS`."""
    table: bool = False
    """Whether the routes with a rank are known to be in ExaBGP's table."""
    addresses: bool = False
    """Whether the local addresses are known, so that `not_local` is complete."""
    local_as: int | None = None
    """The configured `local_as`, if ExaBGP has another AS number towards a neighbour."""
    explanations: Mapping[str, str] = field(default_factory=dict)
    """What exactly is wrong, by `Reason`; without `no-bgp` if the states of `peers` explain that."""
    host: str = ""
    """Name of the host that the agent runs on; empty: unknown."""
    earlier_expired: bool = False
    """Whether the sessions of earlier runs have expired, so that a registration of another run under this
    name is that of a duplicate agent."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Faults of the agent's process, with details."""
    omitted: int | None = None
    """Number of VIPs left out because the record would be too large for its readers; None: none."""
    version: int = RECORD_VERSION
    """`RECORD_VERSION` of the writer; 1 if missing."""

    def dump(self) -> bytes:
        """Encode the record. If it is too large, owned VIPs are kept, then routes, then other VIPs."""
        value, kept = self._encode(), len(self.vips)
        while len(value) >= MAX_VALUE and kept:
            kept = min(kept - 1, kept * MAX_VALUE // len(value))
            vips = dict(sorted(self.vips.items(), key=lambda item: item[1].importance)[:kept])
            value = dataclasses.replace(self, vips=vips, omitted=len(self.vips) - kept)._encode()
        return value

    def _encode(self) -> bytes:
        vips = {vip: without_empty(_shallow(state)) for vip, state in self.vips.items()}
        peers = [
            without_empty({**_shallow(peer), "families": peer.families or None})
            for peer in self.peers[:MAX_RECORDED_PEERS]
        ]
        events = [_shallow(event) for event in self.events]
        return dump(
            {
                **_shallow(self),
                "vips": vips,
                "events": events,
                "peers": peers or None,
                "explanations": self.explanations or None,
                "faults": self.faults or None,
            }
        )

    @classmethod
    def load(cls, value: bytes) -> "NodeState":
        """Decode a node's record.

        Raises:
            Malformed: the value is not a valid record.
        """
        fields = load(value)
        vips = fields.get("vips")
        version = number(fields, "version")
        if not isinstance(vips, dict):
            raise Malformed("node record without vips")
        return cls(
            node=text(fields, "node"),
            check=text(fields, "check"),
            detail=text(fields, "detail"),
            since=text(fields, "since"),
            neighbors=number(fields, "neighbors"),
            vips={sanitize(vip): _vip_state(state) for vip, state in vips.items() if isinstance(state, dict)},
            instance=text(fields, "instance"),
            events=_events(fields.get("events")),
            peers=_peers(fields.get("peers")),
            table=fields.get("table") is True,
            addresses=fields.get("addresses") is True,
            local_as=number(fields, "local_as"),
            explanations=_explanations(fields.get("explanations")),
            host=text(fields, "host"),
            earlier_expired=fields.get("earlier_expired") is True,
            faults=_faults(fields.get("faults")),
            omitted=number(fields, "omitted"),
            version=1 if version is None else version,
        )


def _explanations(value: object) -> Mapping[str, str]:
    given = value if isinstance(value, dict) else {}
    return {reason: text(given, reason) for reason in Reason if text(given, reason)}


def _faults(value: object) -> dict[str, str]:
    first = list(value.items())[:MAX_FAULTS] if isinstance(value, dict) else []
    return {sanitize(fault): sanitize(detail) for fault, detail in first if isinstance(detail, str)}


def _peers(value: object) -> tuple[Neighbor, ...]:
    first = value[:MAX_RECORDED_PEERS] if isinstance(value, list) else []
    return tuple(_peer(fields) for fields in first if isinstance(fields, dict))


def _peer(fields: Mapping[str, object]) -> Neighbor:
    families = fields.get("families")
    first = families[:MAX_FAMILIES] if isinstance(families, list) else []
    return Neighbor(
        address=text(fields, "address"),
        state=text(fields, "state") or SessionState.UNKNOWN,
        local_as=number(fields, "local_as"),
        peer_as=number(fields, "peer_as"),
        families=tuple(sanitize(family) for family in first if isinstance(family, str)),
        hold_time=number(fields, "hold_time"),
        interface=text(fields, "interface"),
    )


def _events(value: object) -> tuple[Event, ...]:
    latest = value[-MAX_EVENTS:] if isinstance(value, list) else []
    return tuple(Event.load(fields) for fields in latest if isinstance(fields, dict))


def _vip_state(fields: Mapping[str, object]) -> VipState:
    return VipState(
        reason=text(fields, "reason"),
        rank=number(fields, "rank"),
        owned=fields.get("owned") is True,
        asked=number(fields, "asked"),
        accepted=fields.get("accepted") is True,
        not_local=fields.get("not_local") is True,
    )


def _shallow(
    record: Registration | Maintenance | VipState | Event | NodeState | Neighbor,
) -> dict[str, object]:
    """Return the fields of a record; `asdict` copies each value, which is slow for thousands of VIPs."""
    return {name: getattr(record, name) for name in record.__slots__}
