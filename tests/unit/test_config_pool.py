from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.config_files import fake_backends, service
from vipagent.config import addresses
from vipagent.config.problems import Place
from vipagent.config.schema import ServiceSection
from vipagent.config.validation import check
from vipagent.core.settings import Owners

__all__ = ["fake_backends"]

VIPS = st.lists(
    st.one_of(st.ip_addresses(v=4, network="10.0.0.0/8"), st.ip_addresses(v=6, network="2001:db8::/32")).map(
        str
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@pytest.mark.usefixtures("fake_backends")
@pytest.mark.parametrize(
    "lines",
    [
        "vip: {node3: 10.0.0.10, node1: 10.0.0.9, node2: 2001:db8::1}",
        "{auth_ip: 10.0.0.9, vip: {node3: 10.0.0.10, node1: 10.0.0.9, node2: 2001:db8::1}}",
        "{auth_ip: 10.0.0.9, vip: [2001:db8::1, 10.0.0.10, 10.0.0.9]}",
        "{auth_ip: 10.0.0.9/32, vip: [10.0.0.10, 2001:0DB8:0::1/128]}",
    ],
)
def test_equivalent_configurations_give_the_same_owners(tmp_path: Path, lines: str) -> None:
    core = service(tmp_path, lines).core
    assert core.owned == ("10.0.0.9",)
    assert core.owners == (("10.0.0.9",), ("10.0.0.10",), ("2001:db8::1",))


@pytest.mark.usefixtures("fake_backends")
def test_several_vips_of_a_node_form_one_group(tmp_path: Path) -> None:
    core = service(tmp_path, "vip: {node2: [10.0.0.3, 2001:db8::3], node1: [10.0.0.5, 10.0.0.4]}").core
    assert core.owned == ("10.0.0.5", "10.0.0.4")
    assert core.owners == (("10.0.0.3", "2001:db8::3"), ("10.0.0.5", "10.0.0.4"))


def _owners(given: dict[str, object]) -> Owners:
    return check(ServiceSection, given, Place("test")).section.owners()


@settings(max_examples=200)
@given(vips=VIPS, data=st.data())
def test_owners_are_in_the_same_order_on_all_nodes(vips: list[str], data: st.DataObject) -> None:
    views = []
    for own in vips:
        others = data.draw(st.permutations([vip for vip in vips if vip != own or data.draw(st.booleans())]))
        views.append(_owners({"auth_ip": own, "vip": others}))
    by_node = {f"node{data.draw(st.integers(0, 10**6))}-{vip}".replace(":", "."): vip for vip in vips}
    views.append(_owners({"vip": by_node}))
    assert len(set(views)) == 1
    assert sorted(vip for vips in views[0] for vip in vips) == sorted(vips)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8:0:0::1/128", "2001:db8::1"),
        ("2001:db8::/48", "2001:db8::/48"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_canonical_form_of_a_vip(written: str, canonical: str) -> None:
    assert addresses.vip(written) == canonical
    assert addresses.vip(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.01",
        "10.0.0.1\n",
        " 10.0.0.1",
        "10.0.0.1/33",
        "10.0.0.1/",
        "1",
        "::1%lo",
        "10.0.0.1/8",
        "٣.0.0.1",
    ],
)
def test_invalid_vips_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid IP address|has host bits set"):
        addresses.vip(text)
