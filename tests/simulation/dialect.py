"""Commands that a simulated ExaBGP reads, and the answers and events that it writes (4.2 and 5, measured)."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address

from tests.simulation.neighbor import LOCAL_ADDRESS, PEER, WITHDRAWN, Neighbor, family

COMMAND = re.compile(
    r"(?P<neighbors>neighbor [0-9a-f.:]+(?:, neighbor [0-9a-f.:]+)*)?(?:(?<=.) )?"
    r"(?:announce route (?P<announced>\S+(?: path-information \d+)?) (?P<attributes>.+)"
    r"|withdraw route (?P<withdrawn>\S+(?: path-information \d+)?))"
)
ATTRIBUTE = re.compile(
    r"(?P<name>next-hop|origin|attribute|as-path|med|local-preference|community|large-community|extended-community)"
    r" (?P<value>\[ [^\]]+ \]|[^\s\[\]]+)(?: |$)"
)
VERSION_5 = 5
WRITTEN_ORDER = (
    "next-hop",
    "origin",
    "attribute",
    "as-path",
    "med",
    "local-preference",
    "community",
    "extended-community",
    "large-community",
)
"""Order of the attributes in a line of the table. A generic `attribute` is always ORIGIN here."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one ExaBGP is configured."""

    version: int = VERSION_5
    """4: the summary lists established neighbours only."""
    encoder: str = "json"
    events: bool = True
    """Whether it reports that a session came up or went down (`neighbor-changes`)."""
    acks: bool = True
    """Whether it acknowledges commands."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command for a route."""

    neighbors: frozenset[str]
    """The neighbours that it is for; empty: all."""
    route: str
    """Prefix, and path identifier if any."""
    attributes: str
    """`WITHDRAWN` for a withdrawal."""


@lru_cache(4096)
def parse(line: str) -> Command:
    """Parse a command.

    Raises:
        AssertionError: ExaBGP would not understand it.
    """
    command = COMMAND.fullmatch(line)
    assert command, f"invalid command: {line!r}"
    attributes = command["attributes"] or WITHDRAWN
    if attributes != WITHDRAWN:
        assert not ATTRIBUTE.sub("", attributes), f"invalid attributes: {line!r}"
    neighbors = frozenset((command["neighbors"] or "").replace(",", "").split()) - {"neighbor"}
    return Command(neighbors, command["announced"] or command["withdrawn"], attributes)


def summary(neighbors: Iterable[Neighbor], dialect: Dialect) -> list[str]:
    """Answer `show neighbor summary`."""
    return [
        "Peer            AS        up/down state       |     #sent     #recvd",
        *[
            _summary_line(neighbor.settings.address, neighbor.settings.asn, neighbor.established)
            for neighbor in neighbors
            if neighbor.established or dialect.version >= VERSION_5
        ],
    ]


@lru_cache(256)
def _summary_line(address: str, asn: int, established: bool) -> str:
    state = "  0:00:03 established" if established else "     down idle       "
    return f"{address:<15} {asn:<7} {state}          3          2"


def details(neighbors: Iterable[Neighbor], now: float) -> list[str]:
    """Answer `show neighbor extensive`."""
    return [line for neighbor in neighbors for line in _details(neighbor, now)]


def _details(neighbor: Neighbor, now: float) -> list[str]:
    settings, up = neighbor.settings, neighbor.established
    negotiated = [
        (name, "n/a" if not up else "enabled" if name in settings.negotiated else "disabled")
        for name in settings.configured
    ]
    hold_time = int(settings.hold_time)
    received = neighbor.received(now)
    return [
        f"Neighbor {settings.address}",
        "",
        "    Session                       Local",
        f"   local                      {LOCAL_ADDRESS}",
        f"   state                    {'ESTABLISHED' if up else 'IDLE'}",
        f"   {'up for' if up else 'down for'}   {timedelta(seconds=int(max(0, now - neighbor.up_at)))}",
        "",
        "    Setup                         Local          Remote",
        f"   AS   {settings.local_as}   {settings.asn}",
        f"   hold-time   {hold_time}   {hold_time if up else 'n/a'}",
        "",
        "    Families                      Local          Remote        Add-Path",
        *(f"   {name + ':':<20} enabled   {remote}   disabled" for name, remote in negotiated),
        "",
        "    Message Statistic              Sent        Received",
        f"   total:   {received}   {received}",
        "",
    ]


def table(neighbors: Iterable[Neighbor], dialect: Dialect) -> list[str]:
    """Answer `show adj-rib out extensive`."""
    return [
        row(neighbor, route, attributes, dialect)
        for neighbor in neighbors
        for route, attributes in neighbor.table.items()
    ]


def row(neighbor: Neighbor, route: str, attributes: str, dialect: Dialect) -> str:
    """Return one line of the table."""
    return f"{_name(neighbor.settings.address, neighbor.settings.local_as, neighbor.settings.asn)} " + (
        _route(route, attributes, dialect.version)
    )


@lru_cache(256)
def _name(address: str, local_as: int, asn: int) -> str:
    return (
        f"neighbor {address} local-ip {LOCAL_ADDRESS} local-as {local_as} peer-as {asn} "
        f"router-id {LOCAL_ADDRESS} family-allowed in-open"
    )


@lru_cache(4096)
def _route(route: str, attributes: str, version: int) -> str:
    """Return a route as ExaBGP writes it; it does not write the path identifier 0."""
    prefix, _, path = route.partition(" path-information ")
    path = f" path-information {ip_address(int(path))}" if path and int(path) else ""
    values = {found["name"]: found["value"] for found in ATTRIBUTE.finditer(attributes)}
    written = [f"{name} {_value(name, values[name], version)}" for name in WRITTEN_ORDER if name in values]
    return f"{family(route)} {prefix}{path} {' '.join(written)}"


def _value(name: str, value: str, version: int) -> str:
    """Return the value of an attribute as ExaBGP writes it: a single community without brackets."""
    words = value.strip("[ ]").split() if value.startswith("[") else [value]
    if name == "as-path":
        return f"( {' '.join(words)} )" if version >= VERSION_5 else f"[ {' '.join(words)} ]"
    if name == "next-hop" and value == "self":
        return LOCAL_ADDRESS
    if name == "attribute":
        return value
    if name == "extended-community":
        words = [word if word.count(":") > 1 else f"target:{word}" for word in words]
    return words[0] if len(words) == 1 else f"[ {' '.join(words)} ]"


def state_line(state: str, peer: str = PEER) -> str:
    """Return the JSON event of a neighbour's state."""
    neighbor = {"address": {"local": LOCAL_ADDRESS, "peer": peer}, "state": state}
    return json.dumps({"exabgp": "5.0.0", "type": "state", "neighbor": neighbor})


def events(dialect: Dialect, neighbor: Neighbor) -> list[str]:
    """Return the events of a session that came up or went down."""
    states = ("connected", "up") if neighbor.established else ("down",)
    return [_event(dialect, neighbor, state) for state in states] if dialect.events else []


def _event(dialect: Dialect, neighbor: Neighbor, state: str) -> str:
    settings = neighbor.settings
    if dialect.encoder == "text":
        reason = " - peer reset, message (closing connection)" if state == "down" else ""
        return f"neighbor {settings.address} {state}{reason}"
    event = {
        "exabgp": "5.0.0" if dialect.version >= VERSION_5 else "4.0.1",
        "type": "state",
        "neighbor": {
            "address": {"local": LOCAL_ADDRESS, "peer": settings.address},
            "asn": {"local": settings.local_as, "peer": settings.asn},
            "state": state,
        },
    }
    return json.dumps(event)


def noise(dialect: Dialect) -> str:
    """Return a line that an agent ignores, but that shows that ExaBGP is alive."""
    if dialect.encoder == "text":
        return f"neighbor {PEER} receive keepalive"
    return json.dumps({"exabgp": "5.0.0", "type": "keepalive", "neighbor": {}})
