"""The simulated ExaBGP behaves like the real one in all that the other tests rely on."""

import pytest

from tests.simulation import lies
from tests.simulation.dialect import Dialect, events, row
from tests.simulation.exabgp import ExaBGP, Silence
from tests.simulation.neighbor import IPV4, IPV6, NeighborSettings
from vipagent.exabgp import messages, table
from vipagent.exabgp.details import SHOW_DETAILS, DetailsReader, DetailsStart, DetailsValue, NeighborDetails
from vipagent.exabgp.messages import SHOW_NEIGHBORS, NeighborState, SummaryHeader
from vipagent.exabgp.table import SHOW_TABLE, TableRoute

FIRST, SECOND = "192.0.2.1", "192.0.2.11"
TWO = (NeighborSettings(FIRST), NeighborSettings(SECOND, asn=65001, hold_time=30.0))
ROUTE, OTHER = "10.0.0.1/32", "10.0.0.2/32"
ATTRIBUTES = "next-hop self med 100"
ANNOUNCE = f"announce route {ROUTE} {ATTRIBUTES}"
WITHDRAW = f"withdraw route {ROUTE}"
SETTLED = 10.0
DIALECTS = [Dialect(version=4), Dialect(version=5)]


def ask(exabgp: ExaBGP, *lines: str, now: float = SETTLED) -> list[str]:
    exabgp.write(lines, now)
    return exabgp.process(now)


def described(exabgp: ExaBGP, now: float = SETTLED) -> dict[str, NeighborDetails]:
    reader = DetailsReader()
    for line in ask(exabgp, SHOW_DETAILS, now=now):
        message = messages.parse(line)
        if isinstance(message, DetailsStart | DetailsValue):
            reader.add(message)
    return dict(reader.finish())


def routes(exabgp: ExaBGP) -> list[TableRoute]:
    *rows, done = ask(exabgp, SHOW_TABLE)
    assert done == "done"
    found = [table.parse(line.split()) for line in rows]
    assert all(found)
    return [route for route in found if route]


def wires(exabgp: ExaBGP) -> list[set[str]]:
    return [set(neighbor.wire) for neighbor in exabgp.neighbors]


def test_summary_of_4_lists_established_neighbours_only() -> None:
    old, new = ExaBGP(Dialect(version=4), TWO), ExaBGP(Dialect(version=5), TWO)
    for exabgp in (old, new):
        exabgp.set_session(SETTLED, established=False, only=exabgp.neighbors[0])
    header, *states = map(messages.parse, ask(old, SHOW_NEIGHBORS)[:-1])
    assert header == SummaryHeader()
    assert states == [NeighborState(SECOND, established=True, asn=65001, from_summary=True)]
    _, *states = map(messages.parse, ask(new, SHOW_NEIGHBORS)[:-1])
    assert states == [
        NeighborState(FIRST, established=False, asn=65000, from_summary=True),
        NeighborState(SECOND, established=True, asn=65001, from_summary=True),
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_details_describe_all_neighbours(dialect: Dialect) -> None:
    settings = NeighborSettings(FIRST, configured=(IPV4, IPV6), negotiated=(IPV4,))
    exabgp = ExaBGP(dialect, (settings, TWO[1]))
    exabgp.set_session(SETTLED, established=False, only=exabgp.neighbors[1])
    details = described(exabgp)
    assert details[FIRST].established
    assert details[FIRST].families == frozenset({IPV4})
    assert details[FIRST].hold_time == 9
    assert (details[FIRST].local_as, details[FIRST].peer_as) == (65001, 65000)
    assert not details[SECOND].established
    assert details[SECOND].is_ibgp
    assert (details[SECOND].families, details[SECOND].hold_time) == (None, None)


def test_messages_are_received_while_packets_pass() -> None:
    exabgp = ExaBGP()
    (neighbor,) = exabgp.neighbors
    neighbor.come_up(0.0)
    counts = [described(exabgp, now)[FIRST].received for now in (0.0, 3.0, 8.9)]
    assert counts == [2, 3, 4]
    neighbor.silence(9.0)
    assert described(exabgp, 30.0)[FIRST].received == 5
    neighbor.end_silence(30.0)
    assert described(exabgp, 30.0)[FIRST].received == 12, "the session has survived"
    neighbor.silence(31.0)
    neighbor.drop(32.0)
    neighbor.end_silence(40.0)
    assert described(exabgp, 60.0)[FIRST].received == 12, "the neighbour has closed the session"


@pytest.mark.parametrize(
    ("version", "as_path"), [(4, "as-path [ 65001 65001 ]"), (5, "as-path ( 65001 65001 )")]
)
def test_table_shows_routes_as_exabgp_writes_them(version: int, as_path: str) -> None:
    exabgp = ExaBGP(Dialect(version=version))
    ask(
        exabgp,
        f"announce route {ROUTE} path-information 7 next-hop self med 200 local-preference 90 "
        "as-path [ 65001 65001 ] origin egp community [ 1:2 65535:0 ] large-community [ 1:2:3 ] "
        "extended-community [ target:1:2 ]",
    )
    assert ask(exabgp, SHOW_TABLE) == [
        "neighbor 192.0.2.1 local-ip 192.0.2.2 local-as 65001 peer-as 65000 router-id 192.0.2.2 "
        f"family-allowed in-open ipv4 unicast {ROUTE} path-information 0.0.0.7 next-hop 192.0.2.2 "
        f"origin egp {as_path} med 200 local-preference 90 community [ 1:2 65535:0 ] "
        "extended-community target:1:2 large-community 1:2:3",
        "done",
    ]
    assert [(route.neighbor, route.prefix, route.path_id) for route in routes(exabgp)] == [(FIRST, ROUTE, 7)]


def test_empty_table_is_only_a_reply() -> None:
    assert ask(ExaBGP(), SHOW_TABLE) == ["done"]
    assert ask(ExaBGP(Dialect(acks=False)), SHOW_TABLE) == []


def test_selected_neighbours_receive_a_route() -> None:
    exabgp = ExaBGP(settings=TWO)
    assert ask(exabgp, f"neighbor {SECOND} {ANNOUNCE}") == ["done"]
    assert wires(exabgp) == [set(), {ROUTE}]
    assert [route.neighbor for route in routes(exabgp)] == [SECOND]
    assert ask(exabgp, f"neighbor {FIRST}, neighbor {SECOND} announce route {OTHER} {ATTRIBUTES}") == ["done"]
    assert wires(exabgp) == [{OTHER}, {OTHER, ROUTE}]
    assert ask(exabgp, f"neighbor 192.0.2.99 {ANNOUNCE}") == ["error"], "no such neighbour"


def test_unknown_command_is_an_error_of_the_test() -> None:
    with pytest.raises(AssertionError, match="invalid attributes"):
        ask(ExaBGP(), f"{ANNOUNCE} colour blue")
    with pytest.raises(AssertionError, match="invalid command"):
        ask(ExaBGP(), "peer * announce route 10.0.0.1/32 next-hop self")


def test_family_that_is_not_configured_is_not_in_the_table() -> None:
    exabgp = ExaBGP()
    assert ask(exabgp, "announce route fd00::1/128 next-hop self med 100") == ["done"]
    assert exabgp.table == exabgp.wire == {}


def test_family_that_is_not_negotiated_is_only_in_the_table() -> None:
    exabgp = ExaBGP(settings=(NeighborSettings(configured=(IPV4, IPV6)),))
    assert ask(exabgp, "announce route fd00::1/128 next-hop self med 100") == ["done"]
    assert set(exabgp.table) == {"fd00::1/128"}
    assert exabgp.wire == {}


def test_path_identifiers_are_one_route_without_add_path() -> None:
    exabgp = ExaBGP(settings=(NeighborSettings(FIRST), NeighborSettings(SECOND, add_path=True)))
    ask(exabgp, ANNOUNCE)
    ask(exabgp, f"announce route {ROUTE} path-information 7 {ATTRIBUTES}")
    assert wires(exabgp) == [{ROUTE}, {ROUTE, f"{ROUTE} path-information 7"}]
    ask(exabgp, WITHDRAW)
    assert wires(exabgp) == [set(), {f"{ROUTE} path-information 7"}]
    assert [route.path_id for route in routes(exabgp)] == [7, 7]


def test_path_identifier_0_is_not_written() -> None:
    exabgp = ExaBGP()
    ask(exabgp, f"announce route {ROUTE} path-information 0 {ATTRIBUTES}", ANNOUNCE)
    assert [route.path_id for route in routes(exabgp)] == [None, None]


def test_changes_in_one_flush_are_reordered_on_the_wire_but_not_in_the_table() -> None:
    exabgp = ExaBGP()
    worse = f"announce route {ROUTE} next-hop self med 200"
    assert ask(exabgp, f"announce route {OTHER} {ATTRIBUTES}", worse, ANNOUNCE) == ["done"] * 3
    assert exabgp.table[ROUTE] == ATTRIBUTES
    assert exabgp.wire[ROUTE] == "next-hop self med 200", "sent last, with the group that was new"


@pytest.mark.parametrize(
    ("origin", "generic"), [("", "0x00"), (" origin egp", "0x01"), (" origin incomplete", "0x02")]
)
def test_unchanged_route_is_sent_again_only_in_another_spelling(origin: str, generic: str) -> None:
    exabgp = ExaBGP()
    ask(exabgp, f"{ANNOUNCE}{origin}")
    exabgp.wire.clear()
    ask(exabgp, f"{ANNOUNCE}{origin}")
    assert exabgp.wire == {}
    ask(exabgp, f"{ANNOUNCE} attribute [ 0x01 0x40 {generic} ]")
    assert exabgp.wire == {ROUTE: f"{ATTRIBUTES}{origin}"}
    [line, _] = ask(exabgp, SHOW_TABLE)
    assert f" next-hop 192.0.2.2 attribute [ 0x01 0x40 {generic} ] med 100" in line


def test_ghost_appears_on_the_wire_but_not_in_the_table() -> None:
    exabgp = ExaBGP()
    exabgp.set_session(SETTLED, established=False)
    assert ask(exabgp, ANNOUNCE) == ask(exabgp, WITHDRAW) == ["done"]
    exabgp.set_session(SETTLED, established=True)
    assert set(exabgp.wire) == {ROUTE}
    assert routes(exabgp) == []
    ask(exabgp, WITHDRAW, now=SETTLED + 0.1)
    assert set(exabgp.wire) == {ROUTE}, "the first flush skips withdrawals"
    ask(exabgp, WITHDRAW, now=SETTLED + 1)
    assert exabgp.wire == {}


def test_table_keeps_its_routes_while_the_session_is_down() -> None:
    exabgp = ExaBGP(settings=TWO)
    ask(exabgp, ANNOUNCE)
    exabgp.set_session(SETTLED, established=False, only=exabgp.neighbors[0])
    assert wires(exabgp) == [set(), {ROUTE}]
    assert {route.neighbor for route in routes(exabgp)} == {FIRST, SECOND}
    exabgp.set_session(SETTLED, established=True, only=exabgp.neighbors[0])
    assert wires(exabgp) == [{ROUTE}, {ROUTE}]


def test_changes_arrive_late_if_the_session_survives_an_interruption() -> None:
    exabgp = ExaBGP()
    (neighbor,) = exabgp.neighbors
    ask(exabgp, ANNOUNCE)
    neighbor.silence(SETTLED)
    ask(exabgp, WITHDRAW)
    assert neighbor.wire
    assert not neighbor.reachable_routes
    neighbor.end_silence(SETTLED + 1)
    assert not neighbor.wire


def test_changes_are_lost_if_the_neighbour_has_closed_the_session() -> None:
    exabgp = ExaBGP()
    (neighbor,) = exabgp.neighbors
    neighbor.silence(SETTLED)
    neighbor.drop(SETTLED)
    neighbor.end_silence(SETTLED + 1)
    assert neighbor.established
    assert not neighbor.works
    assert ask(exabgp, ANNOUNCE) == ["done"]
    assert not neighbor.wire
    neighbor.go_down()
    neighbor.come_up(SETTLED + 2)
    assert neighbor.wire


def test_neighbour_keeps_routes_until_it_learns_that_exabgp_has_closed_the_session() -> None:
    exabgp = ExaBGP()
    (neighbor,) = exabgp.neighbors
    ask(exabgp, ANNOUNCE)
    neighbor.silence(SETTLED)
    exabgp.set_session(SETTLED, established=False)
    assert neighbor.wire
    neighbor.drop()
    assert not neighbor.wire


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("encoder", ["json", "text"])
def test_events_tell_the_neighbour_and_its_state(version: int, encoder: str) -> None:
    exabgp = ExaBGP(Dialect(version, encoder), TWO, established=False)
    second = exabgp.neighbors[1]
    *_, up = map(messages.parse, exabgp.set_session(0.0, established=True, only=second))
    assert isinstance(up, NeighborState)
    assert (up.peer, up.established, up.asn) == (SECOND, True, 65001 if encoder == "json" else None)
    (down,) = map(messages.parse, exabgp.set_session(1.0, established=False, only=second))
    assert isinstance(down, NeighborState)
    assert (down.peer, down.established) == (SECOND, False)


def test_exabgp_without_events_reports_nothing() -> None:
    exabgp = ExaBGP(Dialect(events=False))
    assert exabgp.set_session(0.0, established=False) == []
    assert events(exabgp.dialect, exabgp.neighbors[0]) == []


def test_refused_route_is_an_error_or_silence() -> None:
    exabgp = ExaBGP(refused={ROUTE})
    assert ask(exabgp, ANNOUNCE, f"announce route {OTHER} {ATTRIBUTES}") == ["error", "done"]
    exabgp.refuses_silently = True
    assert ask(exabgp, ANNOUNCE, f"announce route {OTHER} {ATTRIBUTES}") == ["done"]
    assert ask(exabgp, WITHDRAW) == ["done"]
    assert set(exabgp.table) == {OTHER}


@pytest.mark.parametrize(("silence", "output"), [(Silence.REPLIES, ["done"]), (Silence.EVERYTHING, [])])
def test_silent_exabgp_executes_commands(silence: Silence, output: list[str]) -> None:
    exabgp = ExaBGP(silence=silence)
    assert ask(exabgp, ANNOUNCE, SHOW_TABLE)[-1:] == output
    assert exabgp.wire == {ROUTE: ATTRIBUTES}


def test_paused_exabgp_keeps_lines_in_its_pipe() -> None:
    exabgp = ExaBGP(delay=0.5)
    exabgp.pause()
    exabgp.write([ANNOUNCE], 1.0)
    assert exabgp.process_at is None
    exabgp.resume(2.0)
    assert exabgp.process_at == 2.5


def test_slow_exabgp_processes_lines_late() -> None:
    exabgp = ExaBGP(delay=0.5, slow_for=4.0)
    exabgp.write([ANNOUNCE], 1.0)
    assert exabgp.process_at == 5.5


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (lies.Lie.MISSING, {ROUTE}),
        (lies.Lie.EMPTY, set()),
        (lies.Lie.STALE, {ROUTE}),
        (lies.Lie.FOREIGN, {ROUTE, OTHER, "10.9.9.9/32"}),
    ],
)
def test_lies_about_the_table(lie: lies.Lie, told: set[str]) -> None:
    exabgp = ExaBGP()
    ask(exabgp, ANNOUNCE)
    lies.start(lie, exabgp, ["10.9.9.9/32"])
    ask(exabgp, f"announce route {OTHER} {ATTRIBUTES}")
    assert {route.prefix for route in routes(exabgp)} == told
    exabgp.lie = None
    assert {route.prefix for route in routes(exabgp)} == {ROUTE, OTHER}


def test_truncated_table_has_an_unreadable_line() -> None:
    exabgp = ExaBGP()
    ask(exabgp, ANNOUNCE)
    lies.start(lies.Lie.TRUNCATED, exabgp, [])
    line, done = ask(exabgp, SHOW_TABLE)
    assert row(exabgp.neighbors[0], ROUTE, ATTRIBUTES, exabgp.dialect).startswith(line)
    assert messages.parse(line) is None
    assert done == "done"


def test_route_of_another_process_is_in_the_table_and_on_the_wire() -> None:
    exabgp = ExaBGP()
    exabgp.neighbors[0].leave(OTHER, ATTRIBUTES)
    assert [route.prefix for route in routes(exabgp)] == [OTHER]
    assert exabgp.wire == {OTHER: ATTRIBUTES}
