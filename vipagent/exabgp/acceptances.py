"""First acceptances of routes, held until their replies are certain (G1, E1), sans-I/O.

4.2 does not reply to some invalid routes, so the reply to the next command is attributed to such a route. The
answer to a later query shows whether a reply is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.results import CommandResult


@dataclass(slots=True)
class Acceptances:
    """Holds the first acceptance of each VIP's route until the next answer to a query.

    Later ones are not held: ExaBGP has accepted a route of this VIP, and the reply to its replacement is
    checked by the next poll.
    """

    commands: CommandQueue
    _certain: set[str] = field(default_factory=set)
    """VIPs with an announcement whose acceptance is certain, and not withdrawn since."""
    _held: dict[str, CommandResult] = field(default_factory=dict)
    """Acceptances by VIP."""

    @property
    def query_needed(self) -> bool:
        """Whether a command in flight would be held that no query follows yet."""
        return any(vip not in self._certain for vip in self.commands.announced_since_query())

    def hold(self, result: CommandResult) -> bool:
        """Process a result; return whether it is held."""
        self._held.pop(result.vip, None)
        if result.error or not result.announced:
            self._certain.discard(result.vip)
        elif result.is_current and result.vip not in self._certain and self.commands.can_delimit:
            self._held[result.vip] = result
            return True
        return False

    def release(self) -> Iterator[CommandResult]:
        """Yield the held acceptances that the answer to a query has confirmed.

        One whose command will be sent again is dropped: another result follows.
        """
        if not self.commands.delimited:
            return
        held, self._held = self._held, {}
        for vip, result in held.items():
            if self.commands.confirmed(vip):
                self._certain.add(vip)
                yield result
