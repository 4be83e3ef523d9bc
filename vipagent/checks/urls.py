"""URL schemes of checks, for validation, messages and documentation (C1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True, slots=True)
class Scheme:
    """URL scheme of one type of check."""

    form: str
    """Form of the URL, with placeholders in capitals."""
    good: str
    """Result that counts as success."""
    fits: Callable[[SplitResult], bool]
    """Returns whether a URL of this scheme has this form."""


def _host(url: SplitResult) -> bool:
    return bool(url.hostname) and url.port != 0


def _host_and_port_only(url: SplitResult) -> bool:
    return _host(url) and url.port is not None and not (url.path or url.query or url.fragment)


SCHEMES: Mapping[str, Scheme] = {
    "http": Scheme("http://HOST[:PORT]/PATH", "status 2xx or 3xx", _host),
    "https": Scheme("https://HOST[:PORT]/PATH", "status 2xx or 3xx", _host),
    "tcp": Scheme("tcp://HOST:PORT", "a connection", _host_and_port_only),
}
"""Schemes by name; `vipagent.checks.kinds` implements the checks."""
FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())
DESCRIBED = ", ".join(f"{scheme.form} ({scheme.good})" for scheme in SCHEMES.values())
"""Each form with the result that counts as success, for the documentation."""


def check_url(text: str) -> str:
    """Return the URL of a check.

    Raises:
        ValueError: the URL has none of the forms in `SCHEMES`.
    """
    if not text.isascii() or any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("is not a valid URL: percent-encode spaces and non-ASCII characters")
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise ValueError(f"is not a valid URL ({error}): use {FORMS}") from None
    scheme = SCHEMES.get(url.scheme)
    if scheme is None:
        raise ValueError(f"is not a supported check URL: use {FORMS}")
    if url.username is not None or not scheme.fits(url):
        raise ValueError(f"is not a supported check URL: use {scheme.form}")
    return text
