"""A VIP that no neighbour can receive, or whose route ExaBGP refuses, is served by the other nodes (N10)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.exabgp.lab import Lab, Site, is_registered, vip_ipv6
from tests.servers.exabgp import VERSIONS, Settings
from tests.servers.process import wait_for

VIP = vip_ipv6(1)
"""The VIP of the first node that it cannot announce."""
FAMILY = "    ipv6 unicast;\n"

Break = Callable[[Lab], None]


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], list[Lab]]]:
    """Create a lab with IPv6 VIPs and a `file` store for each ExaBGP, and stop them after the test."""
    with ExitStack() as stack:

        def new() -> list[Lab]:
            labs = []
            for version in VERSIONS:
                store = ("--backend", "file", "--hosts", str(tmp_path_factory.mktemp("store")))
                site = Site(Settings(version), store, ("--settle", "0"), ipv6=True)
                labs.append(Lab(tmp_path_factory.mktemp("lab"), site))
                stack.callback(labs[-1].stop)
            return labs

        yield new


def configure_no_ipv6_family(lab: Lab) -> None:
    conf = lab.nodes[0].exabgp.directory / "exabgp.conf"
    text = conf.read_text()
    assert FAMILY in text
    conf.write_text(text.replace(FAMILY, ""))


def configure_no_ipv6_next_hop(lab: Lab) -> None:
    """Leave `next-hop self`, which is an IPv4 address on this session: 4.2 does not reply, 5 says `error`."""
    script = lab.nodes[0].exabgp.directory / "agent.sh"
    text, option = script.read_text(), " ".join(lab.nodes[0].next_hop)
    assert option in text
    script.write_text(text.replace(option, ""))


@pytest.mark.parametrize(
    ("misconfigure", "reason"),
    [(configure_no_ipv6_family, "no-family"), (configure_no_ipv6_next_hop, "refused")],
    ids=["no-family", "refused"],
)
def test_a_vip_that_a_node_cannot_announce_is_served_by_the_others(
    build: Callable[[], list[Lab]], misconfigure: Break, reason: str
) -> None:
    labs = build()
    for lab in labs:
        misconfigure(lab)
        lab.launch()
    for lab in labs:
        others = {node.name: 200 for node in lab.nodes[1:]}
        own = {vip_ipv6(node.number): {node.name: 100} for node in lab.nodes[1:]}
        lab.wait_for({**lab.converged(), **own, VIP: others}, 30)
    for lab in labs:
        node = lab.nodes[0]
        wait_for(
            f"only {node.vip} is registered, because of {reason}",
            lambda: (
                is_registered(node.agent_log(), node.vip)  # noqa: B023
                and f"reason={reason}" in node.agent_log()  # noqa: B023
            ),
            20,
        )
        # 4.2 does not reply to the route, and the reply to the next command is not taken for the missing one
        assert f" register service=apex vip={VIP} " not in node.agent_log()


def test_a_vip_is_registered_once_its_family_is_negotiated(build: Callable[[], list[Lab]]) -> None:
    labs = build()
    for lab in labs:
        lab.launch()
    registered = f" register service=apex vip={VIP} "
    for lab in labs:
        log = lab.nodes[0].agent_log
        wait_for("the IPv6 VIP is registered", lambda: registered in log(), 30)  # noqa: B023
        wait_for("the switch has it", lambda: lab.table().get(VIP) == {"node1": 100})  # noqa: B023
