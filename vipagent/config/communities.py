"""Validation of BGP communities: accepts only what both ExaBGP 4.2 and 5 parse in the same way (A5)."""

import re

WELL_KNOWN = ("no-export", "no-advertise", "no-export-subconfed", "no-peer", "nopeer", "blackhole")
"""Names supported by both versions."""

_MAX16 = 2**16 - 1
_MAX32 = 2**32 - 1

_EXTENDED = {
    "target": (_MAX16, _MAX32),
    "origin": (_MAX16, _MAX32),
    "redirect": (_MAX16, _MAX32),
    "bandwidth": (_MAX16, _MAX32),
    "l2info": (255, 255, _MAX16, _MAX16),
}
"""Maximum of each field by type, for the types that 4.2 and 5 encode identically."""


def community(text: str) -> str:
    """Return a standard community in lower case (RFC 1997).

    Raises:
        ValueError: the text is not a valid community.
    """
    _check_printable(text)
    name = text.lower()
    if name in WELL_KNOWN:
        return name
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 2:  # noqa: PLR2004
        raise ValueError(
            f"is not a valid community: use AS:NUMBER (such as 64500:1), or one of {', '.join(WELL_KNOWN)}"
        )
    _check_range(numbers, (_MAX16, _MAX16))
    return text


def large_community(text: str) -> str:
    """Return a large community (RFC 8092).

    Raises:
        ValueError: the text is not a valid large community.
    """
    _check_printable(text)
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 3:  # noqa: PLR2004
        raise ValueError("is not a valid large community: use AS:NUMBER:NUMBER (such as 4200000000:1:2)")
    _check_range(numbers, (_MAX32, _MAX32, _MAX32))
    return text


def extended_community(text: str) -> str:
    """Return an extended community (RFC 4360).

    Raises:
        ValueError: the text is not valid, or the versions of ExaBGP disagree on it.
    """
    _check_printable(text)
    if re.fullmatch(r"0x[0-9a-fA-F]{16}", text):
        return text
    kind, _, rest = text.partition(":")
    numbers = _numbers(rest)
    limits = _EXTENDED.get(kind)
    if numbers is None or limits is None or len(numbers) != len(limits):
        raise ValueError(
            "is not a valid extended community: use target:AS:NUMBER, origin:AS:NUMBER, redirect:AS:NUMBER, "
            "bandwidth:AS:BYTES, l2info:ENCAPSULATION:CONTROL:MTU:SITE, or 0x and 16 hexadecimal digits"
        )
    _check_range(numbers, limits)
    return text


def _check_printable(text: str) -> None:
    if any(not char.isprintable() for char in text):
        raise ValueError("contains a control character")


def _numbers(text: str) -> list[int] | None:
    if not re.fullmatch(r"[0-9]{1,10}(:[0-9]{1,10})*", text):
        return None
    return [int(part) for part in text.split(":")]


def _check_range(numbers: list[int], limits: tuple[int, ...]) -> None:
    for number, limit in zip(numbers, limits, strict=True):
        if number > limit:
            raise ValueError(f"is out of range: {number} exceeds {limit}")
