"""Simulated ExaBGP in virtual time: its pipe, its neighbours, and how it fails to answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.simulation import dialect as formats
from tests.simulation.dialect import Dialect
from tests.simulation.neighbor import WITHDRAWN, Neighbor, NeighborSettings
from vipagent.exabgp.details import SHOW_DETAILS
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.table import SHOW_TABLE

FOREIGN_ROUTE = "198.51.100.0/24"
QUERIES = frozenset({SHOW_NEIGHBORS, SHOW_DETAILS, SHOW_TABLE})


@dataclass(frozen=True, slots=True)
class ExaBGPSettings:
    """Version and configuration of one ExaBGP."""

    dialect: Dialect = field(default_factory=Dialect)
    neighbors: tuple[NeighborSettings, ...] = (NeighborSettings(),)
    foreign_route: bool = False
    """Whether another process announces `FOREIGN_ROUTE`."""


class Silence(StrEnum):
    """What a running ExaBGP does not write."""

    NOTHING = "answers everything"
    REPLIES = "answers queries, but replies to no command"
    EVERYTHING = "executes commands, but writes nothing"


@dataclass
class ExaBGP:
    """One ExaBGP process.

    Args:
        dialect: its version and configuration.
        settings: its neighbours.
        established: whether all sessions are established at the start.
    """

    dialect: Dialect = field(default_factory=Dialect)
    settings: tuple[NeighborSettings, ...] = (NeighborSettings(),)
    established: bool = True
    delay: float = 0.01
    """Seconds until it processes all lines in its pipe, in one flush."""
    refused: set[str] = field(default_factory=set)
    """The prefixes whose announcements it rejects."""
    refuses_silently: bool = False
    """Whether it sends no reply to these (4.2 does that with some invalid routes)."""
    executed: set[str] = field(default_factory=set)
    """The routes with an announcement that it has not rejected, and no withdrawal since; another path
    identifier is another route, which the agent withdraws once the new one is accepted (E2)."""
    paused: bool = False
    """Whether it is paused, as by SIGSTOP; lines stay in the pipe."""
    slow_for: float = 0.0
    """Additional seconds until it processes lines; it writes other ones meanwhile."""
    silence: Silence = Silence.NOTHING
    lie: Callable[[list[str]], list[str]] | None = None
    """Distorts the table."""
    pipe: list[str] = field(default_factory=list)
    process_at: float | None = None
    neighbors: list[Neighbor] = field(init=False)

    def __post_init__(self) -> None:
        self.neighbors = [
            Neighbor(settings, established=self.established, holds=self.established)
            for settings in self.settings
        ]

    @property
    def acks(self) -> bool:
        """Whether it acknowledges commands."""
        return self.dialect.acks

    @property
    def wire_changes(self) -> int:
        """Number of changes to what its neighbours have received."""
        return sum([neighbor.wire_changes for neighbor in self.neighbors])

    @property
    def table(self) -> dict[str, str]:
        """The acknowledged routes of the first neighbour: attributes by route."""
        return self.neighbors[0].table

    @property
    def wire(self) -> dict[str, str]:
        """The routes that the first neighbour has received."""
        return self.neighbors[0].wire

    @property
    def up_at(self) -> float:
        """When the last session came up."""
        return max(neighbor.up_at for neighbor in self.neighbors)

    def write(self, lines: Iterable[str], now: float) -> None:
        """Write lines to its pipe."""
        self.pipe += lines
        if self.pipe and self.process_at is None and not self.paused:
            self.process_at = now + self.delay + self.slow_for

    def process(self, now: float) -> list[str]:
        """Process the lines in the pipe, flush the changes, and return the output."""
        lines, self.pipe, self.process_at = self.pipe, [], None
        output: list[str] = []
        for line in lines:
            if line in QUERIES:
                output += self._answer(line, now)
                output += ["done"] if self.acks else []
            else:
                reply = self._execute(line)
                output += [reply] if reply and self.acks and self.silence is not Silence.REPLIES else []
        for neighbor in self.neighbors:
            neighbor.flush(now)
        return [] if self.silence is Silence.EVERYTHING else output

    def pause(self) -> None:
        """Pause the process, as SIGSTOP does."""
        self.paused, self.process_at = True, None

    def resume(self, now: float) -> None:
        """Resume the process."""
        self.paused = False
        self.write([], now)

    def set_session(self, now: float, *, established: bool, only: Neighbor | None = None) -> list[str]:
        """Bring one BGP session or all of them up or down; return the output."""
        output: list[str] = []
        for neighbor in [only] if only else self.neighbors:
            if established == neighbor.established:
                continue
            if established:
                neighbor.come_up(now)
            else:
                neighbor.go_down()
            output += formats.events(self.dialect, neighbor)
        self.established = any(neighbor.established for neighbor in self.neighbors)
        return [] if self.silence is Silence.EVERYTHING else output

    def _execute(self, line: str) -> str:
        """Execute a command; return the reply, if any."""
        command = formats.parse(line)
        if command.attributes != WITHDRAWN and command.route.partition(" ")[0] in self.refused:
            return "" if self.refuses_silently else "error"
        announced = command.attributes != WITHDRAWN
        (self.executed.add if announced else self.executed.discard)(command.route)
        neighbors = self.neighbors
        if command.neighbors:
            neighbors = [neighbor for neighbor in neighbors if neighbor.settings.address in command.neighbors]
        for neighbor in neighbors:
            neighbor.change(command.route, command.attributes)
        return "done" if neighbors else "error"

    def _answer(self, query: str, now: float) -> list[str]:
        if query == SHOW_NEIGHBORS:
            return formats.summary(self.neighbors, self.dialect)
        if query == SHOW_DETAILS:
            return formats.details(self.neighbors, now)
        rows = formats.table(self.neighbors, self.dialect)
        return self.lie(rows) if self.lie else rows
