"""How one service is checked, and what runs when its state changes: plain data, already validated."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vipagent.core.words import CheckState
from vipagent.net.tls import Verify


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """The local check; names and meanings as in ExaBGP's healthcheck (C1). Times in seconds.

    With neither a command nor a URL the service is taken to be good.
    """

    command: str | None = None
    """A shell command; status 0 is good."""
    url: str | None = None
    """One of `vipagent.checks.urls.SCHEMES`."""
    interval: float = 5.0
    fast_interval: float = 1.0
    """Instead of `interval` while a change of state is about to occur."""
    timeout: float = 5.0
    disable: str | None = None
    """A file: as long as it exists the service is disabled, and not checked."""
    verify: Verify = Verify.YES
    """How the certificate is verified, with `https://`."""


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Shell commands that run when the state of the check changes (C2)."""

    always: tuple[str, ...] = ()
    by_state: Mapping[CheckState, tuple[str, ...]] = field(default_factory=dict)
