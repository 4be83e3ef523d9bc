"""Validated settings of a service's check and hooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vipagent.core.words import CheckState
from vipagent.net.tls import Verify


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """The local check, with the names and meanings of ExaBGP's healthcheck (C1). Times are in seconds.

    Without a command and a URL the check always succeeds.
    """

    command: str | None = None
    """Shell command; exit status 0 is a success."""
    url: str | None = None
    """`http://`, `https://` (status 2xx or 3xx is a success) or `tcp://HOST:PORT` (a connection is)."""
    interval: float = 5.0
    fast_interval: float = 1.0
    """Used instead of `interval` while the state is changing."""
    timeout: float = 5.0
    disable: str | None = None
    """File; while it exists the service is disabled and not checked."""
    verify: Verify = Verify.YES
    """Verification of the certificate for `https://`."""


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Shell commands that run when the state of the check changes (C2)."""

    always: tuple[str, ...] = ()
    by_state: Mapping[CheckState, tuple[str, ...]] = field(default_factory=dict)
