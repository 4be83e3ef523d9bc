"""How one service is checked, and what runs when its state changes: plain data, already validated."""

from dataclasses import dataclass
from typing import Annotated

from vipagent.checks.urls import DESCRIBED
from vipagent.config.values import CheckUrl, Command, Commands, Section, Short, SomeSeconds, Text, Unit
from vipagent.net.tls import Verify
from vipagent.types import CheckState


@dataclass(frozen=True)
class CheckSettings(Section):
    """The local check; names and meanings as in ExaBGP's healthcheck (C1).

    With neither a command nor a URL the service is taken to be good.
    """

    command: Annotated[
        Command | None, "Shell command that checks the service: exit status 0 is good.", Short("-c")
    ] = None
    check: Annotated[
        CheckUrl | None,
        f"URL that is checked, instead of a command: {DESCRIBED}.",
    ] = None
    check_verify: Annotated[
        Verify,
        "Verification of the certificate of an https:// check, by the system's authorities. true: "
        "authority, dates and the host's name; false: none; strict: as true, and all that RFC 5280 "
        "demands, such as the authority's key usage.",
    ] = Verify.YES
    interval: Annotated[SomeSeconds, "Time between two checks, in seconds.", Short("-i")] = 5.0
    fast_interval: Annotated[
        SomeSeconds,
        "Time between two checks while the state is about to change, in seconds.",
        Short("-f"),
    ] = 1.0
    timeout: Annotated[SomeSeconds, "Timeout of one check, in seconds.", Short("-t")] = 5.0
    disable: Annotated[Text | None, "File that disables the service while it exists.", Unit("FILE")] = None


@dataclass(frozen=True)
class HookSettings(Section):
    """Shell commands that run when the state of the check changes (C2)."""

    execute: Annotated[
        Commands,
        "Shell command run when the state changes; $STATE is the new one. May be several.",
    ] = ()
    up_execute: Annotated[Commands, "Shell command run when the service comes up. May be several."] = ()
    down_execute: Annotated[Commands, "Shell command run when the service goes down. May be several."] = ()
    disabled_execute: Annotated[
        Commands, "Shell command run when the service gets disabled. May be several."
    ] = ()

    def commands(self, state: CheckState) -> tuple[str, ...]:
        """Return what runs when the state becomes this one, in order."""
        by_state = {
            CheckState.UP: self.up_execute,
            CheckState.DOWN: self.down_execute,
            CheckState.DISABLED: self.disabled_execute,
        }
        return (*by_state.get(state, ()), *self.execute)
