"""Options and the types of their values: what a key takes, and the message for what it does not take.

An option is a field of a frozen dataclass: its name, its type with limits and unit, its meaning, its default.

    interval: Annotated[SomeSeconds, "Time between two checks, in seconds.", Short("-i")] = 5.0

It stands with the settings of the part that uses it. Command line, file, documentation, manual
pages and completion are made from it (`vipagent.config.catalog`). Free of pydantic, for the agent: only who
validates imports it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from vipagent.checks.urls import check_url
from vipagent.config import addresses, communities
from vipagent.net.endpoint import Endpoint
from vipagent.store.layout import WHOLE_SERVICE

DAY = 86_400
MAX32 = 2**32 - 1
MAX_NAME = 200
MAX_PORT = 65_535
LOOPBACK = "127.0.0.1"
LISTENING = "PORT (of the loopback), ADDRESS:PORT or [IPV6]:PORT; 0.0.0.0:PORT or [::]:PORT is every address"


class Section:
    """The base of a mapping of the file: it takes its own keys only, and no number that is none."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number or a text is, for `--help`: `SECONDS`. That of the field counts before its type's."""

    metavar: str


@dataclass(frozen=True, slots=True)
class Short:
    """Another name on the command line: `-i`."""

    name: str


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest number that is taken; `annotated_types` would cost each agent 0.8 MB."""

    least: int
    most: int
    above: bool = False
    """Whether the least number itself is too small."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return the number's schema with these limits."""
        return {**handler(source), "gt" if self.above else "ge": self.least, "le": self.most}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text that a function checks and makes canonical; its `ValueError` is the message."""

    parse: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the function with what pydantic found good."""
        from pydantic_core.core_schema import no_info_after_validator_function as after  # noqa: PLC0415

        return after(self.parse, handler(source))


@dataclass(frozen=True, slots=True)
class Spelt:
    """A value that has other spellings; the function returns the one that pydantic takes."""

    unify: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the function with what is given; of several, the last one is called first."""
        from pydantic_core.core_schema import no_info_before_validator_function as before  # noqa: PLC0415

        return before(self.unify, handler(source))


def name(text: str) -> str:
    """Return a service's or node's name.

    Raises:
        ValueError: it cannot be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text) or not text.strip(".") or len(text) > MAX_NAME:
        raise ValueError(f"is no name: letters, digits, '.', '_' and '-', at most {MAX_NAME} characters")
    return text


def node_name(text: str) -> str:
    """Return a node's name.

    Raises:
        ValueError: it cannot be one.
    """
    if name(text) == WHOLE_SERVICE:
        raise ValueError("is reserved for the maintenance of a whole service: name the node otherwise")
    return text


def prefix(text: str) -> str:
    """Return the path in the store that everything lies below.

    Raises:
        ValueError: it is no absolute path.
    """
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+/?", text) or any(
        not part.strip(".") for part in text[1:].split("/")[:-1]
    ):
        raise ValueError("is no absolute path of plain names (such as /exabgp)")
    return text.rstrip("/")


def plain(text: str) -> str:
    """Return a text that fits on a line.

    Raises:
        ValueError: it is empty, or a control character is in it.
    """
    if not text.strip():
        raise ValueError("is empty")
    if any(not char.isprintable() for char in text):
        raise ValueError("has a control character in it")
    return text


def command(text: str) -> str:
    """Return a shell command, possibly of several lines.

    Raises:
        ValueError: it is empty, or has a NUL in it, which no program can be given.
    """
    if not text.strip() or "\0" in text:
        raise ValueError("is no command")
    return text


def listen(text: str) -> str:
    """Return where to listen, as `ADDRESS:PORT`; without an address it is the loopback.

    Raises:
        ValueError: it is something else. A name is, too, but for `localhost`: resolving it takes time.
    """
    host, _, port = text.rpartition(":")
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = addresses.host({"": LOOPBACK, "localhost": LOOPBACK}.get(host, host.strip("[]")))
    except ValueError:
        raise ValueError(f"is no address to listen at: {LISTENING}") from None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"has no port from 1 to {MAX_PORT}: {LISTENING}")
    if in_brackets != (":" in address):
        raise ValueError(f"is no address to listen at, for brackets are for IPv6: {LISTENING}")
    return str(Endpoint(address, int(port)))


def next_hop(text: str) -> str:
    """Return a next hop.

    Raises:
        ValueError: it is neither an address nor `self`.
    """
    return text if text == "self" else addresses.host(text)


def _listed(value: Any) -> Any:
    """Accept a single value where a list is taken."""
    return value if isinstance(value, list | tuple | dict) or value is None else [value]


def _split(pattern: str) -> Callable[[Any], Any]:
    """Accept several values in one text."""

    def split(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        parts = [re.split(pattern, item) if isinstance(item, str) else [item] for item in value]
        return [part for item in parts for part in item if part]

    return split


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


_LIST = Spelt(_listed)
_BRACKETS = Spelt(_split(r"[\[\] ]+"))

Seconds = Annotated[float, Range(0, DAY), Unit("SECONDS")]
SomeSeconds = Annotated[float, Range(0, DAY, above=True), Unit("SECONDS")]
Number32 = Annotated[int, Range(0, MAX32), Unit("N")]
ASN = Annotated[int, Range(1, MAX32), Unit("ASN")]
Count = Annotated[int, Range(0, 1000), Unit("N")]
Times = Annotated[int, Range(1, 1000), Unit("N")]
UPPER = Spelt(_upper)

Text = Annotated[str, Parsed(plain)]
Name = Annotated[str, Parsed(name), Unit("NAME")]
NodeName = Annotated[str, Parsed(node_name), Unit("NODE")]
Prefix = Annotated[str, Parsed(prefix), Unit("PATH")]
Listen = Annotated[str, Parsed(listen), Unit("[HOST:]PORT")]
CheckUrl = Annotated[str, Parsed(check_url), Unit("URL")]
Command = Annotated[str, Parsed(command), Unit("COMMAND")]

Vips = Annotated[tuple[Annotated[str, Parsed(addresses.vip)], ...], _LIST, Unit("IP")]
Neighbors = Annotated[tuple[Annotated[str, Parsed(addresses.host)], ...], _LIST, Unit("IP")]
NextHops = Annotated[tuple[Annotated[str, Parsed(next_hop)], ...], _LIST, Unit("IP")]
Commands = Annotated[tuple[Command, ...], _LIST, Unit("COMMAND")]
Hosts = Annotated[tuple[Text, ...], Spelt(_split(r"[, ]+")), _LIST, Unit("HOST:PORT,...")]
Communities = Annotated[
    tuple[Annotated[str, Parsed(communities.community)], ...], _BRACKETS, _LIST, Unit("AS:NUMBER")
]
LargeCommunities = Annotated[
    tuple[Annotated[str, Parsed(communities.large_community)], ...],
    _BRACKETS,
    _LIST,
    Unit("AS:NUMBER:NUMBER"),
]
ExtendedCommunities = Annotated[
    tuple[Annotated[str, Parsed(communities.extended_community)], ...],
    _BRACKETS,
    _LIST,
    Unit("TYPE:AS:NUMBER"),
]
