"""Objects shared by the services of an engine."""

from collections.abc import Callable
from datetime import datetime

from vipagent.config.settings import AgentConfig
from vipagent.engine.earlier_runs import EarlierRuns
from vipagent.engine.gate import Gate
from vipagent.engine.publications import Publications
from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.results import CommandResult


class Context:
    """Objects shared by the services of an engine.

    Args:
        config: the configuration at the start.
        commands: sends routes to ExaBGP.
        gate: tracks the BGP neighbours.
        wall_clock: returns the current time in UTC.
    """

    def __init__(
        self, config: AgentConfig, commands: CommandQueue, gate: Gate, wall_clock: Callable[[], datetime]
    ) -> None:
        self.instance = config.store.instance
        """Identifies this run of the agent."""
        self.host = config.store.host
        self.earlier_runs = EarlierRuns(config.store.session_timeout)
        self.watch_all = config.listen is not None
        """Whether to watch all directories, for the status page, or only those needed for decisions."""
        self.commands = commands
        self.gate = gate
        self.wall_clock = wall_clock
        self.faults: dict[str, str] = {}
        """Faults of the agent's process, with details."""
        self.refusals: dict[str, CommandResult] = {}
        """The last announcement that ExaBGP has not accepted, by VIP."""
        self.publications = Publications()
        """Limits the rate of the records."""
