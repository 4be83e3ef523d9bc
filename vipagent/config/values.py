"""Types of configuration values and the messages for invalid ones.

An option is a field of a frozen dataclass: name, type with limits and unit, description, default.

    interval: Annotated[PositiveSeconds, "Interval between checks, in seconds.", ShortOption("-i")] = 5.0

It belongs to the settings of the component that uses it. Command line, file, documentation, manual
pages and completion are generated from it (`vipagent.config.catalog`). This module does not import pydantic:
only the process that validates needs it.
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
MAX_UINT32 = 2**32 - 1
MAX_NAME = 200
MAX_PORT = 65_535
DEFAULT_LISTEN_HOST = "127.0.0.1"
LISTEN_FORMATS = (
    "use PORT (on 127.0.0.1), ADDRESS:PORT or [IPV6]:PORT; 0.0.0.0:PORT or [::]:PORT for all addresses"
)


class Section:
    """Base class of a mapping of the file: rejects unknown keys, infinity and NaN."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True)
class Metavar:
    """Placeholder of the value in `--help`: `SECONDS`. The field's overrides that of its type."""

    name: str


@dataclass(frozen=True, slots=True)
class ShortOption:
    """Short option name: `-i`."""

    name: str


@dataclass(frozen=True, slots=True)
class Range:
    """Limits of a number. Defined here because `annotated_types` would cost each agent 0.8 MB."""

    minimum: int
    maximum: int
    exclusive: bool = False
    """Whether the minimum itself is excluded."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return the number's schema with these limits."""
        return {**handler(source), "gt" if self.exclusive else "ge": self.minimum, "le": self.maximum}


@dataclass(frozen=True, slots=True)
class Parsed:
    """Value validated and converted by a function, whose `ValueError` is the message."""

    parse: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the function after pydantic's validation."""
        from pydantic_core.core_schema import no_info_after_validator_function as after  # noqa: PLC0415

        return after(self.parse, handler(source))


@dataclass(frozen=True, slots=True)
class Normalized:
    """Value normalized by a function before pydantic's validation."""

    normalize: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the function before pydantic's validation; the last of several is called first."""
        from pydantic_core.core_schema import no_info_before_validator_function as before  # noqa: PLC0415

        return before(self.normalize, handler(source))


def name(text: str) -> str:
    """Return a valid name of a service or node.

    Raises:
        ValueError: the text is not a valid name.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text) or not text.strip(".") or len(text) > MAX_NAME:
        raise ValueError(
            f"is not a valid name: use letters, digits, '.', '_' and '-', at most {MAX_NAME} characters"
        )
    return text


def node_name(text: str) -> str:
    """Return a valid name of a node.

    Raises:
        ValueError: the text is not a valid name, or is reserved.
    """
    if name(text) == WHOLE_SERVICE:
        raise ValueError("is reserved for the maintenance of a whole service: choose another node name")
    return text


def prefix(text: str) -> str:
    """Return the root path in the store.

    Raises:
        ValueError: the text is not a valid absolute path.
    """
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+/?", text) or any(
        not part.strip(".") for part in text[1:].split("/")[:-1]
    ):
        raise ValueError("is not a valid absolute path (such as /exabgp)")
    return text.rstrip("/")


def plain(text: str) -> str:
    """Return a single line of printable text.

    Raises:
        ValueError: the text is empty or contains a control character.
    """
    if not text.strip():
        raise ValueError("is empty")
    if any(not char.isprintable() for char in text):
        raise ValueError("contains a control character")
    return text


def command(text: str) -> str:
    """Return a shell command, possibly of several lines.

    Raises:
        ValueError: the text is empty, or contains NUL, which cannot be part of an argument.
    """
    if not text.strip() or "\0" in text:
        raise ValueError("is not a valid command")
    return text


def listen(text: str) -> str:
    """Return a listen address as `ADDRESS:PORT`; the default address is the loopback.

    Raises:
        ValueError: the text is not valid. Host names other than `localhost` are not resolved.
    """
    host, _, port = text.rpartition(":")
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = addresses.host(
            {"": DEFAULT_LISTEN_HOST, "localhost": DEFAULT_LISTEN_HOST}.get(host, host.strip("[]"))
        )
    except ValueError:
        raise ValueError(f"is not a valid listen address: {LISTEN_FORMATS}") from None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"has no valid port (1 to {MAX_PORT}): {LISTEN_FORMATS}")
    if in_brackets != (":" in address):
        raise ValueError(f"is not a valid listen address, brackets are for IPv6: {LISTEN_FORMATS}")
    return str(Endpoint(address, int(port)))


def next_hop(text: str) -> str:
    """Return a next hop: an address or `self`.

    Raises:
        ValueError: the text is neither.
    """
    return text if text == "self" else addresses.host(text)


def _listed(value: Any) -> Any:
    """Accept a single value in place of a list."""
    return value if isinstance(value, list | tuple | dict) or value is None else [value]


def _split(pattern: str) -> Callable[[Any], Any]:
    """Accept several values in one string, separated by a pattern."""

    def split(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        parts = [re.split(pattern, item) if isinstance(item, str) else [item] for item in value]
        return [part for item in parts for part in item if part]

    return split


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


_LIST = Normalized(_listed)
_BRACKETS = Normalized(_split(r"[\[\] ]+"))

Seconds = Annotated[float, Range(0, DAY), Metavar("SECONDS")]
PositiveSeconds = Annotated[float, Range(0, DAY, exclusive=True), Metavar("SECONDS")]
UInt32 = Annotated[int, Range(0, MAX_UINT32), Metavar("N")]
ASN = Annotated[int, Range(1, MAX_UINT32), Metavar("ASN")]
Count = Annotated[int, Range(0, 1000), Metavar("N")]
PositiveCount = Annotated[int, Range(1, 1000), Metavar("N")]
UPPER = Normalized(_upper)

Text = Annotated[str, Parsed(plain)]
Name = Annotated[str, Parsed(name), Metavar("NAME")]
NodeName = Annotated[str, Parsed(node_name), Metavar("NODE")]
Prefix = Annotated[str, Parsed(prefix), Metavar("PATH")]
Listen = Annotated[str, Parsed(listen), Metavar("[HOST:]PORT")]
CheckUrl = Annotated[str, Parsed(check_url), Metavar("URL")]
Command = Annotated[str, Parsed(command), Metavar("COMMAND")]

Vips = Annotated[tuple[Annotated[str, Parsed(addresses.vip)], ...], _LIST, Metavar("IP")]
Neighbors = Annotated[tuple[Annotated[str, Parsed(addresses.host)], ...], _LIST, Metavar("IP")]
NextHops = Annotated[tuple[Annotated[str, Parsed(next_hop)], ...], _LIST, Metavar("IP")]
Commands = Annotated[tuple[Command, ...], _LIST, Metavar("COMMAND")]
Hosts = Annotated[tuple[Text, ...], Normalized(_split(r"[, ]+")), _LIST, Metavar("HOST:PORT,...")]
Communities = Annotated[
    tuple[Annotated[str, Parsed(communities.community)], ...], _BRACKETS, _LIST, Metavar("AS:NUMBER")
]
LargeCommunities = Annotated[
    tuple[Annotated[str, Parsed(communities.large_community)], ...],
    _BRACKETS,
    _LIST,
    Metavar("AS:NUMBER:NUMBER"),
]
ExtendedCommunities = Annotated[
    tuple[Annotated[str, Parsed(communities.extended_community)], ...],
    _BRACKETS,
    _LIST,
    Metavar("TYPE:AS:NUMBER"),
]
