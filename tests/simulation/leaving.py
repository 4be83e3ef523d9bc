"""An agent that is told to stop, as by SIGTERM: the others announce first, then it withdraws (E3)."""

from tests.simulation.hindrances import Hindrance
from tests.simulation.machine import Machine
from tests.simulation.surroundings import Surroundings
from vipagent.engine import inputs


def terminate(machine: Machine, around: Surroundings) -> None:
    """Tell a machine's agent to stop; when it has ended, ExaBGP starts another one."""
    agent, clock = machine.agent, around.clock
    if agent is None or agent.stopped or Hindrance.AGENT in machine.hindrances.reasons:
        return
    around.witness.noted(machine.name, "the agent is asked to stop")
    machine.hindrances.add(Hindrance.AGENT, clock.now)
    agent.take(inputs.ShutdownRequested())
