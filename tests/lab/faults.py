"""Faults of the first load balancer, its links and the store, and their repair."""

import signal
import subprocess
import time

from tests.lab import plan
from tests.lab.balancer import Balancer
from tests.lab.lab import Lab
from tests.lab.network import managed
from tests.servers.process import wait_for

VICTIM = plan.BALANCERS[0].name
BYSTANDER = plan.BALANCERS[1].name
"""The machine of the operator."""


def victim(lab: Lab) -> Balancer:
    """Return the load balancer with the faults."""
    return lab.balancers[VICTIM]


def nothing(_lab: Lab) -> None:
    """Do nothing: the fault repairs itself."""


def crash(lab: Lab) -> None:
    """`kill -9` ExaBGP and the agent together, like a failure of the machine."""
    victim(lab).crash()


def kill_exabgp(lab: Lab) -> None:
    """`kill -9` only ExaBGP."""
    victim(lab).exabgp.signal(signal.SIGKILL)


def terminate_exabgp(lab: Lab) -> None:
    """Send SIGTERM to ExaBGP, like `systemctl stop`."""
    victim(lab).exabgp.signal(signal.SIGTERM)


def start_exabgp(lab: Lab) -> None:
    """Start ExaBGP again after it has exited."""
    exabgp = victim(lab).exabgp
    exabgp.wait()
    exabgp.start()


def hang_exabgp(lab: Lab) -> None:
    """Freeze ExaBGP with SIGSTOP; its sessions end when the switch's hold time expires."""
    victim(lab).exabgp.signal(signal.SIGSTOP)


def continue_exabgp(lab: Lab) -> None:
    """SIGCONT."""
    victim(lab).exabgp.signal(signal.SIGCONT)


def terminate_agent(lab: Lab) -> None:
    """Send SIGTERM only to the agent, which ExaBGP restarts."""
    balancer = victim(lab)
    before = balancer.agent()
    balancer.signal_agent(signal.SIGTERM)
    wait_for("ExaBGP has restarted the agent", lambda: balancer.agent() != before)


def kill_agent(lab: Lab) -> None:
    """`kill -9` only the agent, which ExaBGP restarts."""
    balancer = victim(lab)
    before = balancer.agent()
    balancer.signal_agent(signal.SIGKILL)
    wait_for("ExaBGP has restarted the agent", lambda: balancer.agent() != before)


def stop_agent(lab: Lab) -> None:
    """Freeze the agent with SIGSTOP."""
    victim(lab).signal_agent(signal.SIGSTOP)


def continue_agent(lab: Lab) -> None:
    """SIGCONT."""
    victim(lab).signal_agent(signal.SIGCONT)


def unplug_switch(lab: Lab) -> None:
    """Disconnect the link to the switch; both ends detect it."""
    lab.network.unplug(plan.uplink(VICTIM))


def plug_switch(lab: Lab) -> None:
    """Reconnect the link."""
    lab.network.plug(plan.uplink(VICTIM))


def silence_switch(lab: Lab) -> None:
    """Drop all packets on the link to the switch; neither end detects it."""
    lab.network.silence(plan.uplink(VICTIM))


def restore_switch(lab: Lab) -> None:
    """Stop dropping packets."""
    lab.network.restore(plan.uplink(VICTIM))


def cut_store(lab: Lab) -> None:
    """Drop all packets on the node's link to the management network."""
    lab.network.silence(managed(VICTIM))


def restore_store(lab: Lab) -> None:
    """Stop dropping packets on the management link."""
    lab.network.restore(managed(VICTIM))


def kill_store(lab: Lab) -> None:
    """`kill -9` ZooKeeper."""
    lab.store.daemon.kill()


def start_store(lab: Lab) -> None:
    """Start ZooKeeper on the same data."""
    lab.store.start()


def kill_service(lab: Lab) -> None:
    """`kill -9` the service, which also answers the check."""
    victim(lab).service.kill()


def start_service(lab: Lab) -> None:
    """Start the service."""
    victim(lab).service.start()


def drain_node(lab: Lab) -> None:
    """Put the node in maintenance, and wait until it is drained."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "on", plan.SERVICE, "--node", VICTIM, "--wait")


def end_drain(lab: Lab) -> None:
    """End the node's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE, "--node", VICTIM)


def stop_service(lab: Lab) -> float:
    """Put the whole service in maintenance; return the time at which the key was written."""
    command = lab.balancers[BYSTANDER].command("maintenance", "on", plan.SERVICE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as operator:
        assert operator.stdout is not None
        line = operator.stdout.readline()
        written = time.time()
    assert "in maintenance" in line, line
    return written


def resume_service(lab: Lab) -> None:
    """End the service's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE)
