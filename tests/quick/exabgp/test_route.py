"""Commands for routes (A3, A5, H2)."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.actions import Preference
from vipagent.exabgp.route import (
    Recipients,
    RoleAttributes,
    Roles,
    RouteSettings,
    announce,
    recipients,
    respelled,
    withdraw,
)

OWNER, SECOND, THIRD = Preference(0), Preference(1), Preference(2)
DRAINING = Preference(2, draining=True)
CUSTOM = RouteSettings(
    roles=Roles(
        primary=RoleAttributes(community=("65001:1",), local_preference=200),
        standby=RoleAttributes(
            community=("65001:2", "65001:3"),
            large_community=("65001:0:1",),
            extended_community=("target:65001:1",),
        ),
    )
)


@pytest.mark.parametrize(
    ("vip", "preference", "line"),
    [
        ("10.0.0.1", OWNER, "announce route 10.0.0.1/32 next-hop self med 100"),
        ("10.0.0.1", SECOND, "announce route 10.0.0.1/32 next-hop self med 200 origin egp"),
        ("10.0.0.1", THIRD, "announce route 10.0.0.1/32 next-hop self med 300 origin incomplete"),
        ("10.0.0.0/24", OWNER, "announce route 10.0.0.0/24 next-hop self med 100"),
        ("2001:db8::1", OWNER, "announce route 2001:db8::1/128 next-hop self med 100"),
        ("2001:db8::/64", OWNER, "announce route 2001:db8::/64 next-hop self med 100"),
        (
            "10.0.0.1",
            DRAINING,
            "announce route 10.0.0.1/32 next-hop self med 300 community [ 65535:0 ] origin incomplete",
        ),
    ],
)
def test_a3_default_med_equals_exazk(vip: str, preference: Preference, line: str) -> None:
    assert announce(RouteSettings(), vip, preference) == (line,)


def test_a3_med_and_med_step() -> None:
    [line] = announce(RouteSettings(med=10, med_step=5), "10.0.0.1", THIRD)
    assert line == "announce route 10.0.0.1/32 next-hop self med 20 origin incomplete"


def test_a3_each_rank_prepends_equally() -> None:
    [line] = announce(RouteSettings(prepend=3, local_as=65001), "10.0.0.1", THIRD)
    assert line.count("65001") == 1 + 2 * 3


@pytest.mark.parametrize(
    ("preference", "path"),
    [
        (OWNER, ""),
        (SECOND, " as-path [ 65001 65001 65001 ] origin egp"),
        (THIRD, " as-path [ 65001 65001 65001 65001 65001 ] origin incomplete"),
    ],
)
def test_a3_as_path_contains_local_as_once_plus_prepends(preference: Preference, path: str) -> None:
    [line] = announce(RouteSettings(prepend=2, local_as=65001, med_step=0), "10.0.0.1", preference)
    assert line == f"announce route 10.0.0.1/32 next-hop self med 100{path}"


def test_a3_attributes_by_role() -> None:
    assert announce(CUSTOM, "10.0.0.1", OWNER) == (
        "announce route 10.0.0.1/32 next-hop self med 100 local-preference 200 community [ 65001:1 ]",
    )
    assert announce(CUSTOM, "10.0.0.1", SECOND) == (
        "announce route 10.0.0.1/32 next-hop self med 200 community [ 65001:2 65001:3 ]"
        " large-community [ 65001:0:1 ] extended-community [ target:65001:1 ] origin egp",
    )


def test_h2_draining_route_keeps_its_communities() -> None:
    [line] = announce(CUSTOM, "10.0.0.1", DRAINING)
    assert "community [ 65001:2 65001:3 65535:0 ]" in line


def test_next_hop_by_address_family() -> None:
    settings = RouteSettings(next_hop=("192.0.2.1", "2001:db8::ff"))
    assert " next-hop 192.0.2.1 " in announce(settings, "10.0.0.1", OWNER)[0]
    assert " next-hop 2001:db8::ff " in announce(settings, "2001:db8::1", OWNER)[0]


def test_neighbor_selector() -> None:
    settings = RouteSettings(neighbor=("192.0.2.1", "192.0.2.2"))
    to = "neighbor 192.0.2.1, neighbor 192.0.2.2"
    [line] = announce(settings, "10.0.0.1", OWNER)
    assert line == f"{to} announce route 10.0.0.1/32 next-hop self med 100"
    assert withdraw(settings, "10.0.0.1") == f"{to} withdraw route 10.0.0.1/32"


def test_withdrawal_has_no_attributes_except_the_path_id() -> None:
    assert withdraw(CUSTOM, "10.0.0.1") == "withdraw route 10.0.0.1/32"
    assert withdraw(RouteSettings(path_id=7), "10.0.0.1") == "withdraw route 10.0.0.1/32 path-information 7"
    assert " path-information 7 " in announce(RouteSettings(path_id=7), "10.0.0.1", OWNER)[0]


@pytest.mark.parametrize(
    "vip", ["10.0.0.1/24", "0.0.0.0/33", "x", "10.0.0.1\nshutdown", "", "10.0.0.1 med 1"]
)
def test_a5_invalid_prefix_is_rejected(vip: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        announce(RouteSettings(), vip, OWNER)
    with pytest.raises(ValueError, match=r"."):
        withdraw(RouteSettings(), vip)


@given(vip=st.ip_addresses().map(str), rank=st.integers(0, 1000), draining=st.booleans())
def test_a5_command_is_a_single_line_of_known_tokens(vip: str, rank: int, draining: bool) -> None:
    origin = r"( origin (egp|incomplete)| attribute \[ 0x01 0x40 0x0[012] \])?"
    attributes = rf"med \d+( community \[ 65535:0 \])?{origin}"
    pattern = rf"(announce|withdraw) route [0-9a-f:.]+/\d+( next-hop self {attributes})?"
    [line] = announce(RouteSettings(), vip, Preference(rank, draining))
    for written in (line, respelled(line), withdraw(RouteSettings(), vip)):
        assert re.fullmatch(pattern, written)


@pytest.mark.parametrize(
    ("preference", "origin", "generic"),
    [
        (OWNER, "", "0x00"),
        (SECOND, " origin egp", "0x01"),
        (THIRD, " origin incomplete", "0x02"),
        (Preference(7), " origin incomplete", "0x02"),
        (Preference(1, draining=True), " origin incomplete", "0x02"),
        (DRAINING, " origin incomplete", "0x02"),
    ],
)
@pytest.mark.parametrize("ibgp", [True, False])
def test_a3_origin_is_the_rank_towards_each_kind_and_has_two_spellings(
    preference: Preference, origin: str, generic: str, ibgp: bool
) -> None:
    settings = replace(CUSTOM, prepend=1, local_as=65001, extended_community=("origin:65001:2",))
    [line] = announce(settings, "10.0.0.1", preference, (Recipients(ibgp=ibgp),))
    assert line.endswith(f" ]{origin}")
    rest = line.removesuffix(origin)
    assert " origin " not in rest
    assert respelled(line) == f"{rest} attribute [ 0x01 0x40 {generic} ]"


KINDS = {"192.0.2.3": True, "192.0.2.2": False, "192.0.2.1": True}
PREPENDING = RouteSettings(prepend=1, local_as=65001)
ROUTE = "announce route 10.0.0.1/32 next-hop self"
IBGP, EBGP = "neighbor 192.0.2.1, neighbor 192.0.2.3", "neighbor 192.0.2.2"


def lines_to(settings: RouteSettings, kinds: Mapping[str, bool], preference: Preference) -> tuple[str, ...]:
    return announce(settings, "10.0.0.1", preference, recipients(settings, kinds))


def test_n10_each_kind_of_neighbour_gets_its_own_line() -> None:
    assert lines_to(PREPENDING, KINDS, OWNER) == (f"{ROUTE} med 100",)
    assert lines_to(PREPENDING, KINDS, SECOND) == (
        f"{EBGP} {ROUTE} med 200 as-path [ 65001 65001 ] origin egp",
        f"{IBGP} {ROUTE} med 200 local-preference 90 origin egp",
    )
    assert lines_to(PREPENDING, KINDS, DRAINING) == (
        f"{EBGP} {ROUTE} med 300 as-path [ 65001 65001 65001 ] community [ 65535:0 ] origin incomplete",
        f"{IBGP} {ROUTE} med 300 local-preference 80 community [ 65535:0 ] origin incomplete",
    )


@pytest.mark.parametrize("kinds", [{}, {"192.0.2.2": False}, {"192.0.2.2": False, "192.0.2.4": False}])
def test_n10_neighbours_of_unknown_kind_count_as_ebgp_neighbours(kinds: Mapping[str, bool]) -> None:
    assert lines_to(PREPENDING, kinds, SECOND) == (f"{ROUTE} med 200 as-path [ 65001 65001 ] origin egp",)


def test_n10_one_line_suffices_for_ibgp_neighbours() -> None:
    kinds = {"192.0.2.1": True, "192.0.2.3": True}
    assert lines_to(PREPENDING, kinds, SECOND) == (f"{ROUTE} med 200 local-preference 90 origin egp",)


@pytest.mark.parametrize(
    ("neighbor", "selectors"),
    [
        (("192.0.2.3",), ["neighbor 192.0.2.3"]),
        (("192.0.2.2",), ["neighbor 192.0.2.2"]),
        (("192.0.2.3", "192.0.2.2"), ["neighbor 192.0.2.2", "neighbor 192.0.2.3"]),
        (("192.0.2.3", "192.0.2.9"), ["neighbor 192.0.2.3, neighbor 192.0.2.9"]),
        (("192.0.2.9", "192.0.2.8"), ["neighbor 192.0.2.9, neighbor 192.0.2.8"]),
        (("192.0.2.3", "192.0.2.9", "192.0.2.2"), [f"neighbor 192.0.2.9, {EBGP}", "neighbor 192.0.2.3"]),
    ],
)
def test_n10_only_the_configured_neighbours_count(neighbor: tuple[str, ...], selectors: list[str]) -> None:
    lines = lines_to(replace(PREPENDING, neighbor=neighbor), KINDS, SECOND)
    assert [line.partition(" announce ")[0] for line in lines] == selectors
    for line in lines:
        assert ("as-path" in line) != ("local-preference" in line)
        assert ("local-preference" in line) == ("192.0.2.3" in line)


@pytest.mark.parametrize(
    ("settings", "preferences"),
    [
        (RouteSettings(), [None, 90, 80, 70]),
        (RouteSettings(local_preference=200, local_preference_step=1), [200, 199, 198, 197]),
        (RouteSettings(local_preference_step=40), [None, 60, 20, 0]),
        (RouteSettings(local_preference=200, local_preference_step=0), [200, 200, 200, 200]),
        (RouteSettings(local_preference_step=0), [None, None, None, None]),
        (RouteSettings(roles=Roles(primary=RoleAttributes(local_preference=300))), [300, 90, 80, 70]),
        (RouteSettings(roles=Roles(standby=RoleAttributes(local_preference=50))), [None, 50, 50, 50]),
    ],
)
def test_n10_the_local_preference_is_the_rank_towards_ibgp_neighbours(
    settings: RouteSettings, preferences: list[int | None]
) -> None:
    for rank, expected in enumerate(preferences):
        [line] = lines_to(settings, {"192.0.2.1": True}, Preference(rank))
        assert re.findall(r"local-preference (\d+)", line) == ([] if expected is None else [str(expected)])


def test_n10_equal_lines_are_sent_once_to_all_neighbours() -> None:
    settings = RouteSettings(local_preference=200, local_preference_step=0)
    assert lines_to(settings, KINDS, SECOND) == (f"{ROUTE} med 200 local-preference 200 origin egp",)
