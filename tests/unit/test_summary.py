from dataclasses import replace

from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Kind
from vipagent.store.records import Event, Maintenance, NodeState, Registration, VipState
from vipagent.telemetry.summary import Announcer, NodeStatus, VipStatus, announced, summarize
from vipagent.types import Neighbor

ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
OWN = VipState("owner", 0, owned=True)
TAKEN = VipState("takeover", 1)
IDLE = VipState("standby")


def members(**nodes: str) -> Snapshot:
    return {vip: Entry(Registration(node, "i").dump()) for node, vip in nodes.items()}


def states(*published: NodeState) -> Snapshot:
    return {state.node: Entry(state.dump()) for state in published}


def state(node: str, vips: dict[str, VipState], detail: str = "", neighbors: int | None = 1) -> NodeState:
    return NodeState(node, "up", detail, "2026-01-02T03:04:05+00:00", neighbors, vips)


def test_service_without_problems() -> None:
    status = summarize(
        "apex",
        {
            Kind.MEMBERS: members(node1=ONE, node2=TWO),
            Kind.STATES: states(state("node1", {ONE: OWN, TWO: IDLE}), state("node2", {ONE: IDLE, TWO: OWN})),
            Kind.MAINTENANCE: {},
        },
    )
    assert status.maintenance is None
    assert status.vips == (
        VipStatus(ONE, registered=True, owner="node1", announced_by=(Announcer("node1", 0, "owner"),)),
        VipStatus(TWO, registered=True, owner="node2", announced_by=(Announcer("node2", 0, "owner"),)),
    )
    since = "2026-01-02T03:04:05+00:00"
    assert status.nodes == (
        NodeStatus("node1", "serving", "", since, 1),
        NodeStatus("node2", "serving", "", since, 1),
    )
    assert status.ignored == 0


def test_takers_of_an_orphan_are_sorted_by_rank() -> None:
    published = [
        state("node3", {ONE: VipState("takeover", 1), THREE: OWN}),
        state("node2", {ONE: VipState("takeover", 2), TWO: OWN}),
    ]
    status = summarize(
        "apex", {Kind.MEMBERS: members(node2=TWO, node3=THREE), Kind.STATES: states(*published)}
    )
    orphan = status.vips[0]
    assert (orphan.registered, orphan.owner) == (False, None)
    assert [(by.node, by.rank) for by in orphan.announced_by] == [("node3", 1), ("node2", 2)]


def test_vips_are_sorted_and_include_unregistered_ones() -> None:
    status = summarize(
        "apex", {Kind.MEMBERS: members(node1="10.0.0.10")}, ["10.0.0.9", "2001:db8::1", "10.0.0.0/24"]
    )
    assert [vip.vip for vip in status.vips] == ["10.0.0.0/24", "10.0.0.9", "10.0.0.10", "2001:db8::1"]
    assert [vip.announced_by for vip in status.vips] == [()] * 4


def test_prefixes_are_decoded_from_keys() -> None:
    status = summarize("apex", {Kind.MEMBERS: {"10.0.0.0_24": Entry(Registration("node1").dump())}})
    assert status.vips[0].vip == "10.0.0.0/24"


def test_reasons_of_nodes_that_do_not_serve() -> None:
    held = {
        "check-down": state("down", {ONE: VipState("check-down", owned=True)}, "status 1"),
        "maintenance-node": state(
            "away", {ONE: VipState("maintenance-node", owned=True)}, "in maintenance by ann"
        ),
        "draining": state(
            "drain", {ONE: VipState("draining", 2, owned=True), TWO: VipState("maintenance-node")}
        ),
        "conflict": state(
            "twin", {ONE: VipState("conflict", owned=True), TWO: IDLE}, f"{ONE} is registered by x"
        ),
        "no-bgp": state("cut", {ONE: OWN, TWO: VipState("no-bgp")}, "0 established, 1 required", 0),
        "no-address": state("bare", {ONE: VipState("no-address", owned=True), TWO: IDLE}, "no permission"),
        "starting": state("young", {ONE: VipState("starting", owned=True)}),
        "no-family": state("old", {ONE: OWN, TWO: VipState("no-family")}),
        "refused": state("odd", {ONE: VipState("refused", owned=True, asked=0)}),
        "flap-hold": state("flappy", {ONE: VipState("flap-hold", 2, owned=True)}),
        "bgp-unknown": state("mute", {ONE: VipState("bgp-unknown", 0, owned=True)}),
        "not-in-table": state("lost", {ONE: VipState("owner", owned=True, asked=0, accepted=True)}),
        "pending": state("slow", {ONE: VipState("owner", owned=True, asked=0)}),
        "disabled": state("off", {ONE: VipState("disabled", owned=True)}),
        "stopping": state("going", {ONE: VipState("stopping")}),
        "maintenance-service": state("all-off", {ONE: VipState("maintenance-service")}),
    }
    status = summarize("apex", {Kind.STATES: states(*held.values())})
    shown = {node.node: node for node in status.nodes}
    for word, published in held.items():
        assert shown[published.node].state == word
        assert shown[published.node].why == published.detail
        assert shown[published.node].neighbors == published.neighbors


def test_anonymous_members_and_nodes_known_only_by_a_key() -> None:
    status = summarize(
        "apex",
        {
            Kind.MEMBERS: {ONE: Entry(b""), **members(node2=TWO)},
            Kind.MAINTENANCE: {
                "node3": Entry(b""),
                "node2": Entry(Maintenance("new disk", "ann@desk", "today").dump()),
            },
        },
    )
    assert (status.vips[0].registered, status.vips[0].owner) == (True, None)
    assert [(node.node, node.state, node.why) for node in status.nodes] == [
        ("node2", "no-vipagent", "registered, no vipagent; in maintenance by ann@desk since today: new disk"),
        ("node3", "absent", "in maintenance"),
    ]


def test_maintenance_of_the_service_is_not_a_node() -> None:
    key = Maintenance("move", "ann@desk", "2026-01-02T03:04:05+00:00")
    status = summarize("apex", {Kind.MAINTENANCE: {"all": Entry(key.dump())}})
    assert status.maintenance == key
    assert status.nodes == ()
    assert status.ignored == 0


def test_invalid_entries_are_counted_not_shown() -> None:
    hostile = {"0.0.0.0_0\n": Entry(b""), "not-an-address": Entry(b"x"), "10.0.0.01": Entry(b"")}
    status = summarize(
        "apex",
        {
            Kind.MEMBERS: {**hostile, ONE: Entry(b"[" * 60_000)},
            Kind.STATES: {
                "node1": Entry(b"not json"),
                "no\x1b[31mde": Entry(state("x", {ONE: OWN}).dump()),
                "node2": Entry(state("node2", {"no vip": OWN, TWO: IDLE}).dump()),
            },
            Kind.MAINTENANCE: {"a b": Entry(b"")},
        },
    )
    assert status.ignored == 6
    assert [vip.vip for vip in status.vips] == [ONE, TWO]
    assert [node.node for node in status.nodes] == ["node2"]


def test_remaining_announcements_of_a_node_or_all_nodes() -> None:
    published = [state("node1", {ONE: VipState("draining", 2)}), state("node2", {ONE: TAKEN, TWO: OWN})]
    status = summarize("apex", {Kind.STATES: states(*published)})
    assert announced(status, "node1") == [f"{ONE}: node1, rank 2 (draining)"]
    assert len(announced(status, None)) == 3
    assert announced(status, "node9") == ["node9: publishes no state"]
    assert announced(summarize("apex", {Kind.STATES: states(state("node1", {ONE: IDLE}))}), "node1") == []
    assert announced(summarize("apex", {}), None) == []


def test_events_are_sorted_by_time_and_named_by_key() -> None:
    def event(second: int) -> Event:
        return Event(f"2026-01-02T03:04:0{second}.000+00:00", ONE, "", "", "", "", "")

    first = NodeState("node1", "up", events=(event(1), event(3)))
    second = NodeState("another name", "up", events=(event(2),))
    published = {"node1": Entry(first.dump()), "node2": Entry(second.dump())}
    events = summarize("apex", {Kind.STATES: published}).events
    assert [(one.node, one.at[17:19]) for one in events] == [
        ("node1", "01"),
        ("node2", "02"),
        ("node1", "03"),
    ]


def one_vip(*published: NodeState) -> VipStatus:
    return summarize("apex", {Kind.STATES: states(*published)}, [ONE]).vips[0]


def test_a_refused_route_is_not_announced() -> None:
    vip = one_vip(state("lb1", {ONE: VipState("refused", owned=True, asked=0)}))
    assert vip.announced_by == ()
    assert vip.asked_by == (Announcer("lb1", 0, "refused", accepted=False, in_table=None, counted=False),)


def test_a_route_that_the_table_lacks_is_not_announced() -> None:
    vip = one_vip(state("lb1", {ONE: VipState("owner", owned=True, asked=0, accepted=True)}))
    assert vip.announced_by == ()
    assert [(by.accepted, by.in_table) for by in vip.asked_by] == [(True, False)]


def test_the_facts_of_an_announced_route() -> None:
    known = replace(state("lb1", {ONE: OWN}), table=True, addresses=True)
    black_hole = replace(state("lb2", {ONE: replace(TAKEN, not_local=True)}), addresses=True)
    unknown = state("lb3", {ONE: VipState("takeover", 2)})
    assert one_vip(known, black_hole, unknown).announced_by == (
        Announcer("lb1", 0, "owner", accepted=True, in_table=True, local=True),
        Announcer("lb2", 1, "takeover", accepted=True, in_table=None, local=False),
        Announcer("lb3", 2, "takeover", accepted=True, in_table=None, local=None),
    )


def test_an_older_agent_does_not_say_what_exabgp_has_accepted() -> None:
    [announcer] = one_vip(replace(state("lb1", {ONE: OWN}), version=2)).announced_by
    assert announcer == Announcer("lb1", 0, "owner", accepted=None)


def test_a_node_without_bgp_announces_but_is_not_counted_on() -> None:
    cut = state("lb1", {ONE: VipState("no-bgp", 0, owned=True)})
    without_gate = state("lb2", {ONE: OWN}, neighbors=0)
    unknown = state("lb3", {ONE: OWN}, neighbors=None)
    announcers = one_vip(cut, without_gate, unknown).announced_by
    assert {by.node: by.counted for by in announcers} == {"lb1": False, "lb2": False, "lb3": True}


def test_requested_routes_remain_until_they_are_withdrawn() -> None:
    """A maintenance waits for them: ExaBGP may still accept them."""
    published = state("node1", {ONE: VipState("draining", asked=2)})
    status = summarize("apex", {Kind.STATES: states(published)})
    assert announced(status, "node1") == [f"{ONE}: node1, rank 2 (draining)"]


def test_neighbours_and_problems_of_all_nodes() -> None:
    peers = (Neighbor("192.0.2.1", "established"), Neighbor("192.0.2.2", "down"))
    status = summarize(
        "apex",
        {
            Kind.STATES: states(
                replace(state("lb2", {ONE: OWN}), peers=peers),
                state("lb1", {ONE: VipState("refused", asked=0)}),
            )
        },
    )
    assert [node.peers for node in status.nodes] == [(), peers]
    assert [(found.node, found.reason, found.vip, found.neighbor) for found in status.problems] == [
        ("lb1", "refused", ONE, None),
        ("lb2", "neighbor-down", None, "192.0.2.2"),
    ]


def test_g3_a_vip_of_another_agent_of_the_same_name_is_not_announced_by_none() -> None:
    """The record of the later agent has replaced that of the earlier one, which serves the VIP."""
    registered = Entry(Registration("node1", "earlier", "lb1").dump())
    later = replace(state("node1", {TWO: OWN}), instance="later", host="lb2")
    ours = Entry(Registration("node1", "later", "lb2").dump())
    status = summarize("apex", {Kind.MEMBERS: {ONE: registered, TWO: ours}, Kind.STATES: states(later)})
    assert [(vip.owner, vip.holder) for vip in status.vips] == [
        ("node1", "another agent named node1 (host lb1)"),
        ("node1", ""),
    ]
    [found] = status.problems
    assert (found.reason, found.node, found.vip) == ("duplicate-node", "node1", ONE)
    assert found.what.endswith(f": node1 on lb2, and node1 on lb1, which is registered for {ONE}")


def test_g3_an_agent_in_conflict_names_the_other_one_by_itself() -> None:
    registered = Entry(Registration("node1", "later", "lb2").dump())
    earlier = replace(state("node1", {ONE: VipState("conflict", owned=True)}), instance="earlier", host="lb1")
    status = summarize("apex", {Kind.MEMBERS: {ONE: registered}, Kind.STATES: states(earlier)})
    assert [found.reason for found in status.problems] == ["conflict"]


def test_the_registration_of_an_earlier_run_is_no_problem() -> None:
    registered = Entry(Registration("node1", "earlier", "lb1").dump())
    restarted = replace(state("node1", {ONE: VipState("starting", owned=True)}), instance="new", host="lb1")
    status = summarize("apex", {Kind.MEMBERS: {ONE: registered}, Kind.STATES: states(restarted)})
    assert status.problems == ()
    assert status.vips[0].holder == "another agent named node1 (host lb1)"


def test_g3_a_registration_of_another_run_is_a_duplicate_agents_once_earlier_runs_have_expired() -> None:
    """Hosts may have the same name, for example if a machine was cloned."""
    registered = Entry(Registration("node1", "other", "lb").dump())
    lasting = replace(state("node1", {TWO: OWN}), instance="this", host="lb", earlier_expired=True)
    ours = Entry(Registration("node1", "this", "lb").dump())
    status = summarize("apex", {Kind.MEMBERS: {ONE: registered, TWO: ours}, Kind.STATES: states(lasting)})
    [found] = status.problems
    assert (found.reason, found.node, found.vip) == ("duplicate-node", "node1", ONE)
    assert found.what.endswith(f": another agent named node1 (host lb) is registered for {ONE}")


def test_the_announcements_of_a_registered_node_without_state_are_unknown() -> None:
    status = summarize("apex", {Kind.MEMBERS: {**members(node1=ONE), TWO: Entry(b"")}})
    assert [vip.holder for vip in status.vips] == [
        "node1, which publishes no state",
        "an agent that publishes no state",
    ]


def problems_of(
    *published: NodeState, registered: Snapshot, maintenance: Snapshot | None = None
) -> list[tuple[str, str]]:
    status = summarize(
        "apex",
        {
            Kind.MEMBERS: registered,
            Kind.STATES: states(*published),
            Kind.MAINTENANCE: {} if maintenance is None else maintenance,
        },
        [ONE, TWO],
    )
    return [(found.reason, found.what.partition(": ")[2]) for found in status.problems]


def test_vips_that_nobody_announces_are_one_problem_of_the_service() -> None:
    assert problems_of(registered={}) == [("unserved", f"{ONE} and 1 more")]
    serving = state("node1", {ONE: OWN})
    assert problems_of(serving, registered=members(node1=ONE)) == [("unserved", TWO)]
    taken = state("node1", {ONE: OWN, TWO: TAKEN})
    assert problems_of(taken, registered=members(node1=ONE)) == []
    [found] = summarize("apex", {kind: {} for kind in Kind}, [ONE]).problems
    assert (found.node, found.service, found.vip) == (None, "apex", ONE)


def test_a_route_that_reaches_no_neighbour_does_not_serve_a_vip() -> None:
    cut = state("node1", {ONE: VipState("no-bgp", 0, owned=True), TWO: TAKEN}, neighbors=0)
    assert ("unserved", f"{ONE} and 1 more") in problems_of(cut, registered={})
    refused = state("node1", {ONE: VipState("refused", owned=True, asked=0), TWO: TAKEN})
    assert ("unserved", ONE) in problems_of(refused, registered={})


def test_a_service_in_maintenance_is_not_unserved() -> None:
    away = state("node1", {ONE: VipState("maintenance-service", owned=True)})
    assert problems_of(away, registered={}, maintenance={"all": Entry(b"")}) == []
    assert problems_of(away, registered={}, maintenance={"node1": Entry(b"")}) != []


def test_it_is_unknown_what_a_node_without_state_has_taken_over() -> None:
    assert problems_of(registered={ONE: Entry(b"")}) == []
    assert problems_of(registered=members(node1=ONE)) == []


def test_it_is_unknown_what_a_node_serves_whose_record_is_too_large() -> None:
    cut = replace(state("node1", {ONE: OWN}), omitted=1)
    assert problems_of(cut, registered=members(node1=ONE)) == []
    [node] = summarize("apex", {Kind.STATES: states(cut)}).nodes
    assert node.why.endswith("its record is too large for 1 of its VIPs")


def test_nothing_is_unserved_before_the_store_was_read() -> None:
    assert summarize("apex", {}, [ONE]).problems == ()
    assert summarize("apex", {Kind.MEMBERS: {}, Kind.MAINTENANCE: {}}, [ONE]).problems == ()
