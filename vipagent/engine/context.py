"""What all the services of an engine share."""

from collections.abc import Callable
from datetime import datetime

from vipagent.config.settings import AgentConfig
from vipagent.engine.gate import Gate
from vipagent.exabgp.commands import CommandQueue


class Context:
    """What all the services of an engine share.

    Args:
        config: the agent's, as it starts.
        commands: the queue of ExaBGP commands.
        gate: knows the neighbours.
        wall_clock: tells the time of day, in UTC, for people.
    """

    def __init__(
        self, config: AgentConfig, commands: CommandQueue, gate: Gate, wall_clock: Callable[[], datetime]
    ) -> None:
        self.instance = config.store.instance
        """This run of the agent."""
        self.watches_all = config.listen is not None
        """Whether people may look on: then all that the store has is followed, not only what decides."""
        self.commands = commands
        self.gate = gate
        self.wall_clock = wall_clock
