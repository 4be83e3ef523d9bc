"""An agent that is told to stop, as by SIGTERM: the others announce first, then it withdraws (E3)."""

from vipagent.core import events
from vipagent.testing.simulation.hindrances import Hindrance
from vipagent.testing.simulation.machine import Machine
from vipagent.testing.simulation.surroundings import Surroundings

LEAVING, LAST_WORDS = 0.5, 0.3
"""Seconds that an agent that was told to stop leaves to the others, and to its withdrawals."""


def terminate(machine: Machine, around: Surroundings) -> None:
    """Tell a machine's agent to stop; ExaBGP starts another one."""
    exabgp, agent, clock = machine.exabgp, machine.agent, around.clock
    if exabgp is None or agent is None or agent.stopped or Hindrance.AGENT in machine.hindrances.reasons:
        return
    around.witness.noted(machine.name, "the agent is asked to stop")
    machine.hindrances.add(Hindrance.AGENT, clock.now)
    agent.take(events.LeaveAsked())

    def stop() -> None:
        if machine.agent is not agent:
            return
        if agent.stopped:
            clock.after(LEAVING, stop)
        else:
            agent.take(events.StopAsked())
            agent.client.close()
            clock.after(LAST_WORDS, end)

    def end() -> None:
        if machine.agent is agent:
            machine.respawn(exabgp)

    clock.after(LEAVING, stop)
