"""An agent that is told to stop, as by SIGTERM: the others announce first, then it withdraws (E3)."""

from vipagent.engine import inputs
from vipagent.testing.simulation.hindrances import Hindrance
from vipagent.testing.simulation.machine import Machine
from vipagent.testing.simulation.surroundings import Surroundings


def terminate(machine: Machine, around: Surroundings) -> None:
    """Tell a machine's agent to stop; when it has ended, ExaBGP starts another one."""
    agent, clock = machine.agent, around.clock
    if agent is None or agent.stopped or Hindrance.AGENT in machine.hindrances.reasons:
        return
    around.witness.noted(machine.name, "the agent is asked to stop")
    machine.hindrances.add(Hindrance.AGENT, clock.now)
    agent.take(inputs.StopAsked())
