"""The types of single values: what a key takes, and the message for what it does not take."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from vipagent.checks.urls import check_url
from vipagent.config import addresses, communities
from vipagent.config.names import name, node_name
from vipagent.net.endpoint import Endpoint

DAY = 86_400
MAX32 = 2**32 - 1
MAX_PORT = 65_535
LOOPBACK = "127.0.0.1"
LISTENING = "PORT (of the loopback), ADDRESS:PORT or [IPV6]:PORT; 0.0.0.0:PORT or [::]:PORT is every address"


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


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is no number")
    return value


_Number = BeforeValidator(_no_truth_value)
_List = BeforeValidator(_listed)

Seconds = Annotated[float, _Number, Field(ge=0, le=DAY, allow_inf_nan=False)]
SomeSeconds = Annotated[float, _Number, Field(gt=0, le=DAY, allow_inf_nan=False)]
Number32 = Annotated[int, _Number, Field(ge=0, le=MAX32)]
ASN = Annotated[int, _Number, Field(ge=1, le=MAX32)]
Count = Annotated[int, _Number, Field(ge=0, le=1000)]
Times = Annotated[int, _Number, Field(ge=1, le=1000)]
Upper = BeforeValidator(_upper)

Text = Annotated[str, AfterValidator(plain)]
Name = Annotated[str, AfterValidator(name)]
NodeName = Annotated[str, AfterValidator(node_name)]
Prefix = Annotated[str, AfterValidator(prefix)]
Listen = Annotated[str, AfterValidator(listen)]
CheckUrl = Annotated[str, AfterValidator(check_url)]
Command = Annotated[str, AfterValidator(command)]

Vips = Annotated[tuple[Annotated[str, AfterValidator(addresses.vip)], ...], _List]
Neighbors = Annotated[tuple[Annotated[str, AfterValidator(addresses.host)], ...], _List]
NextHops = Annotated[tuple[Annotated[str, AfterValidator(next_hop)], ...], _List]
Commands = Annotated[tuple[Command, ...], _List]

# pydantic runs validators in front of a type from right to left.
Hosts = Annotated[tuple[Text, ...], BeforeValidator(_split(r"[, ]+")), _List]
_Brackets = BeforeValidator(_split(r"[\[\] ]+"))
Communities = Annotated[tuple[Annotated[str, AfterValidator(communities.community)], ...], _Brackets, _List]
LargeCommunities = Annotated[
    tuple[Annotated[str, AfterValidator(communities.large_community)], ...], _Brackets, _List
]
ExtendedCommunities = Annotated[
    tuple[Annotated[str, AfterValidator(communities.extended_community)], ...], _Brackets, _List
]
