import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.cli_helpers import Site, operate, site, vipagent
from vipagent.cli import status
from vipagent.cli.session import Latest
from vipagent.cli.tables import tables
from vipagent.store.backend import Entry
from vipagent.store.layout import Directory, Kind
from vipagent.store.records import Event, Maintenance, VipState
from vipagent.telemetry.problems import ADVICE
from vipagent.telemetry.summary import NodeStatus, ServiceStatus, summarize
from vipagent.types import Neighbor, StoreState

__all__ = ["site"]
ONE, TWO = "10.0.0.1", "10.0.0.2"
OWN = VipState("owner", 0, owned=True)
TAKEOVER = Event(
    at="2026-01-02T03:04:05.678+00:00",
    vip=TWO,
    old="withdrawn (standby)",
    new="rank 1 (takeover)",
    reason="takeover",
    rule="A2",
    cause="members",
)


FACTS = {"accepted": True, "in_table": None, "local": None, "counted": True}
PEERS = (
    Neighbor("192.0.2.2", "no-carrier", interface="eth1"),
    Neighbor("192.0.2.1", "established", 65001, 65000, ("ipv4 unicast",), 9, "eth0"),
)


def populate(site: Site) -> None:
    site.member(ONE, "node1")
    site.state(
        "node1",
        {ONE: OWN, TWO: VipState("takeover", 1)},
        since="2026-01-02T03:04:05+00:00",
        neighbors=2,
        events=(TAKEOVER,),
    )
    site.state(
        "node2",
        {ONE: VipState("standby"), TWO: VipState("check-down", owned=True)},
        detail="status 7",
        explanations={"check-down": "status 7"},
    )


def test_json_output(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    populate(site)
    site.put(Kind.MAINTENANCE, "all", Maintenance("move", "ann@desk", "today", now=True).dump())
    assert operate("status", "apex", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "service": "apex",
            "maintenance": {"reason": "move", "by": "ann@desk", "since": "today", "now": True},
            "vips": [
                {
                    "vip": ONE,
                    "registered": True,
                    "owner": "node1",
                    "announced_by": [{"node": "node1", "rank": 0, "reason": "owner", **FACTS}],
                    "asked_by": [],
                    "holder": "",
                },
                {
                    "vip": TWO,
                    "registered": False,
                    "owner": None,
                    "announced_by": [{"node": "node1", "rank": 1, "reason": "takeover", **FACTS}],
                    "asked_by": [],
                    "holder": "",
                },
            ],
            "nodes": [
                {
                    "node": "node1",
                    "state": "serving",
                    "why": "",
                    "since": "2026-01-02T03:04:05+00:00",
                    "neighbors": 2,
                    "peers": [],
                },
                {
                    "node": "node2",
                    "state": "check-down",
                    "why": "status 7",
                    "since": "",
                    "neighbors": None,
                    "peers": [],
                },
            ],
            "ignored": 0,
            "events": [
                {
                    "at": "2026-01-02T03:04:05.678+00:00",
                    "node": "node1",
                    "vip": TWO,
                    "old": "withdrawn (standby)",
                    "new": "rank 1 (takeover)",
                    "reason": "takeover",
                    "rule": "A2",
                    "cause": "members",
                }
            ],
            "problems": [
                {
                    "reason": "check-down",
                    "what": "the check has failed: status 7",
                    "do": ADVICE["check-down"].do,
                    "node": "node2",
                    "service": "apex",
                    "vip": None,
                    "neighbor": None,
                }
            ],
        }
    ]


def test_table_output(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    populate(site)
    assert operate("status", "apex") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("service apex")
    assert any(line.split()[:6] == [ONE, "node1", "node1", "(rank", "0,", "owner)"] for line in lines)
    assert any(line.split()[:3] == [TWO, "none", "node1"] for line in lines)
    assert any(line.split() == ["node2", "check-down", "unknown", "status", "7"] for line in lines)


def populate_with_problems(site: Site) -> None:
    site.state(
        "node1",
        {ONE: VipState("refused", owned=True, asked=0), TWO: VipState("no-address", 1, not_local=True)},
        neighbors=1,
        peers=PEERS,
        table=True,
        addresses=True,
    )


def shown_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_problems_are_listed_with_what_to_do(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # no advice is wrapped
    populate_with_problems(site)
    assert operate("status", "apex") == 0
    lines = shown_lines(capsys)
    assert f"{ONE} none none, node1 (asked for rank 0, not accepted: refused)" in lines
    assert any(line.startswith("node1 no-address 1 of 2") for line in lines)
    first = lines.index("problems")
    assert lines[first + 1 :] == [
        f"apex: {ADVICE['unserved'].what}: {ONE} (unserved)",
        f"-> {ADVICE['unserved'].do}",
        f"node1: {ADVICE['no-carrier'].what}: 192.0.2.2 via eth1 (no-carrier)",
        f"-> {ADVICE['no-carrier'].do}",
        f"node1 apex: {ADVICE['no-address'].what}: {TWO} (no-address)",
        f"-> {ADVICE['no-address'].do}",
        f"node1 apex: ExaBGP has not accepted the route of a VIP: {ONE} (refused)",
        f"-> {ADVICE['refused'].do}",
    ]


def test_a_healthy_service_has_no_section_of_problems(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.state("node1", {ONE: OWN})
    assert operate("status", "apex") == 0
    assert "problems" not in capsys.readouterr().out


def test_facts_output(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    populate_with_problems(site)
    assert operate("status", "apex", "--facts") == 0
    assert shown_lines(capsys) == [
        "service apex",
        "VIP node asked for accepted in table address reason",
        f"{ONE} node1 rank 0 no unknown yes refused",
        f"{TWO} node1 rank 1 yes yes no no-address",
        "node neighbour state AS hold time interface families",
        "node1 192.0.2.2 no-carrier ? -> ? ? eth1 ?",
        "node1 192.0.2.1 established 65001 -> 65000 9 eth0 ipv4 unicast",
    ]


def test_a_route_that_no_neighbour_receives_is_marked_without_colour(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    vips = {ONE: VipState("no-bgp", 0, owned=True), TWO: VipState("takeover", 1)}
    site.state("node1", vips, neighbors=0)
    assert operate("status", "apex") == 0
    lines = shown_lines(capsys)
    assert f"{ONE} none node1 (rank 0, no-bgp)" in lines
    assert f"{TWO} none node1 (rank 1, takeover, no BGP neighbour)" in lines


def test_events_output(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    populate(site)
    site.state("node2", {}, events=(replace(TAKEOVER, at="2026-01-02T03:04:05.001+00:00", old=""),))
    assert operate("status", "apex", "--events") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    at = "2026-01-02T03:04:05"
    assert lines == [
        "service apex",
        "at (UTC) node VIP cause rule route",
        f"{at}.001 node2 {TWO} members A2 nothing -> rank 1 (takeover)",
        f"{at}.678 node1 {TWO} members A2 withdrawn (standby) -> rank 1 (takeover)",
    ]


def test_all_services_of_the_configuration(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("{node: n, services: {apex: {auth_ip: 10.0.0.1}, web: {auth_ip: 10.0.0.9}}}")
    assert vipagent("status", "--json", "--config", str(path)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(service["service"], [vip["vip"] for vip in service["vips"]]) for service in shown] == [
        ("apex", ["10.0.0.1"]),
        ("web", ["10.0.0.9"]),
    ]
    assert site.opened


def test_that_no_agent_runs_is_a_problem_but_the_status_was_read(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "agent.yaml"
    path.write_text("{node: n, services: {apex: {auth_ip: 10.0.0.1, vip: [10.0.0.2]}}}")
    assert vipagent("status", "--config", str(path)) == 0
    what, do = ADVICE["unserved"]
    assert shown_lines(capsys)[-3:] == ["problems", f"apex: {what}: {ONE} and 1 more (unserved)", f"-> {do}"]
    assert vipagent("status", "--json", "--config", str(path)) == 0
    [found] = json.loads(capsys.readouterr().out)[0]["problems"]
    assert (found["reason"], found["node"], found["service"], found["vip"]) == ("unserved", None, "apex", ONE)
    site.put(Kind.MAINTENANCE, "all")
    assert vipagent("status", "--config", str(path)) == 0
    assert "problems" not in shown_lines(capsys)


def test_one_unknown_entry_is_singular(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.put(Kind.MEMBERS, "litter")
    assert operate("status", "apex") == 0
    assert "ignoring 1 unknown entry in the store" in capsys.readouterr().out


BROKEN_FILES = {
    "interval": "{node: n, services: {apex: {auth_ip: 10.0.0.1, interval: x}, web: {auth_ip: 10.0.0.9}}}",
    "of the agent": "{node: n, watchdog: x, services: {apex: {auth_ip: 10.0.0.1}, web: {auth_ip: 10.0.0.9}}}",
    "rule": "{node: n, services: {apex: {auth_ip: 10.0.0.1, prepend: 1}, web: {auth_ip: 10.0.0.9}}}",
    "key of a service": "{node: n, rise: 2, services: {apex: {auth_ip: 10.0.0.1}, web: {auth_ip: 10.0.0.9}}}",
    "twice": "{node: n, services: {apex: {auth_ip: [10.0.0.1, 10.0.0.1]}, web: {auth_ip: 10.0.0.9}}}",
    "node": "{node: a/b, services: {apex: {auth_ip: 10.0.0.1}, web: {auth_ip: 10.0.0.9}}}",
}


@pytest.mark.parametrize("text", BROKEN_FILES.values(), ids=list(BROKEN_FILES))
def test_a_broken_file_does_not_hide_the_status(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    site.state("node1", {ONE: OWN})
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    assert vipagent("status", "--json", "--config", str(path)) == 2
    captured = capsys.readouterr()
    [apex, web] = json.loads(captured.out)
    assert [vip["vip"] for vip in apex["vips"]] == [ONE]
    assert [node["node"] for node in apex["nodes"]] == ["node1"]
    assert [vip["vip"] for vip in web["vips"]] == ["10.0.0.9"]
    *problems, hint = captured.err.splitlines()
    assert problems
    assert all(line.startswith(f"{path}: ") for line in problems)
    assert hint == "the file is invalid; using the store and the names of the services in it"


def test_a_service_with_broken_vips_is_shown_with_those_in_the_store(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.state("node1", {ONE: OWN})
    path = tmp_path / "agent.yaml"
    for service in ("{auth_ip: 10.0.0.300, vip: 10.0.0.9}", "broken"):
        path.write_text(f"{{node: n, services: {{apex: {service}, '/': {{auth_ip: 10.0.0.1}}}}}}")
        assert vipagent("status", "--json", "--config", str(path)) == 2
        [apex] = json.loads(capsys.readouterr().out)
        assert [vip["vip"] for vip in apex["vips"]] == [ONE]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{session_timeout: x, services: {apex: {auth_ip: 10.0.0.1}}}",
        "{zk_hosts: x, services: {apex: {auth_ip: 10.0.0.1}}}",
    ],
    ids=["no YAML", "session timeout", "unknown key"],
)
def test_without_the_store_s_settings_there_is_no_status(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    assert vipagent("status", "apex", "--config", str(path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "specify the store instead (--backend, --hosts, ...)" in captured.err.splitlines()[-1]
    assert not site.opened


def test_a_broken_file_does_not_hide_the_maintenance_but_stops_a_change_of_it(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.put(Kind.MAINTENANCE, "all")
    path = tmp_path / "agent.yaml"
    path.write_text(BROKEN_FILES["interval"])
    assert vipagent("maintenance", "list", "--config", str(path)) == 2
    assert capsys.readouterr().out == "apex: in maintenance\n"
    assert vipagent("maintenance", "off", "apex", "--config", str(path)) == 2
    assert "specify the store instead" in capsys.readouterr().err
    assert site.maintenance()


def test_exit_status(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate("status") == 2
    assert "missing SERVICE" in capsys.readouterr().err
    assert vipagent("status", "apex", "--hosts", "away.example:1") == 1
    assert capsys.readouterr().err == "store: away.example:1: Connection refused\n"
    assert not site.opened


def test_values_from_the_store_are_not_markup() -> None:
    shown = ServiceStatus(
        service="apex",
        maintenance=Maintenance("[bold]move[/bold]"),
        vips=(summarize("apex", {Kind.MEMBERS: {ONE: Entry(b"")}}).vips[0],),
        nodes=(NodeStatus("node1", "conflict", "[red]held[/red] by x", "", None),),
        ignored=3,
    )
    console = Console(width=120)
    with console.capture() as captured:
        console.print(tables([shown], "lost: zk1:2181: Connection refused"))
    text = captured.get()
    for part in (
        "store lost: zk1:2181: Connection refused",
        "in maintenance: [bold]move[/bold]",
        "registered, no vipagent  unknown: registered by an agent that publishes no state",
        "[red]held[/red] by x",
        "ignoring 3 unknown entries in the store",
    ):
        assert part in text


@pytest.mark.parametrize("as_json", [True, False])
def test_watch_shows_each_change_without_polling(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """Each change is made after the previous one has been shown."""
    seen: list[str] = []
    steps = [
        lambda: site.state("node1", {ONE: OWN}),
        lambda: site.state("node1", {ONE: VipState("draining", 2)}),
    ]

    def shown(statuses: list[ServiceStatus]) -> list[ServiceStatus]:
        words = [node.state for node in statuses[0].nodes]
        if words and words[0] not in seen:
            seen.append(words[0])
        if len(seen) == len(done) and steps:
            step = steps.pop(0)
            done.append(step)
            threading.Thread(target=step).start()
        if seen == ["serving", "draining"]:
            raise KeyboardInterrupt
        return statuses

    done: list[object] = []
    now = status._now
    monkeypatch.setattr(status, "_now", lambda latest, wanted: shown(now(latest, wanted)))
    options = ["--json"] if as_json else []
    assert operate("status", "apex", "--watch", *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert seen == ["serving", "draining"]
    if as_json:
        assert [node["state"] for line in lines for node in json.loads(line)[0]["nodes"]] == ["serving"]


def test_latest_keeps_snapshots_and_session_state() -> None:
    latest = Latest()
    assert latest.store == "not connected yet"
    changes = latest.changes()
    next(changes)
    latest.session(StoreState.CONNECTED, "h")
    next(changes)
    assert latest.store == ""
    latest.session(StoreState.LOST, "h: refused")
    assert latest.store == "lost: h: refused"
    directory = Directory(Kind.STATES, "apex")
    waiter = threading.Timer(0.01, latest.snapshot, (directory, {}))
    waiter.start()
    assert latest.wait_until(lambda: directory in latest.entries, 10)
    waiter.join()
    assert not latest.wait_until(lambda: False, 0.01)


def test_session_is_closed_when_the_command_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "summarize", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        status.command.main(["apex", "--hosts", "store.example:1"], standalone_mode=False)
    assert site.opened
    assert not site.store.sessions
