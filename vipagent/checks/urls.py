"""The URLs that a check can have: a row for each scheme, for validation, messages and documentation (C1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of check, as operators write it."""

    form: str
    """The URL, with placeholders in capitals."""
    good: str
    """The result that counts as good."""
    fits: Callable[[SplitResult], bool]
    """Whether a URL of this scheme has this form."""


def _host(url: SplitResult) -> bool:
    return bool(url.hostname) and url.port != 0


def _host_and_port_only(url: SplitResult) -> bool:
    return _host(url) and url.port is not None and not (url.path or url.query or url.fragment)


SCHEMES: Mapping[str, Scheme] = {
    "http": Scheme("http://HOST[:PORT]/PATH", "status 2xx or 3xx", _host),
    "https": Scheme("https://HOST[:PORT]/PATH", "status 2xx or 3xx", _host),
    "tcp": Scheme("tcp://HOST:PORT", "a connection", _host_and_port_only),
}
"""By the scheme's name; `vipagent.checks.kinds` has the check for each."""
FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())
DESCRIBED = ", ".join(f"{scheme.form} ({scheme.good})" for scheme in SCHEMES.values())
"""Each form with the result that counts as good, for the documentation."""


def check_url(text: str) -> str:
    """Return the URL of a check.

    Raises:
        ValueError: it has none of the forms of `SCHEMES`.
    """
    if not text.isascii() or any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("is not a valid URL: percent-encode spaces and non-ASCII characters")
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise ValueError(f"is not a valid URL ({error}): {FORMS}") from None
    scheme = SCHEMES.get(url.scheme)
    if scheme is None:
        raise ValueError(f"cannot be checked: {FORMS}")
    if url.username is not None or not scheme.fits(url):
        raise ValueError(f"cannot be checked: {scheme.form}, and nothing else")
    return text
