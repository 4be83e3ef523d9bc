"""What the values in a store mean. Reading them never raises: they may be anybody's, and hostile (S1)."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from vipagent.store.backend import MAX_VALUE
from vipagent.types import Claim

MAX_TEXT = 512
"""Characters of any text that is read from a store; the rest is cut."""
RECORD_VERSION = 2
"""Of a node's record: 1 had every VIP of the pool, 2 has the exceptions. Whoever reads one ignores what it
does not know, so a newer record can be read by an older agent, and the other way round."""
MAX_EVENTS = 10
"""The latest events of a node that its record has; no more are read from one."""


class Malformed(ValueError):
    """A value that is not what its key says."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A member's value. ExaZK's members have none."""

    node: str = ""
    instance: str = ""

    def dump(self) -> bytes:
        """Return the value to store."""
        return _dump(asdict(self))

    @classmethod
    def load(cls, value: bytes) -> "Registration":
        """Read a member's value; anything else than ours is an anonymous registration."""
        if not value:  # ExaZK's, or one that need not be read: most of a large pool
            return cls()
        try:
            fields = _load(value)
        except Malformed:
            return cls()
        return cls(node=_text(fields, "node"), instance=_text(fields, "instance"))


def claim_of(value: bytes, node: str, instance: str) -> Claim:
    """Say whose a member is by its value alone."""
    registration = Registration.load(value)
    if registration.node != node or not node:
        return Claim.OTHER
    return Claim.OURS if registration.instance == instance else Claim.SAME_NODE


@dataclass(frozen=True, slots=True)
class Maintenance:
    """An operator's key. ExaZK's have no value: that is a plain maintenance."""

    reason: str = ""
    by: str = ""
    since: str = ""
    """ISO 8601, UTC: for people only."""
    now: bool = False
    """Skip the drain (H2)."""

    def dump(self) -> bytes:
        """Return the value to store."""
        return _dump(asdict(self))

    def in_words(self) -> str:
        """Return who has put something in maintenance, since when, and why."""
        by = f" by {self.by}" if self.by else ""
        since = f" since {self.since}" if self.since else ""
        because = f": {self.reason}" if self.reason else ""
        return f"in maintenance{by}{since}{because}"

    @classmethod
    def load(cls, value: bytes) -> "Maintenance":
        """Read a maintenance key: that it exists is what counts, so nothing in it can undo it."""
        try:
            fields = _load(value)
        except Malformed:
            return cls()
        return cls(
            reason=_text(fields, "reason"),
            by=_text(fields, "by"),
            since=_text(fields, "since"),
            now=fields.get("now") is True,
        )


@dataclass(frozen=True, slots=True)
class VipState:
    """What one node does with one VIP."""

    reason: str
    rank: int | None = None
    """Its rank, where it is announced (A3)."""
    owned: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A decision that changed one of a node's routes."""

    at: str
    """When, by the node's own clock: ISO 8601, UTC, to the millisecond."""
    vip: str
    old: str
    """What the node did with the VIP until then, as `rank 1 (releasing)`; empty: nothing yet in this run."""
    new: str
    """What it does since, as `withdrawn (standby)`."""
    reason: str
    rule: str
    """The rule of the contract behind the reason, as `A2`."""
    cause: str
    """What had happened, in a word: `members`, `check`, `maintenance`, ..."""

    @classmethod
    def load(cls, fields: Mapping[str, object]) -> "Event":
        """Read one of a record's events; what is not there, or no text, is empty."""
        return cls(**{field.name: _text(fields, field.name) for field in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one node does, and why: its record in the store, for as long as its agent lives.

    It is written by exception: of a VIP that is not in it the node is a plain standby, since somebody else
    has it registered.
    """

    node: str
    check: str
    detail: str = ""
    """Why: the last failing check, who put it in maintenance and because of what, ..."""
    since: str = ""
    """When `check` or `detail` became so: ISO 8601, UTC."""
    neighbors: int | None = None
    """Established BGP neighbours, where the agent is told."""
    vips: Mapping[str, VipState] = field(default_factory=dict)
    instance: str = ""
    events: tuple[Event, ...] = ()
    """Its last decisions in this run, the latest one last; `MAX_EVENTS` at most."""
    version: int = RECORD_VERSION
    """Of the record's shape; 1 where none is given."""

    def dump(self) -> bytes:
        """Return the value to store."""
        vips = {vip: _said(asdict(state)) for vip, state in self.vips.items()}
        return _dump({**asdict(self), "vips": vips})

    @classmethod
    def load(cls, value: bytes) -> "NodeState":
        """Read a node's record.

        Raises:
            Malformed: it is not one.
        """
        fields = _load(value)
        vips = fields.get("vips")
        neighbors, version = fields.get("neighbors"), fields.get("version")
        if not isinstance(vips, dict):
            raise Malformed("a node's record without its VIPs")
        return cls(
            node=_text(fields, "node"),
            check=_text(fields, "check"),
            detail=_text(fields, "detail"),
            since=_text(fields, "since"),
            neighbors=neighbors if type(neighbors) is int else None,
            vips={_cut(vip): _vip_state(state) for vip, state in vips.items() if isinstance(state, dict)},
            instance=_text(fields, "instance"),
            events=_events(fields.get("events")),
            version=version if type(version) is int else 1,
        )


def _events(said: object) -> tuple[Event, ...]:
    latest = said[-MAX_EVENTS:] if isinstance(said, list) else []
    return tuple(Event.load(fields) for fields in latest if isinstance(fields, dict))


def _vip_state(fields: Mapping[str, object]) -> VipState:
    rank = fields.get("rank")
    return VipState(
        reason=_text(fields, "reason"),
        rank=rank if type(rank) is int else None,
        owned=fields.get("owned") is True,
    )


def _dump(fields: Mapping[str, object]) -> bytes:
    return json.dumps(_said(fields)).encode()


def _said(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what says nothing."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not False and value != ""
    }


def _load(value: bytes) -> dict[str, object]:
    if len(value) >= MAX_VALUE:
        raise Malformed(f"a value of {MAX_VALUE} bytes or more")
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Malformed("a value that is not JSON") from error
    if not isinstance(fields, dict):
        raise Malformed("a value that is not a JSON object")
    return fields


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return _cut(value) if isinstance(value, str) else ""


def _cut(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_TEXT])
