"""ExaBGP's description of its neighbours, as 4.2 and 5 write it (N1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipagent.exabgp.details import MAX_DESCRIBED, DetailsReader, DetailsStart, DetailsValue, NeighborDetails
from vipagent.exabgp.messages import parse

EXABGP4 = """\
Neighbor 127.0.0.100

  Session                         Local
   local                     127.0.0.11                                
   state                    ESTABLISHED                                
   up for                       0:00:01                                

  Setup                           Local          Remote
   AS                             65001           65000                
   ID                        127.0.0.11      127.0.0.11                
   hold-time                        240               9                

  Capability                      Local          Remote
   asn4:                        enabled         enabled                
   add-path:                    enabled         enabled                

  Families                        Local          Remote        Add-Path
   ipv4 unicast:                enabled         enabled        disabled
   ipv6 unicast:                enabled        disabled        disabled

  Message Statistic                Sent        Received
   open:                              1               1                
   total:                             4               7                

"""  # noqa: W291 - as ExaBGP writes it
EXABGP5_DOWN = """\
Neighbor 2001:db8::1

    Session                       Local
   local                     2001:db8::2
   state                           IDLE
   down for                     0:00:01

    Setup                         Local          Remote
   AS                             65001             n/a
   hold-time                        240             n/a

    Families                      Local          Remote        Add-Path
   ipv4 unicast:                enabled             n/a disabled
   ipv6 unicast:                enabled             n/a disabled

   total:                             0               0
"""


def read(text: str) -> dict[str, NeighborDetails]:
    reader = DetailsReader()
    for line in text.splitlines():
        message = parse(line)
        if isinstance(message, DetailsStart | DetailsValue):
            reader.add(message)
        else:
            assert message is None, f"{line!r} is taken for {message}"
    return dict(reader.finish())


def session(peer: str, state: str, families: str = "enabled", total: int = 4) -> str:
    return (
        f"Neighbor {peer}\n   state {state}\n   AS 65001 65000\n   hold-time 9 9\n"
        f"   ipv4 unicast: enabled {families} disabled\n   total: 3 {total}\n"
    )


def test_an_established_session() -> None:
    found = read(EXABGP4)["127.0.0.100"]
    assert found == NeighborDetails(
        "127.0.0.100",
        established=True,
        local_address="127.0.0.11",
        local_as=65001,
        peer_as=65000,
        hold_time=9,
        families=frozenset({"ipv4 unicast"}),
    )
    assert found.received == 7
    assert found.is_ibgp is False


def test_without_a_session_what_is_negotiated_is_unknown() -> None:
    found = read(EXABGP5_DOWN)["2001:db8::1"]
    assert found == NeighborDetails(
        "2001:db8::1", established=False, local_address="2001:db8::2", local_as=65001
    )
    assert (found.received, found.is_ibgp) == (None, None)


def test_of_two_sessions_with_one_address_the_established_one_counts() -> None:
    both = [session("192.0.2.1", "ESTABLISHED"), session("192.0.2.1", "ACTIVE", "n/a", 0)]
    for order in (both, both[::-1]):
        found = read("".join(order))["192.0.2.1"]
        assert found.established
        assert found.families == frozenset({"ipv4 unicast"})


def test_two_established_sessions_with_one_address_are_combined() -> None:
    other = session("192.0.2.1", "ESTABLISHED", total=5).replace("ipv4", "ipv6")
    found = read(session("192.0.2.1", "ESTABLISHED") + other)["192.0.2.1"]
    assert found.families == frozenset({"ipv4 unicast", "ipv6 unicast"})
    assert found.received == 9


def test_an_answer_does_not_contain_the_previous_one() -> None:
    reader = DetailsReader()
    reader.add(DetailsValue("state", "ESTABLISHED", ""))
    reader.add(DetailsStart("192.0.2.1"))
    assert reader.finish().keys() == {"192.0.2.1"}
    assert reader.finish() == {}


def test_the_number_of_sessions_is_limited() -> None:
    reader = DetailsReader()
    for number in range(MAX_DESCRIBED + 10):
        reader.add(DetailsStart(f"2001:db8::{number:x}"))
        reader.add(DetailsValue("AS", "65001", "65000"))
    assert len(reader.finish()) == MAX_DESCRIBED


@pytest.mark.parametrize("number", ["n/a", "-1", "٣", "9" * 5000, ""])
def test_a_number_that_is_none_is_unknown(number: str) -> None:
    reader = DetailsReader()
    reader.add(DetailsStart("192.0.2.1"))
    for name in ("AS", "hold-time", "total:"):
        reader.add(DetailsValue(name, number, number))
    found = reader.finish()["192.0.2.1"]
    assert (found.local_as, found.peer_as, found.hold_time, found.received) == (None, None, None, None)


@given(st.lists(st.text(alphabet="Neighbor 127.0.0.1 AS hold-time:statelocal9\n", max_size=80)))
def test_no_text_raises(lines: list[str]) -> None:
    reader = DetailsReader()
    for line in lines:
        message = parse(line)
        if isinstance(message, DetailsStart | DetailsValue):
            reader.add(message)
    reader.finish()
