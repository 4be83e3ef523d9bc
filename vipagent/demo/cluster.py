"""The demo's processes: an ExaBGP as the switch, and three load balancers with ExaBGP and agent."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SWITCH = "127.0.0.1"
SWITCH_AS = 65000
DEMO_SERVICE = "apex"
STOP_TIMEOUT = 3.0
"""Timeout in seconds for a process to exit at the end of the demo."""


@dataclass(frozen=True, slots=True)
class Node:
    """One load balancer."""

    name: str
    address: str
    asn: int
    vip: str


NODES = tuple(Node(f"lb{i}", f"127.0.0.{10 + i}", 65010 + i, f"10.20.255.{i}") for i in (1, 2, 3))

SWITCH_CONF = """\
process table {{
    run {python} -m vipagent.demo.collector {socket};
    encoder json;
}}
template {{ neighbor balancer {{
    router-id {switch}; local-address {switch}; local-as {switch_as}; passive true; hold-time 9;
    family {{ ipv4 unicast; }}
    api {{ processes [ table ]; neighbor-changes; receive {{ parsed; update; }} }}
}} }}
"""
SWITCH_NEIGHBOR = "neighbor {node.address} {{ inherit balancer; peer-as {node.asn}; }}\n"
NODE_CONF = """\
process agent {{
    run {python} -m vipagent run --config {config};
    encoder json;
}}
neighbor {switch} {{
    router-id {node.address}; local-address {node.address}; local-as {node.asn}; peer-as {switch_as};
    connect {port}; hold-time 9;
    family {{ ipv4 unicast; }}
    api {{ processes [ agent ]; neighbor-changes; }}
}}
"""
AGENT_CONF = """\
node: {node.name}
backend: file
hosts: {store}
session_timeout: 1
services:
  {service}:
    auth_ip: {node.vip}
    vip: [{vips}]
    takeover: ranked
    release_delay: 1
    drain_delay: 2
"""
LISTEN_CONF = "listen: '{}'\n"


class Cluster:
    """Starts, kills and restarts the demo's processes.

    Args:
        folder: directory of the configurations, logs and the store.
        table: Unix socket that receives the switch's routes.
        pages: addresses of the status pages by load balancer; missing: no page.
    """

    def __init__(self, folder: Path, table: Path, pages: Mapping[str, str]) -> None:
        self.folder = folder
        self._pages = pages
        self.store = folder / "store"
        self._port = _free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._write_switch(table)
        for node in NODES:
            self._write_node(node)

    def start_switch(self) -> None:
        """Start the switch, and wait until it listens.

        Raises:
            TimeoutError: it does not listen within 10 s.
        """
        self._start("switch", {"exabgp_tcp_bind": SWITCH, "exabgp_tcp_port": str(self._port)})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.bind((NODES[0].address, 0))
                if probe.connect_ex((SWITCH, self._port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the switch does not listen, see its log: {self.folder / 'switch.log'}")

    def start(self, node: Node) -> None:
        """Start one load balancer."""
        self._start(node.name, {})

    def kill(self, node: Node) -> None:
        """`kill -9` one load balancer's ExaBGP and agent together, like a power loss."""
        exabgp = self._processes[node.name]
        exabgp.send_signal(signal.SIGSTOP)  # so that it does not restart the agent in between
        for child in _children(exabgp.pid):
            os.kill(child, signal.SIGKILL)
        self._end(node.name, signal.SIGKILL)

    def runs(self, node: Node) -> bool:
        """Return whether the load balancer is running."""
        process = self._processes.get(node.name)
        return process is not None and process.poll() is None

    def stop(self) -> None:
        """Stop all processes."""
        for name in list(self._processes):
            self._end(name, signal.SIGTERM)

    def _start(self, name: str, env: dict[str, str]) -> None:
        user = pwd.getpwuid(os.getuid()).pw_name
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "exabgp", str(self.folder / f"{name}.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "exabgp_daemon_user": user, "STATE_DIRECTORY": str(self.folder), **env},
                start_new_session=True,
            )

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _write_switch(self, table: Path) -> None:
        conf = SWITCH_CONF.format(python=sys.executable, socket=table, switch=SWITCH, switch_as=SWITCH_AS)
        conf += "".join(SWITCH_NEIGHBOR.format(node=node) for node in NODES)
        (self.folder / "switch.conf").write_text(conf)

    def _write_node(self, node: Node) -> None:
        config = self.folder / f"{node.name}.yaml"
        vips = ", ".join(other.vip for other in NODES)
        listen = LISTEN_CONF.format(self._pages[node.name]) if node.name in self._pages else ""
        agent = AGENT_CONF.format(node=node, store=self.store, service=DEMO_SERVICE, vips=vips)
        config.write_text(listen + agent)
        conf = NODE_CONF.format(
            python=sys.executable,
            config=config,
            node=node,
            switch=SWITCH,
            switch_as=SWITCH_AS,
            port=self._port,
        )
        (self.folder / f"{node.name}.conf").write_text(conf)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((SWITCH, 0))
        port: int = probe.getsockname()[1]
        return port
