"""Faults of the first load balancer, its links and the store, and their repair."""

import signal
import subprocess
import time
from dataclasses import dataclass

from tests.lab import plan
from tests.lab.balancer import Balancer
from tests.lab.daemon import logged_at, read
from tests.lab.lab import Lab
from tests.lab.network import managed
from tests.lab.plan import Link
from tests.servers.process import wait_for

VICTIM = plan.BALANCERS[0].name
BYSTANDER = plan.BALANCERS[1].name
"""The machine of the operator."""
FLAP_HOLD = {"count": 3, "window": 60, "seconds": 60}
FLAPS, FLAP_PERIOD = 10, 6.0
"""Number of flaps of the service, and the time in seconds from one to the next."""


@dataclass(frozen=True, slots=True)
class Caused:
    """A fault that measures itself. All times are in seconds."""

    began: float
    """Time of the fault."""
    noticed: float = 0.0
    """Time from the fault to its detection by the agent; of several faults, the sum."""


def victim(lab: Lab) -> Balancer:
    """Return the load balancer with the faults."""
    return lab.balancers[VICTIM]


def uplink(lab: Lab) -> Link:
    """Return the link between that load balancer and the switch of its rack."""
    return lab.plan.uplink(VICTIM)


def nothing(_lab: Lab) -> None:
    """Do nothing: the fault repairs itself."""


def crash(lab: Lab) -> None:
    """`kill -9` ExaBGP and the agent together, like a failure of the machine."""
    victim(lab).crash()


def crash_and_start(lab: Lab) -> Caused:
    """`kill -9` ExaBGP and the agent together, and start them again after a second."""
    began = time.time()
    crash(lab)
    time.sleep(max(0.0, began + 1.0 - time.time()))
    victim(lab).exabgp.start()
    return Caused(began, _time_until_logged(lab, "started node=", began))


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
    """Pull the cable out of the node: its interface loses the carrier, and the switch detects it, too."""
    lab.network.unplug(uplink(lab))


def plug_switch(lab: Lab) -> None:
    """Reconnect the link."""
    lab.network.plug(uplink(lab))


def set_interface_down(lab: Lab) -> None:
    """`ip link set down` on the node's interface to the switch."""
    lab.network.set_down(uplink(lab))


def set_interface_up(lab: Lab) -> None:
    """Set the node's interface up again."""
    lab.network.set_up(uplink(lab))


def silence_switch(lab: Lab) -> None:
    """Drop all packets on the link to the switch; neither end detects it."""
    lab.network.silence(uplink(lab))


def restore_switch(lab: Lab) -> None:
    """Stop dropping packets."""
    lab.network.restore(uplink(lab))


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


def flap_service(lab: Lab) -> Caused:
    """Kill and start the service several times, on a node with `flap_hold`."""
    balancer = victim(lab)
    balancer.configure(flap_hold=FLAP_HOLD)
    balancer.reload()
    began = time.time()
    detections = []
    for flap in range(FLAPS):
        killed = time.time()
        balancer.service.kill()
        detections.append(_time_until_logged(lab, "state=down", killed))
        balancer.service.start()
        time.sleep(max(0.0, began + (flap + 1) * FLAP_PERIOD - time.time()))
    return Caused(began, sum(detections[: FLAP_HOLD["count"]]))


def remove_flap_hold(lab: Lab) -> None:
    """Remove `flap_hold` from the node's configuration."""
    victim(lab).configure()
    victim(lab).reload()


def drain_node(lab: Lab) -> None:
    """Put the node in maintenance, and wait until it is drained."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "on", plan.SERVICE, "--node", VICTIM, "--wait")


def end_drain(lab: Lab) -> None:
    """End the node's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE, "--node", VICTIM)


def stop_service(lab: Lab) -> Caused:
    """Put the whole service in maintenance; it begins when the key was written."""
    command = lab.balancers[BYSTANDER].command("maintenance", "on", plan.SERVICE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as operator:
        assert operator.stdout is not None
        line = operator.stdout.readline()
        written = time.time()
    assert "in maintenance" in line, line
    return Caused(written)


def resume_service(lab: Lab) -> None:
    """End the service's maintenance."""
    lab.balancers[BYSTANDER].vipagent("maintenance", "off", plan.SERVICE)


def _time_until_logged(lab: Lab, message: str, since: float) -> float:
    """Wait until the agent has logged a message after a time, and return the seconds between both."""
    log = victim(lab).log

    def found() -> float:
        times = [logged_at(line) for line in read(log).splitlines() if message in line]
        return max([*times, since]) - since

    return wait_for(f"{message} is logged", found, 20, 0.002)
