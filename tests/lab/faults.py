"""What can be done to the first load balancer, its cables, the store; and how it is undone."""

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
"""Where an operator sits."""


def victim(lab: Lab) -> Balancer:
    """Return the load balancer that all of this happens to."""
    return lab.balancers[VICTIM]


def nothing(_lab: Lab) -> None:
    """It mends itself."""


def crash(lab: Lab) -> None:
    """The machine dies: `kill -9` of ExaBGP and the agent together."""
    victim(lab).crash()


def kill_exabgp(lab: Lab) -> None:
    """`kill -9` of ExaBGP alone."""
    victim(lab).exabgp.signal(signal.SIGKILL)


def terminate_exabgp(lab: Lab) -> None:
    """SIGTERM to ExaBGP: `systemctl stop`."""
    victim(lab).exabgp.signal(signal.SIGTERM)


def start_exabgp(lab: Lab) -> None:
    """Start ExaBGP anew, once it is gone."""
    exabgp = victim(lab).exabgp
    exabgp.wait()
    exabgp.start()


def hang_exabgp(lab: Lab) -> None:
    """SIGSTOP: ExaBGP hangs, and its sessions end when the switch's hold time is over."""
    victim(lab).exabgp.signal(signal.SIGSTOP)


def continue_exabgp(lab: Lab) -> None:
    """SIGCONT."""
    victim(lab).exabgp.signal(signal.SIGCONT)


def terminate_agent(lab: Lab) -> None:
    """SIGTERM to the agent alone, which ExaBGP starts anew."""
    balancer = victim(lab)
    before = balancer.agent()
    balancer.signal_agent(signal.SIGTERM)
    wait_for("ExaBGP has started the agent anew", lambda: balancer.agent() != before)


def kill_agent(lab: Lab) -> None:
    """`kill -9` of the agent alone, which ExaBGP starts anew."""
    balancer = victim(lab)
    before = balancer.agent()
    balancer.signal_agent(signal.SIGKILL)
    wait_for("ExaBGP has started the agent anew", lambda: balancer.agent() != before)


def stop_agent(lab: Lab) -> None:
    """SIGSTOP: the agent hangs."""
    victim(lab).signal_agent(signal.SIGSTOP)


def continue_agent(lab: Lab) -> None:
    """SIGCONT."""
    victim(lab).signal_agent(signal.SIGCONT)


def unplug_switch(lab: Lab) -> None:
    """The cable to the switch is out: both ends see it."""
    lab.network.unplug(plan.uplink(VICTIM))


def plug_switch(lab: Lab) -> None:
    """The cable is in again."""
    lab.network.plug(plan.uplink(VICTIM))


def silence_switch(lab: Lab) -> None:
    """The cable to the switch loses every packet, and neither end sees it."""
    lab.network.silence(plan.uplink(VICTIM))


def restore_switch(lab: Lab) -> None:
    """The cable carries packets again."""
    lab.network.restore(plan.uplink(VICTIM))


def cut_store(lab: Lab) -> None:
    """The node's cable to the management network loses every packet."""
    lab.network.silence(managed(VICTIM))


def restore_store(lab: Lab) -> None:
    """It carries packets again."""
    lab.network.restore(managed(VICTIM))


def kill_store(lab: Lab) -> None:
    """`kill -9` of ZooKeeper."""
    lab.store.daemon.kill()


def start_store(lab: Lab) -> None:
    """Start ZooKeeper on the same data."""
    lab.store.start()


def kill_service(lab: Lab) -> None:
    """`kill -9` of what serves the VIPs and answers the check."""
    victim(lab).service.kill()


def start_service(lab: Lab) -> None:
    """Start it anew."""
    victim(lab).service.start()


def drain_node(lab: Lab) -> None:
    """Put the node in maintenance, and return when it serves nothing any more."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "on", plan.SERVICE, "--node", VICTIM, "--wait")


def end_drain(lab: Lab) -> None:
    """End the node's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE, "--node", VICTIM)


def stop_service(lab: Lab) -> float:
    """Put the whole service in maintenance; return when the key was written."""
    command = lab.balancers[BYSTANDER].command("maintenance", "on", plan.SERVICE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as operator:
        assert operator.stdout is not None
        said = operator.stdout.readline()
        written = time.time()
    assert "in maintenance" in said, said
    return written


def resume_service(lab: Lab) -> None:
    """End the service's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE)
