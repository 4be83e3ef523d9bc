"""Settings of a service's check and hooks: validated plain data."""

from dataclasses import dataclass
from typing import Annotated

from vipagent.checks.urls import DESCRIBED
from vipagent.config.values import (
    CheckUrl,
    Command,
    Commands,
    Metavar,
    PositiveSeconds,
    Section,
    ShortOption,
    Text,
)
from vipagent.net.tls import Verify
from vipagent.types import CheckState


@dataclass(frozen=True)
class CheckSettings(Section):
    """Settings of the local check, named as in ExaBGP's healthcheck (C1).

    Without a command and a URL, the service is always up.
    """

    command: Annotated[
        Command | None,
        "Shell command that checks the service; exit status 0 means success.",
        ShortOption("-c"),
    ] = None
    check: Annotated[
        CheckUrl | None,
        f"URL to check, in place of a command: {DESCRIBED}.",
    ] = None
    check_verify: Annotated[
        Verify,
        "Certificate verification of an https:// check, with the system's certificate authorities. true: "
        "issuer, validity period and host name; false: none; strict: as true, plus the requirements of "
        "RFC 5280, such as the issuer's key usage.",
    ] = Verify.YES
    interval: Annotated[PositiveSeconds, "Interval between checks, in seconds.", ShortOption("-i")] = 5.0
    fast_interval: Annotated[
        PositiveSeconds,
        "Interval between checks while the state is about to change, in seconds.",
        ShortOption("-f"),
    ] = 1.0
    timeout: Annotated[PositiveSeconds, "Timeout of one check, in seconds.", ShortOption("-t")] = 5.0
    disable: Annotated[
        Text | None, "Path of a file that disables the service while it exists.", Metavar("FILE")
    ] = None


@dataclass(frozen=True)
class HookSettings(Section):
    """Shell commands run when the state of the check changes (C2)."""

    execute: Annotated[
        Commands,
        "Shell command to run when the state changes, with the new state in $STATE. Repeatable.",
    ] = ()
    up_execute: Annotated[Commands, "Shell command to run when the service goes up. Repeatable."] = ()
    down_execute: Annotated[Commands, "Shell command to run when the service goes down. Repeatable."] = ()
    disabled_execute: Annotated[
        Commands, "Shell command to run when the service is disabled. Repeatable."
    ] = ()

    def commands(self, state: CheckState) -> tuple[str, ...]:
        """Return the commands to run when the state changes to this one, in order."""
        by_state = {
            CheckState.UP: self.up_execute,
            CheckState.DOWN: self.down_execute,
            CheckState.DISABLED: self.disabled_execute,
        }
        return (*by_state.get(state, ()), *self.execute)
